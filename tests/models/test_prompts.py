"""A student's query prompt: given, read with, saved; a family that wants one and has none is told its exact remedy."""

import json
import logging

import pytest
import tiny_pairs
import torch
from sentence_transformers import MultiVectorEncoder, SentenceTransformer

from optical_hf.cli import main
from optical_hf.evaluation.systems import untrained_student
from optical_hf.models import fit_alignment, load_student, load_teacher, preprocess_queries
from optical_hf.models.prompt_families import FAMILIES, family_of
from optical_hf.models.prompts import prompt_of, set_prompts
from optical_hf.models.teachers.token_cache.cache_identity import CacheIdentity
from optical_hf.models.tokens import preprocess
from optical_hf.training import save_student

TEXT = "ein Hund"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("prompts")
    tiny_pairs.teacher().save_pretrained(str(place / "teacher"))
    tiny_pairs.backbone().save_pretrained(str(place / "multilingual-e5-small"))
    (place / "so.tsv").write_text(
        "".join(f"{row['target']}\t{row['source']}\n" for row in tiny_pairs.bitext(48)), encoding="utf-8"
    )
    return place


def shell(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["optical-hf", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        raise SystemExit(main())
    return end.value.code


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vector", "late_interaction"])
def test_the_prompt_is_read_with_and_saved(folder, tmp_path, kind):
    teacher = load_teacher(folder / "teacher")
    student = load_student(folder / "multilingual-e5-small", teacher, kind=kind, query_prompt="query: ")
    with_it = student.tokenizer("query: " + TEXT)["input_ids"]
    assert preprocess_queries(student, [TEXT])["input_ids"].tolist() == [with_it]
    fit_alignment(student, teacher, tiny_pairs.bitext(48), method="transport", rounds=1, progress=False)
    save_student(student, tmp_path / "student")
    saved = (MultiVectorEncoder if kind == "late_interaction" else SentenceTransformer)(str(tmp_path / "student"))
    assert saved.prompts["query"] == "query: "
    plain = saved.encode("query: " + TEXT, convert_to_numpy=True)
    assert saved.encode_query(TEXT, convert_to_numpy=True) == pytest.approx(plain, abs=1e-5)
    assert prompt_of(load_student(tmp_path / "student", teacher, kind=kind), "query") == "query: "
    assert prompt_of(load_student(tmp_path / "student", teacher, kind=kind, query_prompt=""), "query") is None


@pytest.mark.parametrize(
    ("prompts", "default"),
    [
        ({}, None),
        ({"query": "q: ", "document": "d: "}, None),
        ({"query": "q: ", "passage": "p: "}, None),
        ({"other": "o: "}, "other"),
        ({"query": "", "other": "o: "}, "other"),
    ],
)
@pytest.mark.parametrize("task", ["query", "document"])
def test_the_prompt_is_the_one_that_sentence_transformers_takes(prompts, default, task, monkeypatch):
    model = tiny_pairs.teacher()
    model.prompts, model.default_prompt_name = {**model.prompts, **prompts}, default
    seen = []
    read = model.preprocess
    monkeypatch.setattr(
        model, "preprocess", lambda *args, **kwargs: seen.append(kwargs.get("prompt")) or read(*args, **kwargs)
    )
    getattr(model, f"encode_{task}")(TEXT)
    assert (seen[-1] or None) == prompt_of(model, task)


def test_documents_are_read_with_their_own_prompt_and_length():
    model = tiny_pairs.teacher()
    set_prompts(model, query="query: ", document="passage: ")
    model[0].document_length = 4
    assert preprocess(model, [TEXT], "query")["input_ids"].shape[1] > 4
    assert preprocess(model, [TEXT], "document")["input_ids"].shape[1] == 4


def test_a_prompt_makes_another_token_cache():
    model = tiny_pairs.teacher()
    before = CacheIdentity.of(model).key
    set_prompts(model, query="query: ")
    assert CacheIdentity.of(model).key != before


@pytest.mark.parametrize(
    ("name", "query", "document"),
    [
        ("intfloat/multilingual-e5-small", "query: ", "passage: "),
        ("/models/e5-base-v2/", "query: ", "passage: "),
        ("intfloat/multilingual-e5-large-instruct", "Instruct: Given a web search query, retrieve relevant", ""),
        ("BAAI/bge-base-en-v1.5", "Represent this sentence for searching relevant passages: ", ""),
        ("Snowflake/snowflake-arctic-embed-m-v1.5", "Represent this sentence for searching relevant passages: ", ""),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "query: ", ""),
        ("nomic-ai/nomic-embed-text-v1.5", "search_query: ", "search_document: "),
        ("Qwen/Qwen3-Embedding-0.6B", "Instruct: Given a web search query, retrieve relevant", ""),
        ("google/embeddinggemma-300m", "task: search result | query: ", "title: none | text: "),
        ("Alibaba-NLP/gte-Qwen2-1.5B-instruct", "Instruct: Given a web search query, retrieve relevant", ""),
    ],
)
def test_families_are_known_by_hub_id_and_by_folder(name, query, document):
    family = family_of(name)
    assert family.query.startswith(query)
    assert family.document == document


@pytest.mark.parametrize(
    "name", ["BAAI/bge-m3", "all-MiniLM-L6-v2", "xlm-roberta-base", "Alibaba-NLP/gte-multilingual-base", "/tmp/e5"]
)
def test_others_want_no_prompt(name):
    assert family_of(name) is None


def test_each_family_says_where_it_is_from():
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    for family in FAMILIES:
        assert family.source.startswith("huggingface.co/")
        assert family_of(family.source) == family


@pytest.mark.slow
def test_a_family_without_its_prompt_is_told_the_flag(folder, tmp_path, caplog):
    teacher = load_teacher(folder / "teacher")
    place = folder / "multilingual-e5-small"
    with caplog.at_level(logging.WARNING):
        load_student(place, teacher)
    assert """query_prompt='query: ' (--query-prompt 'query: ')""" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        load_teacher(place)
    assert "load_teacher(..., query_prompt='query: ', document_prompt='passage: ')" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        student = load_student(place, teacher, query_prompt="query: ")
        load_student(place, teacher, query_prompt="")
        student.save_pretrained(str(tmp_path / "e5-small-so"))
        load_teacher(tmp_path / "e5-small-so")
        set_prompts(student, query="")
        student.save_pretrained(str(tmp_path / "e5-base-so"))
        load_student(tmp_path / "e5-base-so", teacher)  # it was fitted without
    assert "family" not in caplog.text


@pytest.mark.parametrize("by", ["config", "card"])
def test_a_folder_of_another_name_is_known_by_what_it_was_made_from(folder, tmp_path, caplog, by):
    model = tiny_pairs.backbone()
    model.save_pretrained(str(tmp_path / "mine"))
    if by == "config":
        file = tmp_path / "mine" / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"_name_or_path": "BAAI/bge-small-en-v1.5"}))
    else:
        (tmp_path / "mine" / "README.md").write_text("---\nbase_model: BAAI/bge-small-en-v1.5\n---\n", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        load_student(tmp_path / "mine", load_teacher(folder / "teacher"))
    assert "of the family BGE" in caplog.text


@pytest.mark.slow
def test_align_and_evaluate_take_it(folder, tmp_path, monkeypatch, capsys):
    models = ["--teacher", folder / "teacher", "--student"]
    words = ["align", *models, folder / "multilingual-e5-small", "--bitext", f"so={folder / 'so.tsv'}", "--rounds", "1"]
    assert not shell(monkeypatch, *words, "--output", tmp_path / "student", "--query-prompt", "query: ")
    assert SentenceTransformer(str(tmp_path / "student")).prompts["query"] == "query: "
    asked = ["evaluate", *models, tmp_path / "student", "--queries", f"so={folder / 'so.tsv'}"]
    found = []
    for more in ([], ["--query-prompt", "query: "], ["--query-prompt", "another text in front: "]):
        report = tmp_path / f"{len(found)}.json"
        assert not shell(monkeypatch, *asked, "--json", report, *more)
        found.append(json.loads(report.read_text())["systems"])
    assert found[0] == found[1] != found[2]


@pytest.mark.slow
def test_an_untrained_student_is_read_with_it(folder, tmp_path, monkeypatch):
    asked = [
        "evaluate",
        "--teacher",
        folder / "teacher",
        "--system",
        "untrained",
        "--queries",
        f"so={folder / 'so.tsv'}",
    ]
    found = []
    for prompt in ("query: ", "another text in front: "):
        report = tmp_path / f"{len(found)}.json"
        more = ["--untrained", folder / "multilingual-e5-small", "--query-prompt", prompt, "--json", report]
        assert not shell(monkeypatch, *asked, *more)
        found.append(json.loads(report.read_text())["systems"])
    assert found[0] != found[1]
    teacher = load_teacher(folder / "teacher")
    student = load_student(folder / "multilingual-e5-small", teacher, query_prompt="query: ")
    assert prompt_of(untrained_student(folder / "multilingual-e5-small", teacher, student), "query") == "query: "


@pytest.mark.slow
def test_train_takes_it(folder, tmp_path, monkeypatch):
    words = ["train", "--teacher", folder / "teacher", "--student", folder / "multilingual-e5-small", "--use_cpu"]
    words += ["--bitext", f"so={folder / 'so.tsv'}", "--max_steps", "1", "--report_to", "none"]
    assert not shell(monkeypatch, *words, "--output", tmp_path / "student", "--query_prompt", "query: ")
    assert SentenceTransformer(str(tmp_path / "student")).prompts["query"] == "query: "


def test_weights_stay_what_they_are(folder):
    teacher = load_teacher(folder / "teacher")
    one, other = (
        load_student(folder / "multilingual-e5-small", teacher, query_prompt=prompt) for prompt in ("query: ", "")
    )
    for left, right in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(left, right)
