"""How many tokens of a text are kept: never more than the backbone has positions for, never none."""

import logging

import pytest
import tiny_pairs
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from transformers import XLMRobertaConfig, XLMRobertaModel

from optical_hf.cli import main
from optical_hf.models import as_late_interaction, build_student, load_student, load_teacher
from optical_hf.models.text_length import positions_of, set_max_seq_length, text_length

LONG = " ".join(["a red dog"] * 200)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A BERT of 64 positions, and an XLM-R of 66, which are 64 tokens, whose tokenizer states no limit."""
    folder = tmp_path_factory.mktemp("models")
    teacher = tiny_pairs.teacher()
    teacher.save_pretrained(str(folder / "bert"))
    tokenizer = teacher.tokenizer
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=66, pad_token_id=1,
    )  # fmt: skip
    XLMRobertaModel(config).save_pretrained(folder / "xlmr")
    tokenizer.model_max_length = 10**30
    tokenizer.save_pretrained(folder / "xlmr")
    return folder


def test_roberta_counts_its_positions_from_behind_the_padding(folders, caplog):
    assert positions_of(SentenceTransformer(str(folders / "bert"))) == 64
    plain = SentenceTransformer(str(folders / "xlmr"))
    assert plain.max_seq_length == 66  # what sentence-transformers takes, and what a long text would stumble over
    assert positions_of(plain) == 64
    with caplog.at_level(logging.WARNING):
        model = load_teacher(folders / "xlmr", device="cpu")
    assert model.max_seq_length == 64
    assert "keeps 66 tokens of a text, but its backbone has positions for 64" in caplog.text
    assert model.encode([LONG]).shape == (1, 16)
    assert build_student(plain, tiny_pairs.teacher()).encode([LONG]).shape == (1, 32)


@pytest.mark.parametrize(("name", "most"), [("bert", 64), ("xlmr", 64)])
def test_more_tokens_than_positions_are_refused_when_loading(folders, name, most):
    teacher = tiny_pairs.teacher()
    with pytest.raises(ValueError, match=rf"max_seq_length is {most + 1}.*positions for {most} tokens"):
        load_student(folders / name, teacher, max_seq_length=most + 1)
    assert load_student(folders / name, teacher, max_seq_length=most).encode([LONG]).shape == (1, 32)


@pytest.mark.parametrize("tokens", [0, -1, 1.5, True])
def test_less_than_one_token_is_refused(folders, tokens):
    with pytest.raises(ValueError, match="expected a whole number of tokens from 1 up"):
        load_student(folders / "bert", tiny_pairs.teacher(), max_seq_length=tokens)
    with pytest.raises(ValueError, match="expected a whole number of tokens from 1 up"):
        set_max_seq_length(tiny_pairs.teacher(), tokens)


def test_a_limit_is_that_of_queries_and_of_documents():
    transformer = tiny_pairs.teacher()[0]
    late = as_late_interaction(SentenceTransformer(modules=[transformer]))
    assert isinstance(late, MultiVectorEncoder)
    transformer.query_length, transformer.document_length = 8, 30

    def lengths():
        return len(late.encode_query([LONG])[0]), len(late.encode_document([LONG])[0])

    assert lengths() == (8, 30)
    with text_length(late, 12):
        assert lengths() == (12, 12)
    assert lengths() == (8, 30)
    set_max_seq_length(late, 5)
    assert lengths() == (5, 5)
    with text_length(late, None):
        assert lengths() == (5, 5)


def test_a_model_without_positions_has_no_bound():
    model = tiny_pairs.teacher()
    model[0].model.config.max_position_embeddings = -1
    assert positions_of(model) is None
    set_max_seq_length(model, 10_000)
    assert model.max_seq_length == 10_000


@pytest.mark.parametrize("verb", ["align", "train", "evaluate"])
@pytest.mark.parametrize(("tokens", "told"), [("0", "max_seq_length"), ("9999", "positions for 64 tokens")])
def test_the_shell_refuses_them_too(folders, tmp_path, monkeypatch, capsys, verb, tokens, told):
    (tmp_path / "so.tsv").write_text("eey\ta dog\nbisad\ta cat\n" * 20, encoding="utf-8")
    words = [verb, "--teacher", folders / "bert", "--student", folders / "bert"]
    words += ["--queries" if verb == "evaluate" else "--bitext", f"so={tmp_path / 'so.tsv'}"]
    words += [] if verb == "evaluate" else ["--output", tmp_path / "out"]
    words += ["--max_seq_length" if verb == "train" else "--max-seq-length", tokens]
    monkeypatch.setattr("sys.argv", ["optical-hf", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        raise SystemExit(main())
    assert end.value.code
    assert told in capsys.readouterr().err.replace("-", "_")
    assert not (tmp_path / "out").exists()
