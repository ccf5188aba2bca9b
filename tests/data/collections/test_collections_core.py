"""RetrievalCollection: what it refuses, what it takes out on request, relevance, selection, lines, bitext."""

import gzip
import logging

import pytest
from datasets import Dataset

from optical_hf.data.collections import RetrievalCollection
from optical_hf.data.collections.collection import TEXT_DOCUMENTS, query_table


def parts(queries=(("q1", "ein Hund"), ("q2", "ein Haus")), documents=(("d1", "a dog"), ("d2", "a house")), **qrels):
    table = query_table({"id": key, "text": text, "language": "de", "group": key} for key, text in queries)
    found = Dataset.from_list([{"id": key, "text": text} for key, text in documents], features=TEXT_DOCUMENTS)
    return table, found, qrels or {"q1": {"d1": 1}, "q2": {"d2": 1}}


FAULTS = {
    "duplicate document": (
        {"documents": (("d1", "a dog"), ("d2", "a house"), ("d1", "a cat"))},
        r"1 rows repeat a document id, the first is 'd1'",
    ),
    "duplicate query": (
        {"queries": (("q1", "ein Hund"), ("q2", "ein Haus"), ("q2", "x"), ("q2", "y"))},
        r"2 rows repeat a query id, the first are 'q2', 'q2'",
    ),
    "empty document": (
        {"documents": (("d1", "a dog"), ("d2", "a house"), ("d3", " \u3000\u00a0\t"))},
        r"1 document texts are empty, the first is 'd3'",
    ),
    "empty query": (
        {"queries": (("q1", "ein Hund"), ("q2", "")), "q1": {"d1": 1}},
        r"1 query texts are empty, the first is 'q2'",
    ),
    "unknown query": (
        {"q1": {"d1": 1}, "q2": {"d2": 1}, "q9": {"d1": 1}},
        r"name 1 unknown queries, the first is 'q9'",
    ),
    "unknown document": (
        {"q1": {"d1": 1, "d8": 1}, "q2": {"d2": 1, "d9": 1, "d8": 1}},
        r"name 2 unknown documents, the first is 'd8' \(query 'q1'\)",
    ),
    "no judgement": ({"q1": {"d1": 1}}, r"1 of 2 queries have no relevant document .* the first is 'q2'"),
    "grade 0 only": (
        {"q1": {"d1": 1}, "q2": {"d1": 0}},
        r"1 of 2 queries have no relevant document .* the first is 'q2'",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_an_error_that_counts_and_names(fault):
    changes, message = FAULTS[fault]
    with pytest.raises(ValueError, match=message):
        RetrievalCollection("demo", *parts(**changes))


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_taken_out_and_said_on_request(fault, caplog):
    changes, _ = FAULTS[fault]
    with caplog.at_level(logging.WARNING):
        collection = RetrievalCollection.build("demo", *parts(**changes), on_bad_row="drop")
    assert "q1" in collection.queries["id"]
    assert collection.qrels["q1"] == {"d1": 1}
    assert len(caplog.records) >= 1


def test_sound_parts_are_taken_as_they_are(caplog):
    queries, documents, qrels = parts()
    collection = RetrievalCollection.build("demo", queries, documents, qrels, on_bad_row="drop")
    assert collection.queries is queries
    assert collection.documents is documents
    assert not caplog.records


def test_a_collection_with_nothing_left_is_an_error():
    with pytest.raises(ValueError, match="nothing to search"):
        RetrievalCollection.build("demo", *parts(q1={"d9": 1}, q2={"d9": 1}), on_bad_row="drop")


def test_columns_and_languages_are_checked():
    queries, documents, qrels = parts()
    with pytest.raises(ValueError, match="queries lack the columns group"):
        RetrievalCollection("demo", queries.remove_columns("group"), documents, qrels)
    with pytest.raises(ValueError, match=r"documents lack the columns text \(or image\)"):
        RetrievalCollection("demo", queries, documents.remove_columns("text"), qrels)
    with pytest.raises(ValueError, match="'id' of the documents is int64"):
        RetrievalCollection("demo", queries, Dataset.from_list([{"id": 1, "text": "a"}]), qrels)
    with pytest.raises(ValueError, match="'deu' of the queries is written 'de'"):
        RetrievalCollection("demo", queries.map(lambda _: {"language": "deu"}), documents, qrels)


def test_relevance_and_grades_follow_the_relevant_grade():
    qrels = {"q1": {"d2": 1, "d1": 3}, "q2": {"d2": 2, "d1": 0}}
    assert RetrievalCollection("demo", *parts(**qrels)).relevance == [[1, 0], [1]]
    strict = RetrievalCollection("demo", *parts(**qrels), relevant_grade=2)
    assert strict.relevance == [[0], [1]]
    assert strict.grades == {0: 1, 1: 1, 2: 1, 3: 1}
    assert "relevant from 2" in repr(strict)
    assert "1 of grade 3" in repr(strict)


def test_relevance_after_the_documents_were_shuffled():
    queries, documents, qrels = parts()
    assert RetrievalCollection("demo", queries, documents.select([1, 0]), qrels).relevance == [[1], [0]]


def test_select_keeps_all_documents_and_limits_each_language():
    collection = RetrievalCollection.from_lines(
        "demo", {"deu": ["a", "b", "c"], "fra": ["d", "e", "f"]}, ["1", "2", "3"]
    )
    assert collection.languages == ["de", "fr"]
    part = collection.select(limit=2)
    assert part.queries["text"] == ["a", "b", "d", "e"]
    assert len(part.documents) == 3
    assert set(part.qrels) == set(part.queries["id"])
    assert collection.select(["fr"], limit=1).relevance == [[0]]
    with pytest.raises(ValueError, match="demo has no queries in cs; it has de, fr"):
        collection.select("cs")


def test_equal_document_lines_become_one_document():
    collection = RetrievalCollection.from_lines("demo", {"de": ["a", "b", "c"]}, ["a dog", "a house", "a dog "])
    assert collection.documents["text"] == ["a dog", "a house"]
    assert collection.relevance == [[0], [1], [0]]
    assert collection.queries["group"] == ["0", "1", "0"]


def test_lines_from_files_with_ids_groups_english_and_translations(tmp_path):
    with gzip.open(tmp_path / "de.gz", "wt", encoding="utf-8", newline="") as file:
        file.write("ein\u2028 Hund\nein Haus\r\n")  # a line separator inside a sentence is not a line end
    (tmp_path / "en").write_text("\ufeffa dog\na house\n", encoding="utf-8")
    (tmp_path / "images").write_text("7.jpg\n9.jpg\n")
    collection = RetrievalCollection.from_lines(
        "demo",
        {"de": (tmp_path / "de.gz", ["the dog", "the house"]), "cs": ["pes", "dům"]},
        tmp_path / "en",
        ids=tmp_path / "images",
        groups=["g", "h"],
        translations={"ces": ["dog", "house"]},
    )
    assert collection.queries["text"] == ["ein\u2028 Hund", "ein Haus", "pes", "dům"]
    assert collection.queries["id"] == ["de/7.jpg", "de/9.jpg", "cs/7.jpg", "cs/9.jpg"]
    assert collection.queries["group"] == ["g", "h", "g", "h"]
    assert collection.queries["english"] == ["the dog", "the house", None, None]
    assert collection.queries["translation"] == [None, None, "dog", "house"]
    assert collection.documents[0] == {"id": "7.jpg", "text": "a dog"}


def test_translations_of_no_query_are_refused():
    with pytest.raises(ValueError, match="translations from fr, but no queries in that language"):
        RetrievalCollection.from_lines("demo", {"de": ["a"]}, ["b"], translations={"fra": ["c"]})


def test_files_that_do_not_line_up_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"queries in de \(the list given\) has 1 lines and the documents .* 2"):
        RetrievalCollection.from_lines("demo", {"de": ["a"]}, ["b", "c"])
    with pytest.raises(ValueError, match="cannot be read"):
        RetrievalCollection.from_lines("demo", {"de": tmp_path / "missing"}, ["b"])
    (tmp_path / "latin1").write_bytes("M\xfcller\n".encode("latin-1"))
    with pytest.raises(ValueError, match="latin1:1: not UTF-8"):
        RetrievalCollection.from_lines("demo", {"de": tmp_path / "latin1"}, ["b"])


def test_bitext_from_tsv_and_from_a_dataset(tmp_path):
    (tmp_path / "swh-eng.tsv").write_text("Habari\tHello\nJambo\tHello\nMaji\tWater\n")
    from_file = RetrievalCollection.from_bitext("t", tmp_path / "swh-eng.tsv", "swh")
    rows = [
        {"source": "Hello", "target": "Habari", "language": "sw"},
        {"source": "Dog", "target": "Hund", "language": "de"},
        {"source": "Hello", "target": "Jambo", "language": "sw"},
        {"source": "Water", "target": "Maji", "language": "sw"},
    ]
    from_dataset = RetrievalCollection.from_bitext("t", Dataset.from_list(rows), "sw")
    for collection in (from_file, from_dataset):
        assert collection.languages == ["sw"]
        assert collection.queries["text"] == ["Habari", "Jambo", "Maji"]
        assert collection.relevance == [[0], [0], [1]]
    assert len(RetrievalCollection.from_bitext("t", tmp_path / "swh-eng.tsv", "sw", limit=2).documents) == 1
    with pytest.raises(ValueError, match="no translation pair in fr"):
        RetrievalCollection.from_bitext("t", Dataset.from_list(rows), "fr")
    (tmp_path / "bad.tsv").write_text("one\ttwo\nthree\n")
    with pytest.raises(ValueError, match=r"bad.tsv:2: expected exactly two columns"):
        RetrievalCollection.from_bitext("t", tmp_path / "bad.tsv", "sw")


def test_tatoeba_and_independent_captions(shared_data):
    tatoeba = RetrievalCollection.from_bitext("tatoeba", shared_data / "tatoeba_v1" / "swh-eng.tsv.gz", "swh")
    assert (len(tatoeba.queries), len(tatoeba.documents), tatoeba.languages) == (390, 390, ["sw"])
    folder = shared_data / "multi30k_task2"
    collection = RetrievalCollection.from_lines(
        "captions",
        {"de": (folder / "val.2.de.gz", folder / "val.2.en.gz")},
        folder / "val.1.en.gz",
        groups=folder / "val_images.txt.gz",
    )
    assert len(collection.queries) == 1014
    assert len(set(collection.queries["group"])) == 1014
    assert collection.queries[0]["english"] == "Men are standing on and about a truck carrying a white substance."
    assert len(collection.documents) == len(set(collection.documents["text"]))


def test_what_is_dropped_is_named_by_its_first_three(caplog):
    texts = ["a dog", "", "", "", ""]
    with caplog.at_level(logging.WARNING):
        RetrievalCollection.from_lines("demo", {"de": ["ein Hund", "", " ", "\u3000", ""]}, texts, on_bad_row="drop")
    assert any(
        "4 query texts are empty, the first are 'de/1', 'de/2', 'de/3'." in r.getMessage() for r in caplog.records
    )


def test_a_query_without_relevant_documents_is_dropped():
    collection = RetrievalCollection.build("demo", *parts(q1={"d1": 1}), on_bad_row="drop")
    assert collection.queries["id"][:] == ["q1"]
    with pytest.raises(ValueError, match="on_bad_row is 'foo': expected one of 'error', 'drop'"):
        RetrievalCollection.build("demo", *parts(), on_bad_row="foo")
