"""PostgreSQL with pgvector, a real server: rows and search in each type of vector, odd names, faults, secrets."""

import numpy as np
import pytest
import torch
from index_rows import COUNT, TEXTS, TITLES, WIDTH, check_store, nearest, queries, vectors
from lazily import lazily
from postgresql_server import PASSWORD, USER

from optical_hf.stores import load_documents, open_store
from optical_hf.stores.fill_store import fill_store
from optical_hf.stores.vectors import VectorSet

psycopg = lazily("psycopg")

ODD = 'Odd "name"; DROP TABLE docs'


@pytest.fixture(scope="module")
def database(postgresql):
    """Tables that psycopg filled, as a user's own program does."""
    with psycopg.connect(f"postgresql://{USER}:{PASSWORD}@{postgresql}/postgres", autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute(
            f"CREATE TABLE docs (key int PRIMARY KEY, body text, head text, full_ vector({WIDTH}), "
            f"half halfvec({WIDTH}), bits bit({WIDTH}), loose vector)"
        )
        with connection.cursor() as cursor, cursor.copy("COPY docs FROM STDIN") as stream:
            for row in range(COUNT):
                vector, bits = str(vectors()[row].tolist()), "".join("01"[int(x > 0)] for x in vectors()[row])
                stream.write_row((row, TEXTS[row], TITLES[row], vector, vector, bits, vector))
        connection.execute(
            f'CREATE TABLE "{ODD.replace(chr(34), 2 * chr(34))}" AS SELECT key, body AS "a b", full_ FROM docs'
        )
        connection.execute("CREATE INDEX ON docs USING hnsw (half halfvec_ip_ops)")
    return f"{postgresql}/postgres"


@pytest.fixture
def opened(database, monkeypatch):
    """Opens a table; the password comes from the environment."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    stores = []

    def open_table(query):
        stores.append(open_store(f"postgresql://{USER}@{database}?{query}"))
        return stores[-1]

    yield open_table
    for store in stores:
        store.close()


@pytest.mark.parametrize(
    ("vector", "precision", "metric", "tolerance"),
    [("full_", "float32", "cosine", 1e-6), ("half", "float16", "dot", 1e-3), ("loose", "float32", "cosine", 1e-6)],
)
def test_rows_and_search_are_those_of_the_table(opened, vector, precision, metric, tolerance):
    store = opened(f"table=docs&text=body&vector={vector}")
    assert (store.precision, store.metric, store.id) == (precision, metric, "key")
    check_store(store, tolerance=tolerance)


def test_distances_become_scores_of_which_more_is_better(opened):
    found = opened("table=docs&text=body&vector=full_&metric=euclidean").search(queries(), 5)
    assert found.ids == nearest(queries(), 5)[0]
    assert all(scores == sorted(scores, reverse=True) and scores[0] < 0 for scores in found.scores)


def test_bits_are_compared_as_the_cosine_of_signs(opened):
    store = opened("table=public.docs&text=body&vector=bits&title=head")
    signs = np.sign(vectors())
    rows = next(iter(store.rows(COUNT)))
    assert (store.precision, rows.titles) == ("binary", TITLES)
    np.testing.assert_array_equal(rows.vectors.vectors.numpy(), signs)
    scores = np.sort(np.sign(queries().vectors.numpy()) @ signs.T / WIDTH, axis=1)[:, ::-1]
    np.testing.assert_allclose(store.search(queries(), 10).scores, scores[:, :10], atol=1e-6)


def test_more_than_the_candidates_of_hnsw_are_found(opened):
    store = opened("table=docs&text=body&vector=half")
    store.connection.execute("SET enable_seqscan = off")
    found = store.search(queries(2), 120)
    assert [len(ids) for ids in found.ids] == [120, 120]


def test_names_are_quoted_whatever_they_hold(opened):
    store = opened("table=Odd+%22name%22%3B+DROP+TABLE+docs&text=a+b&id=key")
    check_store(store)
    assert opened("table=docs&text=body&vector=half").count == COUNT


def test_a_table_without_a_primary_key_has_the_places_of_its_rows(opened):
    store = opened("table=Odd+%22name%22%3B+DROP+TABLE+docs&text=a+b")
    assert next(iter(store.rows(2))).ids == ["(0,1)", "(0,2)"]
    assert store.search(queries(1), 1).ids == [["(0,1)"]]


def test_nothing_can_be_written_through_a_store_that_is_read(opened):
    store = opened("table=docs&text=body&vector=half")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        store.connection.execute("DELETE FROM docs")


def test_the_stamp_changes_with_the_rows(opened, database):
    with psycopg.connect(f"postgresql://{USER}@{database}", autocommit=True) as connection:
        connection.execute("CREATE TABLE changing AS SELECT key, body, full_ FROM docs LIMIT 3")
        before = opened("table=changing&text=body").stamp
        connection.execute("DELETE FROM changing WHERE key = 2")
    assert opened("table=changing&text=body").stamp != before


def test_a_fill_that_was_killed_goes_on(opened, database):
    def encode(texts):
        if killed and TEXTS[120] in texts:
            raise KeyboardInterrupt
        return vectors()[[TEXTS.index(text) for text in texts]]

    killed, url = True, f"postgresql://{USER}@{database}?table=filled&text=body"
    opened("table=docs&text=body&vector=half")  # the password
    with pytest.raises(KeyboardInterrupt):
        fill_store(url, TEXTS, encode, batch_size=50)
    killed = False
    assert fill_store(url, TEXTS, encode, batch_size=50) == 200
    check_store(opened("table=filled&text=body"))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("table=gone&text=body", "there is no table 'gone' in this database that this user may see"),
        ("table=docs&text=content", "there is no column 'content', only key, body, head, full_, half, bits, loose"),
        ("table=docs&text=body&vector=dense", "there is no column 'dense'"),
        ("table=docs&text=body&vector=head", "'head' holds no vectors; those that do: full_, half, bits, loose"),
        ("table=docs&text=body", "several columns of vectors, full_, half, bits, loose: name one with vector="),
        ("table=docs&text=body&colour=red", "colour"),
        ("table=docs&text=body&vector=full_&metric=manhattan", "expected cosine, dot or euclidean"),
    ],
)
def test_what_is_not_there_is_named_in_one_line(opened, query, said):
    with pytest.raises(ValueError, match=said) as error:
        opened(query)
    assert str(error.value).startswith("postgresql://ann@127.0.0.1")
    assert "\n" not in str(error.value)


def test_a_table_dropped_behind_our_back_is_one_line(opened, database):
    with psycopg.connect(f"postgresql://{USER}@{database}", autocommit=True) as connection:
        connection.execute("CREATE TABLE short AS SELECT key, body, full_ FROM docs LIMIT 3")
        store = opened("table=short&text=body")
        connection.execute("DROP TABLE short")
    for use in (lambda: store.search(queries(), 3), lambda: list(store.rows()), lambda: store.count):
        with pytest.raises(ValueError, match=r'table=short&text=body: relation "short" does not exist') as error:
            use()
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("place", ["environment", "url", "option"])
def test_a_wrong_password_is_one_line_that_does_not_hold_it(database, monkeypatch, place):
    monkeypatch.delenv("PGPASSWORD", raising=False)
    url = f"postgresql://{USER}@{database}?table=docs&text=body"
    if place == "environment":
        monkeypatch.setenv("PGPASSWORD", "wr0ng-pass")
    elif place == "url":
        url = url.replace(f"{USER}@", f"{USER}:wr0ng-pass@")
    else:
        url += "&password=wr0ng-pass"
    with pytest.raises(ValueError, match="password authentication failed") as error:
        open_store(url)
    assert "wr0ng-pass" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_password_of_the_url_is_in_no_file_of_the_cache(database, tmp_path, monkeypatch, caplog):
    monkeypatch.delenv("PGPASSWORD", raising=False)
    url = f"postgresql://{USER}:{PASSWORD}@{database}?table=docs&text=body&vector=half"
    with caplog.at_level("DEBUG"):
        documents = load_documents(url, cache_dir=tmp_path)
    np.testing.assert_allclose(np.array(documents["vector"][:]), vectors(), atol=1e-3)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if PASSWORD.encode() in file.read_bytes() or PASSWORD in str(file)]
    assert PASSWORD not in caplog.text + repr(documents) + repr(documents.info)


def test_queries_of_another_width_are_refused(opened):
    store = opened("table=docs&text=body&vector=half")
    with pytest.raises(ValueError, match="width 16, and the queries have width 8"):
        store.search(VectorSet.of(torch.randn(2, 8)), 3)


def test_no_server_is_one_line():
    with pytest.raises(ValueError, match=r"^postgresql://127.0.0.1:9/db\?table=t: .*refused"):
        open_store("postgresql://127.0.0.1:9/db?table=t")
