"""TREC and CLEF topics, qrels and documents, and the two collections of that family with layouts of their own.

Layouts: TREC's SGML topics and documents (trec.nist.gov/data/topics_eng), CLEF's topics
with language-prefixed tags; HC4 (Lawrie, Mayfield, Oard and Yang 2022, arXiv:2201.09992, github.com/hltcoe/HC4);
AfriCLIRMatrix (Ogundepo et al. 2022, EMNLP, github.com/castorini/africlirmatrix).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from os import PathLike
from typing import Any, Literal, Unpack

from optical_hf.data.collections.collection import BuildOptions, RetrievalCollection
from optical_hf.data.collections.collection_files import (
    Lines,
    name_of,
    read_json_lines,
    read_lines,
    read_pairs,
    read_rows,
)
from optical_hf.data.collections.judged import document_table, judged_collection, qrels_from, titled
from optical_hf.files import expand_path
from optical_hf.languages import canonical_language
from optical_hf.reading.line_files import name_parts

Field = Literal["title", "description"]
_TAG = re.compile(r"<(/?)(?:[A-Za-z]{2}-)?([A-Za-z]+)[^>]*>")
_LABEL = re.compile(r"^\s*(?:Number|Topic|Description)\s*:", re.IGNORECASE)
_TOPIC_TAGS = {"title": "title", "description": "desc"}
_DOCUMENT_TAGS = frozenset({"title", "headline", "head", "text", "lead", "lp", "te", "ti"})


def load_trec(
    name: str,
    topics: Mapping[str, Lines],
    qrels: Lines,
    documents: Lines,
    *,
    fields: Sequence[Field] = ("title",),
    english: Lines | None = None,
    **options: Unpack[BuildOptions],
) -> RetrievalCollection:
    """TREC topics (in one or more languages), TREC qrels and TREC documents.

    Layouts: topics in SGML, `<top> <num> Number: 351 <title> ... <desc> Description: ... </top>`, CLEF's form of it
    (`<num> C041 </num> <DE-title> ... </DE-title>`), or one `id<TAB>text` a line (a file that ends in .tsv, .tsv.gz
    ...); qrels `topic iteration document grade`; documents `<DOC> <DOCNO> id </DOCNO> ... <TEXT> ... </TEXT> </DOC>`,
    or JSON lines with `id` (or `docno`, `doc_id`, `_id`), `title` and `text` (or `contents`).
    Source: trec.nist.gov/data and the topic files of CLEF 2000-2003.

    Args:
        name: what reports call it.
        topics: language -> file of topics.
        qrels: file of judgements; topic ids as the topic files write them.
        documents: file of documents, or a folder of such files.
        fields: which fields of a topic make the query.
        english: topics in English, for the `english` column.
        **options: `relevant_grade` and `on_bad_row`, as `RetrievalCollection.build` takes them.

    Raises:
        ValueError: for a file that is not in the layout, with the place; and as `RetrievalCollection` does.

    Example:
        >>> topics = ["<top>", "<num> Number: 351", "<title> Falkland petroleum", "</top>"]
        >>> documents = ["<DOC>", "<DOCNO> A-1 </DOCNO>", "<TEXT>", "Oil.", "</TEXT>", "</DOC>"]
        >>> load_trec("demo", {"en": topics}, ["351 0 A-1 1"], documents).relevance
        [[0]]
    """
    texts = {language: dict(read_topics(source, fields)) for language, source in topics.items()}
    in_english = dict(read_topics(english, fields)) if english is not None else None
    found = document_table(read_documents, documents)
    return judged_collection(name, texts, read_qrels(qrels), found, english=in_english, **options)


def load_hc4(
    topics: Lines,
    qrels: Lines,
    documents: Lines,
    *,
    document_language: str,
    query_languages: Sequence[str] = ("eng",),
    fields: Sequence[Field] = ("title", "description"),
    name: str | None = None,
    **options: Unpack[BuildOptions],
) -> RetrievalCollection:
    """HC4: topics as JSON lines, qrels of one language, documents as JSON lines.

    Layout: a topic has `topic_id`, `languages_with_qrels` and `topics`, a list of `lang`, `source` ("original" for
    English, "human translation", or the name of a machine translation), `topic_title`, `topic_description`; qrels
    `topic 0 document grade` with the grades 0, 1 (somewhat valuable) and 3 (very valuable); documents have `id`,
    `title`, `text`. Source: github.com/hltcoe/HC4, resources/hc4.

    The original or human text of a topic is the query. `english` is the English original; `translation` the newest
    machine translation of the topic into the language of the documents.

    Args:
        topics: `{train,dev,test}.topics.v1-0.jsonl`.
        qrels: `{zho,fas,rus}.{train,dev,test}.qrels.v1-0.txt`.
        documents: documents of that language.
        document_language: the language of the documents, whose translations fill `translation`.
        query_languages: languages of the queries; a topic without a human text in one of them is left out there.
        fields: which fields make the query.
        name: what reports call it; `hc4/<language>` by default.
        **options: `relevant_grade` and `on_bad_row`, as `RetrievalCollection.build` takes them.

    Raises:
        ValueError: as `RetrievalCollection` does.

    Example:
        >>> topic = '{"topic_id": "1", "topics": [{"lang": "eng", "source": "original", "topic_title": "Asteroids"}]}'
        >>> document = '{"id": "07fd", "title": "", "text": "..."}'
        >>> load_hc4([topic], ["1 0 07fd 3"], [document], document_language="zho", fields=["title"]).qrels
        {'en/1': {'07fd': 3}}
    """
    wanted = {canonical_language(code) for code in query_languages}
    target = canonical_language(document_language)
    texts: dict[str, dict[str, str]] = {code: {} for code in sorted(wanted)}
    english: dict[str, str] = {}
    machine: dict[str, tuple[str, str]] = {}
    for topic in read_json_lines(topics, "topic_id", "topics"):
        key = str(topic["topic_id"])
        for version in topic["topics"]:
            text = " ".join(version[f"topic_{field}"].strip() for field in fields).strip()
            language, source = canonical_language(version["lang"]), version["source"]
            human = source in ("original", "human translation")
            if human and language == "en":
                english[key] = text
            if human and language in wanted:
                texts[language][key] = text
            elif not human and language == target:
                machine[key] = max(machine.get(key, ("", "")), (source, text))  # sources open with their date
    return judged_collection(
        name or f"hc4/{target}",
        texts,
        read_qrels(qrels),
        document_table(read_documents, documents),
        english=english,
        translations={key: text for key, (_, text) in machine.items()},
        **options,
    )


def load_africlirmatrix(
    topics: Lines,
    qrels: Lines,
    documents: Lines,
    *,
    name: str = "africlirmatrix",
    **options: Unpack[BuildOptions],
) -> RetrievalCollection:
    """AfriCLIRMatrix: English queries, documents in one of fifteen African languages.

    Layout: topics `id<TAB>text`; qrels `topic Q0 document grade`, grades 1 to 6; `corpus.jsonl` with `id` and
    `contents`.
    Source: github.com/castorini/africlirmatrix, and the corpus at huggingface.co/datasets/castorini/africlirmatrix.

    Args:
        topics: `topics.africlirmatrix-v1.0.en.<language>.tsv`.
        qrels: `qrels.africlirmatrix-v1.0.en.<language>.txt`.
        documents: `corpus.jsonl` of that language.
        name: what reports call it.
        **options: `relevant_grade` and `on_bad_row`, as `RetrievalCollection.build` takes them.

    Raises:
        ValueError: as `RetrievalCollection` does.

    Example:
        >>> load_africlirmatrix(["7\\tNile"], ["7 Q0 90 6"], ['{"id": "90", "contents": "Webi"}']).languages
        ['en']
    """
    found = document_table(read_documents, documents)
    return judged_collection(name, {"en": read_pairs(topics)}, read_qrels(qrels), found, **options)


def read_qrels(source: Lines) -> dict[str, dict[str, int]]:
    """TREC qrels: `topic iteration document grade`, split at white space.

    Example:
        >>> read_qrels(["351 0 FR940104-0-00001 1"])
        {'351': {'FR940104-0-00001': 1}}
    """
    rows = read_rows(source, columns=4, separator=None)
    return qrels_from(((topic, document, grade) for topic, _, document, grade in rows), name_of(source))


def read_topics(source: Lines, fields: Sequence[Field] = ("title",)) -> Iterator[tuple[str, str]]:
    """Yield (topic id, text) from SGML topics of TREC or CLEF, or from a TSV file.

    Raises:
        ValueError: when the file has no topic, or a topic lacks its number or a field.

    Example:
        >>> list(read_topics(["<top>", "<num> Number: 351", "<title> Falkland petroleum", "</top>"]))
        [('351', 'Falkland petroleum')]
    """
    if isinstance(source, (str, PathLike)) and name_parts(str(expand_path(source)))[-1] == "tsv":
        yield from read_pairs(source).items()
        return
    number = 0
    for number, parts in enumerate(_tagged_blocks(source, "top"), start=1):
        missing = [tag for tag in ("num", *(_TOPIC_TAGS[field] for field in fields)) if not parts.get(tag)]
        if missing:
            raise ValueError(f"{name_of(source)}, topic {number}: no <{', '.join(missing)}>, only <{', '.join(parts)}>")
        yield parts["num"], " ".join(parts[_TOPIC_TAGS[field]] for field in fields)
    if not number:
        raise ValueError(f"{name_of(source)} has no <top> block; expected TREC topics, or a .tsv file of `id<TAB>text`")


def read_documents(source: Lines) -> Iterator[dict[str, Any]]:
    """Yield documents (`id`, `text`) from TREC SGML or, where the first character is a brace, from JSON lines.

    The files of a folder are read one after the other, by name.

    Raises:
        ValueError: for a document without an id or a text field, with its place.

    Example:
        >>> list(read_documents(["<DOC>", "<DOCNO> A-1 </DOCNO>", "<TEXT>", "Oil.", "</TEXT>", "</DOC>"]))
        [{'id': 'A-1', 'text': 'Oil.'}]
    """
    if isinstance(source, (str, PathLike)) and (folder := expand_path(source)).is_dir():
        for file in sorted(path for path in folder.iterdir() if path.is_file()):
            yield from read_documents(file)
        return
    first = next((line for line in read_lines(source) if line.strip()), "")
    if first.lstrip().startswith("{"):
        for number, row in enumerate(read_json_lines(source), start=1):
            key = next((row[field] for field in ("id", "docno", "doc_id", "_id", "docid") if field in row), None)
            text = row.get("text", row.get("contents"))
            if key is None or text is None:
                raise ValueError(f"{name_of(source)}, document {number}: expected id and text, not {list(row)}")
            yield {"id": str(key), "text": titled(row.get("title"), text)}
        return
    number = 0
    for number, parts in enumerate(_tagged_blocks(source, "doc"), start=1):
        if not parts.get("docno"):
            raise ValueError(f"{name_of(source)}, document {number}: no <DOCNO>; found <{'>, <'.join(parts)}>")
        yield {"id": parts["docno"], "text": " ".join(text for tag, text in parts.items() if tag in _DOCUMENT_TAGS)}
    if not number:
        raise ValueError(f"{name_of(source)} has neither <DOC> blocks nor JSON lines")


def _tagged_blocks(source: Lines, block: str) -> Iterator[dict[str, str]]:
    """The fields of each `<block> ... </block>`, by lower-case tag without its language prefix."""
    opening, closing = re.compile(rf"<{block}\b[^>]*>", re.IGNORECASE), re.compile(rf"</{block}>", re.IGNORECASE)
    lines: list[str] | None = None
    for line in read_lines(source):
        if lines is None and opening.search(line):
            lines = []
        if lines is not None:
            lines.append(closing.split(opening.split(line, maxsplit=1)[-1], maxsplit=1)[0])
            if closing.search(line):
                yield _fields("\n".join(lines))
                lines = None
    if lines is not None:
        raise ValueError(f"{name_of(source)}: the last <{block}> block is not closed; the file is cut off")


def _fields(block: str) -> dict[str, str]:
    """Texts by tag. TREC topics do not close their tags, CLEF's and documents do; text inside an unknown tag (<P>)
    belongs to the field around it."""
    known = _DOCUMENT_TAGS | {"num", "desc", "narr", "docno", "docid"}
    fields: dict[str, list[str]] = {}
    current: str | None = None
    position = 0
    for match in _TAG.finditer(block):
        if current is not None:
            fields[current].append(block[position : match.start()])
        position = match.end()
        tag = match.group(2).lower()
        if tag in known:
            current = None if match.group(1) else tag
            fields.setdefault(tag, [])
    if current is not None:
        fields[current].append(block[position:])
    return {tag: " ".join(_LABEL.sub("", unescape(" ".join(texts))).split()) for tag, texts in fields.items()}
