"""Trimming: the corpus's embeddings to the bit, fewer weights, and a folder that loads without us."""

import copy
import gzip
import json
import random

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from optical_hf.models import as_late_interaction, build_student, load_student
from optical_hf.models.tiny import tiny_encoder
from optical_hf.models.vocabulary import trim_vocabulary
from optical_hf.models.vocabulary.tokenizer_state import read_state, runnable, select

CORPUS = ["zwei hunde laufen am strand", "ein mann fährt fahrrad", "die katze schläft auf dem sofa", "ein rotes boot"]
OTHER = [
    "two dogs run on the beach",
    "a man rides a bicycle",
    "una donna cammina",
    "kaksi koiraa juoksee rannalla",
    "☃ snow",
]


@pytest.fixture(scope="module", params=["unigram", "wordpiece"])
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def made(kind, make_encoder) -> SentenceTransformer:
    return make_encoder(kind, CORPUS + OTHER)


@pytest.fixture
def encoder(made) -> SentenceTransformer:
    return copy.deepcopy(made)


def test_the_corpus_keeps_its_embeddings_to_the_bit(encoder):
    encoder.prompts = {"query": "frage: "}
    prompted = encoder.encode_query(CORPUS)
    before, tokens = encoder.encode(CORPUS), encoder.encode(CORPUS, output_value="token_embeddings")
    report = trim_vocabulary(encoder, CORPUS)
    assert report.pieces_after < report.pieces_before
    assert encoder[0].model.get_input_embeddings().num_embeddings == report.pieces_after == len(encoder.tokenizer)
    assert np.array_equal(encoder.encode(CORPUS), before)
    assert np.array_equal(encoder.encode_query(CORPUS), prompted)
    for old, new in zip(tokens, encoder.encode(CORPUS, output_value="token_embeddings"), strict=True):
        assert torch.equal(old, new)


@pytest.mark.slow
def test_the_saved_student_is_smaller_and_loads_alone(encoder, tmp_path):
    encoder.save_pretrained(str(tmp_path / "whole"))
    report = trim_vocabulary(encoder, CORPUS)
    encoder.save_pretrained(str(tmp_path / "trimmed"))
    size = {name: (tmp_path / name / "model.safetensors").stat().st_size for name in ("whole", "trimmed")}
    assert size["whole"] - size["trimmed"] == pytest.approx(report.bytes_before - report.bytes_after, abs=500)
    loaded = SentenceTransformer(str(tmp_path / "trimmed"))
    assert np.abs(loaded.encode(CORPUS) - encoder.encode(CORPUS)).max() < 1e-5
    assert loaded.tokenizer(CORPUS)["input_ids"] == encoder.tokenizer(CORPUS)["input_ids"]
    assert loaded.tokenizer.model_max_length == encoder.tokenizer.model_max_length
    assert loaded[0].model.config.vocab_size == report.pieces_after
    # Saved again by the library alone, it still is what it was.
    loaded.save_pretrained(str(tmp_path / "again"))
    assert np.array_equal(SentenceTransformer(str(tmp_path / "again")).encode(CORPUS), loaded.encode(CORPUS))


def test_special_tokens_keep_their_roles(encoder):
    roles = {name: getattr(encoder.tokenizer, name) for name in ("pad_token", "unk_token", "cls_token", "sep_token")}
    ids = encoder.tokenizer(CORPUS[0])["input_ids"]
    framed = encoder.tokenizer.convert_ids_to_tokens(ids)
    trim_vocabulary(encoder, CORPUS)
    assert {name: getattr(encoder.tokenizer, name) for name in roles} == roles
    assert encoder.tokenizer.convert_ids_to_tokens(encoder.tokenizer(CORPUS[0])["input_ids"]) == framed
    assert encoder[0].model.config.pad_token_id == encoder.tokenizer.pad_token_id


def test_new_words_of_known_characters_can_still_be_spelt(encoder):
    trim_vocabulary(encoder, CORPUS)
    unknown = encoder.tokenizer.unk_token_id
    assert unknown not in encoder.tokenizer("die hunde am boot laufen rad")["input_ids"]
    assert unknown in encoder.tokenizer("☃")["input_ids"]


@pytest.mark.slow
def test_a_student_of_either_kind_is_trimmed(encoder, tmp_path):
    teacher = tiny_encoder(OTHER, width=8, vocabulary_size=60, seed=3)
    for kind, loader in (("vector", SentenceTransformer), ("late_interaction", MultiVectorEncoder)):
        encoder.save_pretrained(str(tmp_path / kind))
        student = load_student(tmp_path / kind, teacher, kind=kind)
        student.prompts = {}
        before = student.encode_query(CORPUS)
        assert trim_vocabulary(student, CORPUS).pieces_after == len(student.tokenizer)
        student.save_pretrained(str(tmp_path / f"{kind} student"))
        after = loader(str(tmp_path / f"{kind} student")).encode_query(CORPUS)
        for old, new in zip(before, after, strict=True):
            assert np.abs(np.asarray(old) - np.asarray(new)).max() < 1e-5


