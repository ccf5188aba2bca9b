"""What a card says of languages: trained, measured, read in pretraining."""

import pytest
from tiny_pairs import pair

from optical_hf.hub import language_facts as module
from optical_hf.hub import model_card
from optical_hf.hub.language_facts import language_facts
from optical_hf.models import known_languages as known
from optical_hf.models.known_languages import keep_languages


def test_trained_and_measured_languages_are_told_apart():
    facts = language_facts(pair()[0], ["so", "de"], ["de", "yo"])
    assert facts["Trained on"] == "German (de), Somali (so)"
    assert facts["Measured on"] == "German (de), Yoruba (yo)"
    assert "Pretraining of the backbone" not in facts  # its tokenizer is no known one


def test_without_bitext_the_folder_says_what_it_knows():
    student, _ = pair()
    assert language_facts(student, [], []).keys() == {"Measured on", "Any other language"}
    keep_languages(student, ["mr"])
    facts = language_facts(student, [], [])
    assert facts["Trained or measured on, as its folder says"] == "Marathi (mr)"
    assert facts["Measured on"] == "nothing yet"


def test_what_the_backbone_has_not_seen_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "languages_seen", lambda model: known.CC_100)
    facts = language_facts(pair()[0], ["zh-Hant"], ["yo", "de"])
    assert facts["Pretraining of the backbone"].endswith("(CC-100), but not Yoruba (yo)")
    assert "chance" in facts["Any other language"]


def test_the_card_says_it():
    card = model_card(pair()[0], bitext={"so": 24})
    assert "## Languages\n\n- **Trained on:** Somali (so)\n- **Measured on:** nothing yet\n" in card
    assert "- **Any other language:** measure it before you rely on it" in card
