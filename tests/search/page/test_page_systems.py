"""What each system of the page reads and finds, by tiny models."""

import pytest
import tiny_pairs
from datasets import Dataset

from optical_hf.search import student_search
from optical_hf.search.page.page_systems import PageSystems

QUERY = tiny_pairs.bitext()["target"][0]


def translate(texts: list[str], language: str) -> list[str]:
    if language != "de":
        raise ValueError(f"no translator for {language}: there is one for de")
    return [tiny_pairs.bitext()["source"][0] for _ in texts]


@pytest.fixture(scope="module")
def systems(searched):
    student, table = searched
    return PageSystems.open(student, table, teacher=tiny_pairs.teacher(), translator=translate, hybrid=True)


def test_the_student_finds_what_student_search_finds(searched, systems):
    column = systems.columns(QUERY, "de", top=3)[0]
    (answer,) = student_search(*searched, QUERY, top=3, check=False)
    assert [one.document for one in column.found] == answer.documents
    assert (column.system, column.query.text) == ("Student", QUERY)
    assert column.found[0].query_words == QUERY.rstrip(".").split()


def test_each_column_says_what_it_reads(systems):
    columns = systems.columns(QUERY, "de")
    assert [one.system for one in columns] == ["Student", "Student and BM25", "Translate-query", "Teacher"]
    student, both, translated, teacher = columns
    assert student.query == both.query == teacher.query
    assert translated.query.text == tiny_pairs.bitext()["source"][0]
    assert "translation" in translated.reads
    assert "not its English" in teacher.reads
    assert student.found[0].document.score != both.found[0].document.score


def test_the_teacher_reads_the_english_where_it_is_given(systems):
    english = tiny_pairs.bitext()["source"][0]
    teacher = systems.columns(QUERY, "de", english)[-1]
    assert (teacher.query.text, teacher.query.language, teacher.reads) == (english, "en", "your English")
    assert teacher.found[0].document.text == english
    assert "not its English" not in systems.columns(english, "en")[-1].reads


@pytest.mark.parametrize(("language", "told"), [(None, "choose the language"), ("so", "no translator for so")])
def test_a_language_that_is_not_translated_is_said(systems, language, told):
    column = systems.columns(QUERY, language)[2]
    assert told in column.notes[0]
    assert (column.query, column.found) == (None, [])


def test_english_is_not_translated(systems):
    assert systems.columns("a dog", "en")[2].query.text == "a dog"


@pytest.mark.parametrize(("text", "language", "told"), [("  ", None, "empty"), ("mbwa", "xqq", "unknown language")])
def test_what_cannot_be_searched_is_said(systems, text, language, told):
    with pytest.raises(ValueError, match=told):
        systems.columns(text, language)


def test_a_student_alone(searched):
    systems = PageSystems.open(*searched)
    (column,) = systems.columns(QUERY, top=2)
    assert len(column.found) == 2
    assert "en" in systems.languages


def test_what_does_not_fit_together(searched):
    student, table = searched
    with pytest.raises(ValueError, match="translator without a teacher"):
        PageSystems.open(student, table, translator=translate)
    with pytest.raises(ValueError, match="the teacher's vectors are 16 wide"):
        PageSystems.open(student, table, teacher=tiny_pairs.teacher(width=16))
    strange = Dataset.from_dict({"text": table["text"], "vector": table["vector"][::-1]})
    assert "means nothing" in PageSystems.open(student, strange).notes[0]
