"""Translators from English: one multilingual model for all languages, or one model a language."""

import pytest
import tiny_translators
from tiny_translators import ENGLISH, GERMAN, OUT_OF_ENGLISH, SOMALI

from optical_hf.models import load_translators


@pytest.fixture(scope="module")
def nllb(tmp_path_factory):
    return tiny_translators.nllb(tmp_path_factory.mktemp("nllb"), outwards=True)


@pytest.fixture(scope="module")
def marian(tmp_path_factory):
    """English into Somali, and nothing else."""
    folder = tmp_path_factory.mktemp("marian")
    return tiny_translators.marian(folder, "eng", "som", OUT_OF_ENGLISH[len(GERMAN) :])


@pytest.mark.slow
def test_one_multilingual_model_writes_every_language_it_is_asked_for(nllb):
    made = load_translators(nllb, ["som", "de", "so"], progress=False)
    assert list(made) == ["so", "de"]
    assert made["so"].model is made["de"].model
    for _ in range(2):  # by turns, on one tokenizer
        assert made["so"](ENGLISH, "en") == SOMALI
        assert made["de"](ENGLISH, "en") == GERMAN


@pytest.mark.slow
def test_each_language_may_have_a_model_of_its_own(nllb, marian):
    made = load_translators({"som": str(marian), "de": str(nllb)}, ["de", "so"], progress=False)
    assert made["so"](ENGLISH, "en") == SOMALI
    assert made["de"](ENGLISH, "en") == GERMAN


@pytest.mark.slow
def test_a_direction_that_a_model_does_not_have_is_told_before_any_translation(nllb, marian):
    with pytest.raises(ValueError, match=r"does not write la \(Latin\)"):
        load_translators(nllb, ["so", "la"])
    with pytest.raises(ValueError, match="writes so, translations into de are wanted: take a model for German"):
        load_translators(marian, ["so", "de"])


@pytest.mark.parametrize(
    ("models", "languages", "message"),
    [
        ("x", [], r"the languages to write are \[\]"),
        ("x", ["so", "en"], "besides English"),
        ("x", ["xqq"], "unknown language code 'xqq'"),
        ({"so": "x"}, ["so", "sw"], "no model writes sw: there is one for so"),
        ({"so": "x", "ha": "y"}, ["so"], "there is a model for ha, and the languages to write are so"),
        ({"so": "/nowhere"}, ["so"], "cannot read the translator '/nowhere'"),
    ],
)
def test_what_cannot_be_meant_is_an_error(models, languages, message):
    with pytest.raises(ValueError, match=message):
        load_translators(models, languages)