def test_shared_views_are_trimmed_together(encoder):
    late = as_late_interaction(encoder)
    before = late.encode_query(CORPUS)
    trim_vocabulary(encoder, CORPUS)
    for old, new in zip(before, late.encode_query(CORPUS), strict=True):
        assert torch.equal(torch.as_tensor(old), torch.as_tensor(new))


def test_a_frozen_embedding_stays_frozen(encoder):
    encoder.requires_grad_(False)
    trim_vocabulary(encoder, CORPUS)
    assert not any(p.requires_grad for p in encoder.parameters())


@pytest.mark.slow
def test_random_corpora_are_split_as_before(make_encoder, kind):
    """Corpora of an ambiguous vocabulary, with unknown characters among them."""
    generator = random.Random(0)
    letters = "abcdé☃"
    learn = ["".join(generator.choices(letters[:5], k=generator.randint(1, 9))) for _ in range(400)]
    encoder = make_encoder(kind, learn, size=90, width=8)
    for number in range(30):
        student = copy.deepcopy(encoder)
        words = ["".join(generator.choices(letters, k=generator.randint(1, 12))) for _ in range(6)]
        whole = [e.tokens for e in runnable(read_state(student.tokenizer)).encode_batch(words)]
        trim_vocabulary(student, words)
        trimmed = runnable(read_state(student.tokenizer))
        assert [e.tokens for e in trimmed.encode_batch(words)] == whole, (number, words)


def test_a_word_that_would_become_known_keeps_its_pieces(make_encoder):
    """Greedy "abc" + "##d" fails where "ab" + "##cd" would not: without "abc" the word would stop being unknown."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "ab", "abc", "##cd", "x"]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    encoder = make_encoder("wordpiece", ["a"], width=8)
    encoder[0].processor = fast
    encoder[0].model.resize_token_embeddings(len(vocabulary))
    trim_vocabulary(encoder, ["abcd", "ab", "xcd"])
    assert encoder.tokenizer.tokenize("abcd") == ["[UNK]"]
    assert encoder.tokenizer.tokenize("ab xcd") == ["ab", "x", "##cd"]


def test_ids_in_every_post_processor_are_renumbered(make_encoder):
    encoder = make_encoder("unigram", CORPUS, size=60)
    state = read_state(encoder.tokenizer)
    template = state["post_processor"]
    assert template["type"] == "TemplateProcessing"
    kept = [0, 1, 2, 3, 4, 9, 11]
    ends = {
        "type": "RobertaProcessing",
        "sep": ["p", 11],
        "cls": ["q", 9],
        "trim_offsets": True,
        "add_prefix_space": True,
    }
    nested = state | {"post_processor": {"type": "Sequence", "processors": [ends, template]}}
    chosen = select(nested, kept)["post_processor"]["processors"]
    assert (chosen[0]["sep"], chosen[0]["cls"]) == (["p", 6], ["q", 5])
    assert chosen[1] == template
    assert select(state | {"post_processor": None}, kept)["post_processor"] is None


def test_what_cannot_be_trimmed_is_refused(encoder):
    with pytest.raises(ValueError, match="no texts"):
        trim_vocabulary(encoder, [])
    bpe = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), pad_token="[PAD]")
    with pytest.raises(ValueError, match="is a BPE: expected Unigram"):
        read_state(bpe)
    with pytest.raises(ValueError, match="not a fast tokenizer"):
        read_state(object())
    encoder[0].model = get_peft_model(encoder[0].model, LoraConfig(target_modules=["query"], r=2))
    with pytest.raises(ValueError, match="wrapped in a PeftModel"):
        trim_vocabulary(encoder, CORPUS)


@pytest.mark.real
@pytest.mark.slow
def test_the_real_tokenizers(real_models, shared_data):
    captions = {}
    for language in ("de", "en"):
        with gzip.open(shared_data / "multi30k" / f"val.{language}.gz", "rt", encoding="utf-8") as lines:
            captions[language] = [line.strip() for line in lines][:150]
    for name, corpus in (("multilingual-e5-small", captions["de"]), ("all-MiniLM-L6-v2", captions["en"])):
        encoder = SentenceTransformer(str(real_models / name), device="cpu")
        before = encoder.encode(corpus[:8])
        report = trim_vocabulary(encoder, corpus)
        assert report.pieces_after < 0.2 * report.pieces_before
        assert np.array_equal(encoder.encode(corpus[:8]), before)
        state = json.loads(encoder.tokenizer.backend_tokenizer.to_str())
        assert len(state["model"]["vocab"]) == report.pieces_after


@pytest.mark.parametrize("layers", [None, [0, 1]])
def test_a_built_student_is_trimmed_in_its_backbone(encoder, layers):
    teacher = tiny_encoder(OTHER, width=8, vocabulary_size=60, seed=3)
    student = build_student(encoder, teacher, layers=layers)
    before = student.encode(CORPUS)
    trim_vocabulary(student, CORPUS)
    assert np.array_equal(student.encode(CORPUS), before)
