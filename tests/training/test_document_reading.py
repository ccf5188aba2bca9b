"""Documents are read as documents in training too: prompt, length and marker; English sides as queries; a prompt is no content."""

import pytest
import tiny_pairs
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Normalize
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from test_trainer import arguments
from torch.nn.functional import cross_entropy, normalize

from optical_hf.models import iter_token_sets, preprocess, token_set
from optical_hf.models.prompts import reads_alike, set_prompts
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.training import OTDistillationTrainer


def bitext():
    rows = tiny_pairs.bitext()
    return rows.add_column("relevant_document", [f"{text} and a donkey" for text in rows["source"][::-1]])


def prompted():
    teacher = tiny_pairs.teacher()
    set_prompts(teacher, query="a red ", document="two very small ")
    return teacher


def colbert():
    """A late-interaction teacher with markers, a length of queries and words of documents that are skipped."""
    transformer = tiny_pairs.teacher()[0]
    transformer.query_length, transformer.document_length = 8, 20
    modules = [transformer, MultiVectorMask(skiplist_words=["a"]), Normalize(module_input_name="token_embeddings")]
    return MultiVectorEncoder(
        modules=modules, prompts={"query": "two ", "document": "red "}, device="cpu"
    ).requires_grad_(False).eval()  # fmt: skip


def as_read(teacher, texts, task):
    """The vectors that a teacher's own way to encode gives."""
    encode = teacher.encode_query if task == "query" else teacher.encode_document
    if isinstance(teacher, MultiVectorEncoder):
        return torch.stack([tokens.mean(dim=0) for tokens in encode(texts)])
    return encode(texts, convert_to_tensor=True)


TEACHERS = {
    "one": lambda teacher, rows, folder: teacher,
    "cache": lambda teacher, rows, folder: TeacherCache.build(teacher, rows, folder, progress=False),
}


def trainer(folder, rows, teacher, losses="contrastive"):
    return OTDistillationTrainer(
        tiny_pairs.pair()[0], teacher, arguments(folder, losses=losses, max_steps=1), rows
    )  # fmt: skip


@pytest.mark.parametrize("make", [prompted, colbert])
@pytest.mark.parametrize("several", TEACHERS)
def test_documents_are_read_as_documents(make, several, tmp_path):
    rows, teacher = bitext().select([0, 40, 80]), make()
    run = trainer(tmp_path / "run", rows, TEACHERS[several](teacher, rows, tmp_path / "tokens"))
    run.model.eval()
    with torch.no_grad():
        features = preprocess(run.model, rows["target"][:], "query")
        own = token_set(run.model, features, run.model(dict(features), task="query")).vector_BD
    documents = as_read(teacher, rows["relevant_document"][:], "document")
    scores = normalize(own, dim=1) @ normalize(documents, dim=1).T
    expected = float(cross_entropy(scores / 0.05, torch.arange(3)))
    as_queries = normalize(own, dim=1) @ normalize(as_read(teacher, rows["relevant_document"][:], "query"), dim=1).T
    assert run.evaluate(rows)["eval_loss"] == pytest.approx(expected, rel=2e-2)
    assert float(cross_entropy(as_queries / 0.05, torch.arange(3))) != pytest.approx(expected, rel=2e-2)


@pytest.mark.parametrize("several", TEACHERS)
def test_a_bank_of_documents_holds_them_as_documents(several, tmp_path):
    rows, teacher = bitext(), prompted()
    run = trainer(tmp_path / "run", rows, TEACHERS[several](teacher, rows, tmp_path / "tokens"), "contrastive(bank=40)")
    run.train()
    documents = normalize(as_read(teacher, sorted({*rows["relevant_document"]}), "document"), dim=1)
    found = (normalize(run.bank.vectors_KD, dim=1) @ documents.T).max(dim=1).values
    assert found.min() > 1 - 1e-4


@pytest.mark.parametrize("make", [prompted, colbert])
def test_english_sides_are_read_as_queries(make, tmp_path):
    rows, teacher = bitext().select(range(8)), make()
    run = trainer(tmp_path, rows, teacher)
    read = run.teacher.token_set(run.data_collator(list(rows))["teacher"])
    torch.testing.assert_close(read.vector_BD, as_read(teacher, rows["source"][:], "query"), atol=1e-5, rtol=1e-5)


def test_a_cache_holds_each_text_as_it_is_read(tmp_path):
    texts, teacher = tiny_pairs.bitext()["source"][:4], prompted()
    cache = TeacherCache.build(teacher, texts, tmp_path, documents=texts, progress=False)
    for task in ("query", "document"):
        found = cache.lookup(texts, task).vector_BD
        torch.testing.assert_close(found, as_read(teacher, texts, task), atol=2e-3, rtol=2e-3)
        alone = cache.token_set(cache.features(texts, task=task), task)
        assert torch.equal(alone.vector_BD, found)
    queries = TeacherCache.build(teacher, [*texts, "a dog"], tmp_path, progress=False)
    with pytest.raises(ValueError, match=r"1 of 1 documents are not in the token cache .* documents=documents\)"):
        queries.lookup(["a dog"], "document")


def test_a_teacher_that_reads_both_alike_has_one_entry(tmp_path):
    texts, teacher = tiny_pairs.bitext()["source"][:4], tiny_pairs.teacher()
    assert reads_alike(teacher)
    assert not reads_alike(prompted())
    assert not reads_alike(colbert())
    cache = TeacherCache.build(teacher, texts, tmp_path, documents=[texts[0]], progress=False)
    assert len(cache) == len({*texts})
    assert torch.equal(cache.lookup(texts, "document").vector_BD, cache.lookup(texts).vector_BD)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_tokens_of_a_prompt_are_no_content(side):
    texts, teacher = ["a dog", "two red balls and a green house", ""], tiny_pairs.teacher()
    teacher.tokenizer.padding_side = side
    [plain] = iter_token_sets(teacher, texts)
    set_prompts(teacher, query="a red ")
    [read] = iter_token_sets(teacher, texts)
    longer = len(teacher.tokenizer("a red")["input_ids"]) - 2  # the space is the text's
    assert longer > 0
    assert (read.mask_BN.sum(dim=1) - plain.mask_BN.sum(dim=1)).tolist()[:2] == [longer] * 2
    assert read.content_BN.sum(dim=1).tolist()[:2] == plain.content_BN.sum(dim=1).tolist()[:2]
    assert torch.equal(read.content_BN[2], read.mask_BN[2])  # a text of nothing else
