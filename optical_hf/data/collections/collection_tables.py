"""Collections published as tables: BEIR, mMARCO, WikiCLIR (two makers) and CLIRMatrix.

Sources of the layouts: BEIR (Thakur et al. 2021, arXiv:2104.08663,
github.com/beir-cellar/beir); mMARCO (Bonifacio et al. 2021, arXiv:2108.13897,
huggingface.co/datasets/unicamp-dl/mmarco); WikiCLIR (Schamoni, Hieber, Sokolov and Riezler 2014, ACL,
cl.uni-heidelberg.de/statnlpgroup/wikiclir); the large-scale CLIR data of Sasaki et al. 2018 (NAACL, N18-2073);
CLIRMatrix (Sun and Duh 2020, EMNLP, github.com/ssun32/CLIRMatrix).
"""

from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Unpack

from optical_hf.data.collections.collection import BuildOptions, RetrievalCollection
from optical_hf.data.collections.collection_files import Lines, name_of, read_json_lines, read_pairs, read_rows
from optical_hf.data.collections.judged import document_table, judged_collection, qrels_from, titled
from optical_hf.data.collections.trec_collections import read_qrels
from optical_hf.files import expand_path


def load_beir(
    folder: str | PathLike[str],
    *,
    split: str = "test",
    language: str = "en",
    queries: Mapping[str, Lines] | None = None,
    name: str | None = None,
    **options: Unpack[BuildOptions],
) -> RetrievalCollection:
    """A folder in the layout of BEIR, which MTEB and mE5 use too.

    Layout: `corpus.jsonl` with `_id`, `title`, `text`; `queries.jsonl` with `_id`, `text`; `qrels/<split>.tsv` with the
    header `query-id<TAB>corpus-id<TAB>score`; each plain or with .gz. Queries that the split does not judge are left
    out.

    Args:
        folder: where the three are.
        split: which qrels.
        language: the language of `queries.jsonl`.
        queries: language -> another file of queries with the same ids, translations of `queries.jsonl`; they are then
            the queries, and `queries.jsonl` fills `english` where `language` is English.
        name: what reports call it; the folder's name by default.
        **options: `relevant_grade` and `on_bad_row`, as `RetrievalCollection.build` takes them.

    Raises:
        ValueError: for a file that is missing or not in the layout; and as `RetrievalCollection` does.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> _ = (root / "corpus.jsonl").write_text('{"_id": "d1", "title": "", "text": "A physicist."}')
        >>> _ = (root / "queries.jsonl").write_text('{"_id": "q1", "text": "who?"}')
        >>> (root / "qrels").mkdir()
        >>> _ = (root / "qrels" / "test.tsv").write_text("query-id\\tcorpus-id\\tscore\\nq1\\td1\\t1")
        >>> load_beir(root, name="demo").qrels
        {'en/q1': {'d1': 1}}
    """
    root = expand_path(folder)
    own = _beir_queries(_plain_or_gz(root / "queries.jsonl"))
    topics = {language: own} if queries is None else {code: _beir_queries(file) for code, file in queries.items()}
    source = _plain_or_gz(root / "qrels" / f"{split}.tsv")
    rows = iter(read_rows(source, columns=3))
    header = next(rows, None)
    if header != ["query-id", "corpus-id", "score"]:
        raise ValueError(
            f"{source}: expected the header query-id, corpus-id, score; found {header}: it may be a judgement"
        )
    return judged_collection(
        name or root.name,
        topics,
        qrels_from(rows, str(source)),
        document_table(_beir_documents, _plain_or_gz(root / "corpus.jsonl")),
        english=own if queries is not None and language == "en" else None,
        **options,
    )


def load_mmarco(
    queries: Mapping[str, Lines],
    collection: Lines,
    qrels: Lines,
    *,
    english: Lines | None = None,
    name: str = "mmarco",
    **options: Unpack[BuildOptions],
) -> RetrievalCollection:
    """MMARCO: translated queries of MS MARCO, over its English passages or the translated ones.

    Layout: `queries/dev/<language>_queries.dev.tsv` with `query<TAB>text`; `collections/<language>_collection.tsv` with
    `passage<TAB>text`; qrels `query<TAB>0<TAB>passage<TAB>1` as MS MARCO publishes them (`qrels.dev.small.tsv`, 6,980
    queries; the others of `queries.dev.tsv` are left out).

    Args:
        queries: language -> file of queries.
        collection: file of passages.
        qrels: file of judgements.
        english: the original queries, for the `english` column.
        name: what reports call it.
        **options: `relevant_grade` and `on_bad_row`, as `RetrievalCollection.build` takes them.

    Raises:
        ValueError: for a line that is not in the layout, with its place; and as `RetrievalCollection` does.

    Example:
        >>> load_mmarco({"de": ["7\\twer?"]}, ["91\\tA physicist."], ["7\\t0\\t91\\t1"]).relevance
        [[0]]
    """
    topics = {code: read_pairs(source) for code, source in queries.items()}
    original = read_pairs(english) if english is not None else None
    passages = document_table(_tsv_documents, collection)
    return judged_collection(name, topics, read_qrels(qrels), passages, english=original, **options)


