"""Translation by tiny Marian, M2M100 and NLLB checkpoints that are made here and learn a dictionary of sixteen words."""

import pytest
import tiny_pairs
import tiny_translators
import torch
from tiny_translators import ENGLISH, GERMAN, SOMALI

from optical_hf.models.translation.seq2seq import Seq2SeqTranslator, language_codes, load_translator

pytestmark = pytest.mark.slow  # to train the checkpoints takes seconds


@pytest.fixture(scope="module")
def marian(tmp_path_factory):
    return tiny_translators.marian(tmp_path_factory.mktemp("marian"))


@pytest.fixture(scope="module")
def nllb(tmp_path_factory):
    return tiny_translators.nllb(tmp_path_factory.mktemp("nllb"))


@pytest.fixture(scope="module")
def m2m100(tmp_path_factory):
    return tiny_translators.m2m100(tmp_path_factory.mktemp("m2m100"))


@pytest.mark.parametrize("name", ["marian", "nllb", "m2m100"])
def test_a_checkpoint_translates_by_its_own_conventions(name, request):
    translate = load_translator(request.getfixturevalue(name), batch_size=3, progress=False)
    assert translate(GERMAN, "de") == ENGLISH
    assert translate(SOMALI, "som") == ENGLISH
    assert translate([], "de") == []
    assert translate([" ".join(["hund"] * 60), "mond"], "de")[1] == "moon"  # more than there are positions


def test_multilingual_models_are_told_both_languages(m2m100):
    translate = load_translator(m2m100, progress=False, options={"num_beams": 1})
    seen = []
    generate = translate.model.generate
    translate.model.generate = lambda **inputs: seen.append(inputs) or generate(**inputs)
    translate(["eey", "webi"], "so")
    assert seen[0]["input_ids"][:, 0].tolist() == [translate.tokenizer.get_lang_id("so")] * 2
    assert seen[0]["forced_bos_token_id"] == translate.tokenizer.get_lang_id("en")
    assert (seen[0]["num_beams"], seen[0]["do_sample"]) == (1, False)


def test_long_and_short_texts_keep_their_places_and_cut_ones_are_counted(nllb, caplog):
    translate = load_translator(nllb, batch_size=2, progress=False)
    longer = [" ".join(["hund"] * 40), *GERMAN]
    assert translate(longer, "de")[1:] == ENGLISH
    assert "1 of 9 texts in de fill the translator's 32 tokens" in caplog.text


def test_a_language_the_model_does_not_read_is_an_error(nllb, marian):
    translate = load_translator(nllb, progress=False)
    with pytest.raises(ValueError, match=r"does not read la \(Latin\)"):
        translate(["canis"], "la")
    one = load_translator(marian, progress=False)
    one.tokenizer.source_lang = "deu"
    with pytest.raises(ValueError, match="reads de, the texts are in so"):
        one(["eey"], "so")
    with pytest.raises(ValueError, match="writes en, translations into so are wanted"):
        load_translator(marian, target="so", progress=False).check("de")


def test_tokens_kept_of_a_text_are_a_choice_and_do_not_bound_what_is_written(nllb):
    translate = load_translator(nllb, progress=False, max_seq_length=3)
    seen = []
    generate = translate.model.generate
    translate.model.generate = lambda **inputs: seen.append(inputs) or generate(**inputs)
    assert translate(["hund haus baum", "mond"], "de")[1] == "moon"
    assert seen[0]["input_ids"].shape == (2, 3)
    assert seen[0]["max_length"] == 22
    with pytest.raises(ValueError, match="max_seq_length: expected a whole number of at least 1, got 0"):
        load_translator(nllb, max_seq_length=0)


def test_the_fingerprint_says_what_decides_a_translation(nllb):
    def print_of(**settings):
        return load_translator(nllb, progress=False, **settings).fingerprint

    plain = print_of()
    used = load_translator(nllb, batch_size=2, progress=False)
    used(["hund"], "de")
    assert used.fingerprint == plain == print_of(target="so")
    assert len({plain, print_of(options={"num_beams": 2}), print_of(max_seq_length=8)}) == 3
    moved = load_translator(nllb, progress=False)
    with torch.no_grad():
        moved.model.lm_head.weight += 1e-3
    assert moved.fingerprint != plain


class Markers:
    """Only what `_direction` asks of a tokenizer."""

    def __init__(self, tokens):
        self.tokens = tokens

    def get_vocab(self):
        return dict.fromkeys(self.tokens, 0)


def test_models_that_write_many_languages_are_told_to_write_english():
    for tokens, marker in (([">>fra<<"], None), (["<2de>", "<2en>"], "<2en> "), (["a"], "")):
        tokenizer = Markers(tokens)
        tokenizer.supported_language_codes = [token for token in tokens if token.startswith(">>")]
        translator = Seq2SeqTranslator(torch.nn.Linear(1, 1), tokenizer)
        translator.model.name_or_path = "x"
        if marker is None:
            with pytest.raises(ValueError, match="does not write en"):
                translator._direction("de")
        else:
            assert translator._direction("de") == (marker, {})


def test_what_is_no_translator_is_one_line_that_says_so(tmp_path):
    with pytest.raises(ValueError, match="cannot read the translator"):
        load_translator(tmp_path / "nothing")
    encoder = tiny_pairs.backbone()[0]
    encoder.model.save_pretrained(tmp_path)
    encoder.tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="cannot read the translator"):
        load_translator(tmp_path)


def test_codes_of_a_tokenizer_without_any():
    assert language_codes(Markers([])) == {}
