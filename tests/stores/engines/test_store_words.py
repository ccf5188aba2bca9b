"""The full-text search of a store as the lexical half of a hybrid search: PostgreSQL on a real server, LanceDB."""

import pytest
from lazily import lazily
from postgresql_server import PASSWORD, USER

from optical_hf.stores import open_store
from optical_hf.stores.text_search import TextSearch, text_search_of

TEXTS = ["a dog in Zanzibar", "the coast of Zanzibar and the islands around it, far away", "running houses", None]


@pytest.fixture(scope="module")
def place(postgresql):
    """A table with a column of words, and odd names."""
    psycopg = lazily("psycopg")
    with psycopg.connect(f"postgresql://{USER}:{PASSWORD}@{postgresql}/postgres", autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute(
            'CREATE TABLE asked (key text PRIMARY KEY, "the q" varchar, v vector(2), '
            "said tsvector GENERATED ALWAYS AS (to_tsvector('english', \"the q\")) STORED)"
        )
        for row, text in enumerate(TEXTS):
            connection.execute('INSERT INTO asked (key, "the q", v) VALUES (%s, %s, %s)', (f"k{row}", text, "[1, 0]"))
        connection.execute('CREATE TABLE plain AS SELECT "the q" AS q, v FROM asked')
    return f"{USER}:{PASSWORD}@{postgresql}/postgres"


@pytest.mark.parametrize("query", ["table=asked&text=the%20q", "table=asked&text=the%20q&words=said"])
def test_postgresql_finds_any_word_and_the_short_text_first(place, query):
    store = open_store(f"postgresql://{place}?{query}")
    found = text_search_of(store).search_texts(["wo ist Zanzibar's Hund?", "die house & 'x' | !:*", "mbwa", "the"], 5)
    store.close()
    assert found.ids == [["k0", "k1"], ["k2"], [], []]
    assert found.texts[0] == TEXTS[:2]
    assert found.scores[0][0] > found.scores[0][1] > 0


def test_a_table_without_a_key_is_searched_too_and_a_wrong_column_is_named(place):
    store = open_store(f"postgresql://{place}?table=plain&text=q")
    (ids,) = store.search_texts(["Zanzibar"], 1).ids
    assert ids == ["(0,1)"]
    store.close()
    store = open_store(f"postgresql://{place}?table=plain&text=q&words=none")
    with pytest.raises(ValueError, match="none"):
        store.search_texts(["Zanzibar"], 1)
    store.close()


@pytest.mark.slow
def test_lancedb_finds_along_its_own_index(tmp_path):
    lancedb = lazily("lancedb")
    rows = [{"id": f"k{row}", "text": text, "vector": [1.0, 0.0]} for row, text in enumerate(TEXTS)]
    table = lancedb.connect(str(tmp_path)).create_table("docs", rows)
    store = open_store(f"lancedb://{tmp_path}/docs")
    with pytest.raises(ValueError, match=r"no full-text index: make one, table.create_fts_index\('text'\)"):
        store.search_texts(["Zanzibar"], 1)
    table.create_fts_index("text")
    found = open_store(f"lancedb://{tmp_path}/docs").search_texts(["wo ist Zanzibar?", "mbwa"], 5)
    assert found.ids == [["k0", "k1"], []]
    assert found.texts[0] == TEXTS[:2]


def test_other_stores_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "x.jsonl").write_text('{"text": "a dog", "vector": [1.0, 0.0]}\n')
    store = open_store(str(tmp_path / "x.jsonl"))
    assert not isinstance(store, TextSearch)
    with pytest.raises(ValueError, match="take BM25"):
        text_search_of(store)