def load_wikiclir(
    queries: Lines,
    documents: Lines,
    qrels: Lines,
    *,
    language: str,
    name: str = "wikiclir",
    **options: Unpack[BuildOptions],
) -> RetrievalCollection:
    """WikiCLIR of Heidelberg (German queries, English articles), and the data of Sasaki et al. (English queries).

    Layout (Heidelberg): `.queries` with `page<TAB>first sentence`, `.docs` with `page<TAB>article`, `.qrels` with
    `query page<TAB>document page<TAB>level`, 3 for the article about the same thing, 2 for those linked to and from it.
    Layout (Sasaki): `english/wiki_en.queries` with `page<TAB>title<TAB>first sentence`, `wiki_xx.documents` with
    `page<TAB>title<TAB>text`, `en2xx.rel` with the same three columns and the levels 2 and 1. A first sentence that
    stands behind a title is the query alone: the title would give the answer away. Queries that nobody judged are left
    out.

    Args:
        queries: file of queries.
        documents: file of articles.
        qrels: file of judgements.
        language: the language of the queries.
        name: what reports call it.
        **options: `relevant_grade` and `on_bad_row`, as `RetrievalCollection.build` takes them; from grade 3 (Heidelberg)
            or 2 (Sasaki) on, only the same article is relevant.

    Raises:
        ValueError: for a line that is not in the layout, with its place; and as `RetrievalCollection` does.

    Example:
        >>> articles = ["90\\tThe river .", "91\\tBavaria ."]
        >>> load_wikiclir(["12\\tist ein Fluss ."], articles, ["12\\t90\\t3", "12\\t91\\t2"], language="de").grades
        {2: 1, 3: 1}
    """
    topics = {language: read_pairs(queries, columns=(2, 3))}
    judgements = qrels_from(read_rows(qrels, columns=3), name_of(qrels))
    return judged_collection(name, topics, judgements, document_table(_tsv_documents, documents), **options)


def load_clirmatrix(
    queries: Lines,
    documents: Lines,
    *,
    language: str,
    name: str = "clirmatrix",
    **options: Unpack[BuildOptions],
) -> RetrievalCollection:
    """CLIRMatrix, BI-139 or MULTI-8: queries and judgements in one file, documents in another.

    Layout: JSON lines with `src_id`, `src_query` and `tgt_results`, a list of [document, grade], grades 0 to 6 from
    BM25 in the language of the query; documents `id<TAB>text`. Both come as .gz.

    Args:
        queries: `<query language>_<document language>.<split>.jl.gz`.
        documents: `<document language>.tsv.gz`.
        language: the language of the queries.
        name: what reports call it.
        **options: `relevant_grade` and `on_bad_row`, as `RetrievalCollection.build` takes them.

    Raises:
        ValueError: for a line that is not in the layout, with its place; and as `RetrievalCollection` does.

    Example:
        >>> queries = ['{"src_id": "5", "src_query": "Nile", "tgt_results": [["90", 6], ["91", 0]]}']
        >>> load_clirmatrix(queries, ["90\\tA river .", "91\\tMars ."], language="sw").relevance
        [[0]]
    """
    rows = list(read_json_lines(queries, "src_id", "src_query", "tgt_results"))
    topics = {language: {str(row["src_id"]): row["src_query"] for row in rows}}
    judgements = ((str(row["src_id"]), str(document), grade) for row in rows for document, grade in row["tgt_results"])
    qrels = qrels_from(judgements, name_of(queries))
    return judged_collection(name, topics, qrels, document_table(_tsv_documents, documents), **options)


def _tsv_documents(source: Lines) -> Iterator[dict[str, Any]]:
    for key, *titles, text in read_rows(source, columns=(2, 3)):
        yield {"id": key, "text": titled(titles[0] if titles else None, text)}


def _beir_queries(source: Lines) -> dict[str, str]:
    return {str(row["_id"]): row["text"] for row in read_json_lines(source, "_id", "text")}


def _beir_documents(source: Lines) -> Iterator[dict[str, Any]]:
    for row in read_json_lines(source, "_id", "text"):
        yield {"id": str(row["_id"]), "text": titled(row.get("title"), row["text"])}


def _plain_or_gz(path: Path) -> Path:
    packed = path.with_name(path.name + ".gz")
    return packed if packed.is_file() and not path.is_file() else path
