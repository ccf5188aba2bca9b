"""FLORES as a search: sentence to its English sentence, and sentence to the English article that it is from.

Source of the layout: NLLB Team 2022, arXiv:2207.04672, and Goyal et al. 2022, TACL
(github.com/facebookresearch/flores): one sentence a line, line i the same sentence in every language, and a metadata
file.
"""

from collections.abc import Mapping
from typing import Unpack

from optical_hf.data.collections.collection import BuildOptions, RetrievalCollection
from optical_hf.data.collections.collection_files import Lines, name_of, read_lines, read_rows


def load_flores_sentences(
    queries: Mapping[str, Lines],
    documents: Lines,
    *,
    metadata: Lines | None = None,
    name: str = "flores-sentences",
    **options: Unpack[BuildOptions],
) -> RetrievalCollection:
    """Sentence to sentence: find the English line that says the same.

    Layout: `devtest/som_Latn.devtest` and its like, one sentence a line; `metadata_devtest.tsv` with the columns URL,
    domain, topic, has_image, has_hyperlink and a header.

    Args:
        queries: language -> file, `{"som_Latn": ...}`.
        documents: the English file.
        metadata: with it, sentences of one article are one group for a bootstrap.
        name: what reports call it.
        **options: `relevant_grade` and `on_bad_row`, as `RetrievalCollection.build` takes them.

    Raises:
        ValueError: when the files differ in length; and as `RetrievalCollection` does.

    Example:
        >>> load_flores_sentences({"som_Latn": ["biyo", "guri"]}, ["water", "house"]).relevance
        [[0], [1]]
    """
    groups = _urls(metadata) if metadata is not None else None
    return RetrievalCollection.from_lines(name, dict(queries), documents, groups=groups, **options)


def load_flores_documents(
    queries: Mapping[str, Lines],
    documents: Lines,
    metadata: Lines,
    *,
    english: bool = True,
    name: str = "flores-documents",
    **options: Unpack[BuildOptions],
) -> RetrievalCollection:
    """Sentence to document: find the English article (all its lines in the set, in order) from one of its sentences.

    Layout: as for `load_flores_sentences`; the document of a line is its article's URL.

    Args:
        queries: language -> file.
        documents: the English file.
        metadata: the file that gives each line its URL.
        english: fill the `english` column with the English sentence. It stands word for word in the article, so the
            teacher's ceiling on it is an easy one.
        name: what reports call it.
        **options: `relevant_grade` and `on_bad_row`, as `RetrievalCollection.build` takes them.

    Raises:
        ValueError: when the files differ in length; and as `RetrievalCollection` does.

    Example:
        >>> rows = ["URL\\tdomain\\ttopic\\thas_image\\thas_hyperlink", "u1\\ta\\tb\\tno\\tno", "u1\\ta\\tb\\tno\\tno"]
        >>> load_flores_documents({"som_Latn": ["biyo", "guri"]}, ["water", "house"], rows).documents["text"][:]
        ['water house']
    """
    lines, urls = list(read_lines(documents)), _urls(metadata)
    if len(lines) != len(urls):
        raise ValueError(f"{name_of(metadata)} has {len(urls)} rows and {name_of(documents)} {len(lines)} lines")
    articles: dict[str, list[str]] = {}
    for url, line in zip(urls, lines, strict=True):
        articles.setdefault(url, []).append(line)
    texts = [" ".join(articles[url]) for url in urls]
    sources = {code: (source, lines) if english else source for code, source in queries.items()}
    return RetrievalCollection.from_lines(name, sources, texts, groups=urls, **options)


def _urls(metadata: Lines) -> list[str]:
    rows = read_rows(metadata, columns=5)
    header = next(rows, [])
    if "URL" not in header:
        raise ValueError(f"{name_of(metadata)}: expected a header with URL, found {header}")
    return [row[header.index("URL")] for row in rows]
