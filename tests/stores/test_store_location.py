"""URLs of stores: what is read from them, what is refused, and that no secret is printed."""

import pytest

from optical_hf.stores.store_location import StoreLocation, is_store_url, without_secrets

URLS = [
    "qdrant://h:6333/docs?text=body&vector=v&title=head",
    "qdrant-local:///a/b/docs?allow_pickle=yes",
    "qdrant-local://relative/docs",
    "postgresql://user@h:5432/db?table=t&sslmode=require",
    "postgresql:///db?table=t&host=%2Ftmp%2Fx",
    "milvus://h:19530/docs?id=pk",
    "milvus-lite:///a/b.db/docs",
    "lancedb://a/b/docs",
    "faiss:///x/y.faiss?texts=%2Fx%2Fy.txt",
    "file:///x.parquet?text=body",
    "x.parquet",
]


@pytest.mark.parametrize("url", URLS)
def test_a_location_prints_the_url_it_was_read_from(url):
    assert str(StoreLocation.parse(url)) == url


def test_places_and_tables():
    def parts(url):
        location = StoreLocation.parse(url)
        return location.scheme, location.place, location.table

    assert parts("qdrant://h:6333/docs") == ("qdrant", "h:6333", "docs")
    assert parts("lancedb:///a b/docs") == ("lancedb", "/a b", "docs")
    assert parts("lancedb://a%20b/docs") == ("lancedb", "a b", "docs")
    assert parts("postgres://h/db?table=Odd%20Name%22") == ("postgresql", "h/db", 'Odd Name"')
    assert parts("faiss://x.faiss?texts=x.txt") == ("faiss", "x.faiss", "")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:hunter2@h/db?table=t",
        "postgresql://ann@h/db?table=t&password=hunter2",
        "qdrant://h/docs?api_key=hunter2",
        "qdrant://:hunter2@h/docs",
        "milvus://h/docs?token=hunter2",
    ],
)
def test_a_secret_is_read_and_never_printed(url):
    location = StoreLocation.parse(url)
    assert location.secret == "hunter2"
    assert "hunter2" not in f"{location} {location!r} {hash(location)} {without_secrets(url)}"
    assert location == StoreLocation.parse(str(location))


def test_a_known_secret_is_taken_out_of_any_message():
    assert without_secrets("server said: bad password p@ss (p%40ss)", "p@ss") == "server said: bad password *** (***)"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("weaviate://h/docs", "known are qdrant://"),
        ("qdrant://h:6333", "names no table"),
        ("qdrant://h:port/docs", "no URL"),
        ("qdrant://h/docs?colour=red&api_key=hunter2", "has no option 'colour'; known are id, text, vector"),
        ("qdrant://h/docs?text=a&text=b", "stands twice"),
        ("postgresql://ann:hunter2@h/db", "names no table"),
        ("faiss://", "names no place"),
        ("milvus:///docs", "names no place"),
    ],
)
def test_what_is_no_location_is_refused_in_one_line(url, said):
    with pytest.raises(ValueError, match=said) as error:
        StoreLocation.parse(url)
    assert "\n" not in str(error.value)
    assert "hunter2" not in str(error.value)


def test_paths_and_texts_are_no_urls_of_stores():
    assert [is_store_url(text) for text in ("docs.jsonl", "hf://x/y", "see qdrant://h/x", "qdrant://h/x")] == [
        False,
        False,
        False,
        True,
    ]
