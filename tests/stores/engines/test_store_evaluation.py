"""Evaluation in an index that a user has, in each engine: what it finds, at its width and precision, beside re-indexing."""

from importlib.util import find_spec

import numpy as np
import pytest
from evaluation.conftest import ENGLISH, GERMAN, SOMALI, dictionary_model
from lazily import lazily
from postgresql_server import PASSWORD, USER

from optical_hf.cli.evaluate import evaluate
from optical_hf.data.collections.index_collection import load_index_collection
from optical_hf.evaluation import evaluate_retrieval, report_markdown
from optical_hf.stores import open_store
from optical_hf.stores.fill_store import fill_store

QUIET = {"progress": False, "rounds": 20, "k": (1, 2), "depth": 4, "high": ["de", "en"], "low": ["so"]}
TOPICS = {"de": GERMAN, "so": SOMALI, "en": ENGLISH}
QRELS = [f"{row} 0 {row} 1" for row in range(8)]
EMBEDDED = {
    "lancedb": "lancedb://{}/lance/docs",
    "qdrant_client": "qdrant-local://{}/qdrant/docs?allow_pickle=yes",
    "milvus_lite": "milvus-lite://{}/x.db/docs",
    "faiss": "faiss://{}/x.faiss?texts={}/x.jsonl",
}


def topics():
    return {code: {str(row): word for row, word in enumerate(words)} for code, words in TOPICS.items()}


def texts():
    return [f"a {word}" for word in ENGLISH]


@pytest.fixture(scope="module")
def models():
    """Teacher, student, and the checkpoint that it might have been made from."""
    known = ([ENGLISH], [ENGLISH, GERMAN], [ENGLISH, GERMAN, SOMALI])
    return [dictionary_model(languages, seed) for seed, languages in enumerate(known)]


@pytest.fixture
def table(postgresql, monkeypatch):
    """The URL of a table that psycopg filled, with halves, short vectors and ids of its own."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    return f"postgresql://{USER}@{postgresql}/postgres?table=words"


@pytest.fixture(scope="module")
def filled(postgresql, models):
    psycopg = lazily("psycopg")
    vectors = models[0].encode_document(texts())
    with psycopg.connect(f"postgresql://{USER}:{PASSWORD}@{postgresql}/postgres", autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute(
            "CREATE TABLE words (key text PRIMARY KEY, text text, head text, whole vector(32), half halfvec(32), short vector(16), "
            "bits bit(32))"
        )
        for row, vector in enumerate(vectors.tolist()):
            bits = "".join("01"[x > 0] for x in vector)
            values = (f"w{row}", ENGLISH[row], "a", str(vector), str(vector), str(vector[:16]), bits)
            connection.execute("INSERT INTO words VALUES (%s, %s, %s, %s, %s, %s, %s)", values)
    return [line.replace(" 0 ", " 0 w") for line in QRELS]


@pytest.mark.slow
@pytest.mark.parametrize("engine", EMBEDDED)
def test_every_embedded_store_finds_what_the_exact_engine_finds(engine, tmp_path, models):
    if find_spec(engine) is None:
        pytest.skip(f"no {engine}")
    teacher, student, _ = models
    url = EMBEDDED[engine].format(tmp_path, tmp_path)
    fill_store(url, texts(), teacher.encode_document)
    store = open_store(url)
    collection = load_index_collection(store, topics(), QRELS, name="words")
    assert collection.documents["text"][:] == texts()
    found = evaluate_retrieval(student, None, collection, indexes={"words": store}, systems=["student"], **QUIET)
    plain = evaluate_retrieval(student, teacher, collection, systems=["student"], **QUIET)
    store.close()
    assert np.array_equal(found.systems["student"].ranks, plain.systems["student"].ranks)
    assert found.systems["student"].languages["de"].recall_at_1.value == 1.0
    assert found.settings["recall_of_exact"] == {"student": 1.0}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "width", "precision"), [("whole", 32, "float32"), ("half", 32, "float16"), ("short", 16, "float32")]
)
def test_postgresql_is_searched_at_its_own_width_and_precision(table, filled, models, column, width, precision):
    teacher, student, checkpoint = models
    url = f"{table}&vector={column}&title=head"
    collection = load_index_collection(url, topics(), filled)
    assert (collection.name, collection.documents["text"][:]) == ("words", texts())
    report = evaluate_retrieval(
        student, teacher, collection, indexes={"words": url}, untrained=checkpoint,
        systems=["student", "own_index", "teacher_english", "hybrid"], **QUIET,
    )  # fmt: skip
    assert report.settings["indexes"]["words"] == {
        "store": "postgresql", "table": "words", "width": width, "precision": precision, "metric": "cosine"
    }  # fmt: skip
    assert report.systems["teacher_english"].languages["so"].recall_at_1.value == 1.0
    assert report.recovery["student"]["de"]["ratio"]["value"] == 1.0
    assert report.settings["recall_of_exact"]["student"] == 1.0
    shown = report_markdown(report)
    assert f"words is searched in its own index, postgresql words ({width} numbers a vector, {precision}" in shown
    assert "127.0.0.1" not in shown
    assert report.systems["student"].first[0] == "w0"


def test_bits_are_compared_as_the_server_compares_them(table, filled, models):
    url = f"{table}&vector=bits&text=text"
    collection = load_index_collection(url, topics(), filled)
    report = evaluate_retrieval(models[1], None, collection, indexes={"words": url}, systems=["student"], **QUIET)
    assert report.settings["indexes"]["words"]["precision"] == "binary"
    assert report.settings["recall_of_exact"]["student"] > 0.7  # signs tie
    assert report.systems["student"].languages["de"].recall_at_1.value > 0.7


def test_evaluate_searches_the_index_on_the_command_line(table, filled, models, tmp_path, capsys):
    for name, model in zip(("student", "checkpoint"), models[1:], strict=True):
        model.save_pretrained(str(tmp_path / name))
    for code, words in TOPICS.items():
        (tmp_path / f"{code}.tsv").write_text("".join(f"{row}\t{word}\n" for row, word in enumerate(words)))
    (tmp_path / "qrels").write_text("\n".join(filled))
    evaluate(
        index=f"{table}&vector=half", qrels=tmp_path / "qrels", student=str(tmp_path / "student"),
        untrained=str(tmp_path / "checkpoint"), system=["student", "own-index"],
        queries=[f"{code}={tmp_path}/{code}.tsv" for code in TOPICS], limit=4, json=tmp_path / "r.json",
    )  # fmt: skip
    shown = " ".join(capsys.readouterr().out.split())
    assert "12 queries in 3 languages, in words (8 documents)" in shown
    assert "float16" in shown
    assert "ecovery" in shown
    assert PASSWORD not in (tmp_path / "r.json").read_text()
