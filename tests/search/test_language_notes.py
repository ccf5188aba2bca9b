"""Languages are kept with a student, and a query in another one is warned of."""

import json

import pytest
import tiny_pairs

from optical_hf.hub import model_card
from optical_hf.models import as_late_interaction, as_vector, fit_alignment, load_student, load_teacher
from optical_hf.models import known_languages as known
from optical_hf.search import Query
from optical_hf.search import language_notes as module
from optical_hf.search.language_notes import language_notes
from optical_hf.training import save_student


@pytest.mark.slow
def test_the_languages_of_the_bitext_are_saved_and_read_again(tmp_path):
    student, teacher = tiny_pairs.pair()
    fit_alignment(student, teacher, tiny_pairs.bitext(), method="ridge", regularisation=1e-4, progress=False)
    save_student(student, tmp_path / "student")
    settings = json.loads((tmp_path / "student" / "config_sentence_transformers.json").read_text())
    assert settings["languages"] == ["de", "en", "mr", "so"]
    (tmp_path / "student" / "README.md").unlink()
    again = load_student(tmp_path / "student", teacher)
    assert known.recorded_languages(again) == {"de", "en", "mr", "so"}
    assert known.recorded_languages(as_vector(as_late_interaction(again))) == {"de", "en", "mr", "so"}
    assert "- mr" in model_card(again)


@pytest.mark.slow
def test_the_card_says_which_were_measured(searched, tmp_path):
    student, _ = searched
    save_student(student, tmp_path)
    (tmp_path / "README.md").write_text("---\nlanguage:\n- en\n- zh-Hant\n---\n")
    assert "zh" in known.recorded_languages(load_teacher(tmp_path, role="student"))


def test_a_language_that_was_not_fitted_is_named(searched):
    student, _ = searched
    assert not language_notes(student, [Query("1", "ein Hund", "de"), Query("2", "a dog", "en"), Query("3", "a dog")])
    (note,) = language_notes(student, [Query("1", "a dog", "swh")])
    assert "Swahili (sw)" in note
    assert "de, mr, so" in note


def test_a_language_that_the_backbone_has_not_seen_is_named(searched, monkeypatch):
    student, _ = searched
    monkeypatch.setattr(module, "languages_seen", lambda model: known.CC_100)
    (note,) = language_notes(student, [Query("1", "a dog", "yo")])
    assert "Yoruba (yo)" in note
    assert "pretraining" in note


def test_words_that_the_tokenizer_does_not_know_are_named(searched):
    student, _ = searched
    (note,) = language_notes(student, [Query("1", "ᚠᚢᚦᚨᚱᚲ")])
    assert "1 of 1 queries" in note


@pytest.mark.real
@pytest.mark.slow
def test_xlm_r_is_known_by_its_tokenizer(real_models):
    student = load_teacher(real_models / "multilingual-e5-small", query_prompt="query: ", role="student")
    assert "sw" in known.languages_seen(student)
    assert "yo" not in known.languages_seen(student)
    assert known.languages_seen(load_teacher(real_models / "all-MiniLM-L6-v2")) is None
