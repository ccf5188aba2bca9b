"""Layouts of TREC, CLEF and HC4: topics, judgements and documents in files of their own."""

import pytest
from layout_files import json_lines, write

from optical_hf.data.collections import (
    load_hc4,
    load_trec,
)
from optical_hf.data.collections.judged import qrels_from
from optical_hf.data.collections.trec_collections import read_documents, read_qrels, read_topics

pytestmark = pytest.mark.usefixtures("own_cache")


TREC_TOPICS = """
<top>

<num> Number: 351
<title> Falkland petroleum exploration

<desc> Description:
What information is available on petroleum
exploration near the Falkland Islands?

<narr> Narrative:
Any document discussing it is relevant.
</top>
<top>
<num> Number: 352
<title> Topic: British &amp; Chunnel impact
<desc> Description: Impact?
</top>
"""
CLEF_TOPICS = """<topics>
<top lang="de">
<num> 351 </num>
<DE-title> Erdöl bei den Falklandinseln </DE-title>
<DE-desc> Welche Informationen gibt es? </DE-desc>
<DE-narr> Alles. </DE-narr>
</top>
<top><num> 352 </num><DE-title>Der Kanaltunnel</DE-title><DE-desc>Wirkung?</DE-desc></top>
</topics>
"""
TREC_DOCUMENTS = """<DOC>
<DOCNO> LA010189-0001 </DOCNO>
<DOCID> 1 </DOCID>
<DATE><P>January 1, 1989</P></DATE>
<HEADLINE>
<P>
OIL NEAR THE FALKLANDS
</P>
</HEADLINE>
<TEXT>
<P>
Drilling has begun.
</P>
<P>
It goes on.
</P>
</TEXT>
</DOC>
<DOC>
<DOCNO>LA010189-0002</DOCNO>
<TEXT>A tunnel &amp; a train.</TEXT>
</DOC>
"""
TREC_QRELS = "351 0 LA010189-0001 2\n351 0 LA010189-0002 0\n352 0 LA010189-0002 1\n"


def test_trec_topics_qrels_and_documents(tmp_path):
    collection = load_trec(
        "la",
        {"de": write(tmp_path / "de.txt", CLEF_TOPICS)},
        write(tmp_path / "qrels.txt", TREC_QRELS),
        write(tmp_path / "la.sgml.gz", TREC_DOCUMENTS),
        english=write(tmp_path / "en.txt", TREC_TOPICS),
    )
    assert collection.queries["text"] == ["Erdöl bei den Falklandinseln", "Der Kanaltunnel"]
    assert collection.queries["english"] == ["Falkland petroleum exploration", "British & Chunnel impact"]
    assert collection.queries["group"] == ["351", "352"]
    assert collection.documents["text"] == [
        "OIL NEAR THE FALKLANDS Drilling has begun. It goes on.",
        "A tunnel & a train.",
    ]
    assert collection.relevance == [[0], [1]]
    assert collection.grades == {0: 1, 1: 1, 2: 1}


def test_trec_documents_in_a_folder(tmp_path):
    first, second = TREC_DOCUMENTS.split("</DOC>\n", maxsplit=1)
    write(tmp_path / "la" / "la010190", second)
    write(tmp_path / "la" / "la010189.gz", first + "</DOC>\n")
    topics = {"de": write(tmp_path / "de.txt", CLEF_TOPICS)}
    collection = load_trec("la", topics, write(tmp_path / "qrels.txt", TREC_QRELS), tmp_path / "la")
    assert collection.documents["id"] == ["LA010189-0001", "LA010189-0002"]


def test_trec_title_and_description():
    topics = dict(read_topics(TREC_TOPICS.split("\n"), fields=("title", "description")))
    assert topics["351"] == (
        "Falkland petroleum exploration "
        "What information is available on petroleum exploration near the Falkland Islands?"
    )


def test_trec_topics_in_two_languages_share_judgements_and_groups(tmp_path):
    collection = load_trec(
        "la",
        {
            "deu": write(tmp_path / "de.txt", CLEF_TOPICS),
            "so": write(tmp_path / "so.tsv", "351\tsaliid\n352\ttunnel\n"),
        },
        write(tmp_path / "qrels.txt", TREC_QRELS),
        write(tmp_path / "la.sgml", TREC_DOCUMENTS),
    )
    assert collection.languages == ["de", "so"]
    assert collection.queries["id"] == ["de/351", "de/352", "so/351", "so/352"]
    assert collection.relevance == [[0], [1], [0], [1]]
    assert collection.queries["group"] == ["351", "352", "351", "352"]


def test_trec_faults_name_the_place():
    with pytest.raises(ValueError, match=r"topic 1: no <title>, only <num>"):
        list(read_topics(["<top><num>1</num></top>"]))
    with pytest.raises(ValueError, match="no <top> block"):
        list(read_topics(["351 petroleum"]))
    with pytest.raises(ValueError, match="document 2: no <DOCNO>"):
        list(read_documents(["<DOC><DOCNO>1</DOCNO><TEXT>a</TEXT></DOC>", "<DOC><TEXT>b</TEXT></DOC>"]))
    with pytest.raises(ValueError, match="last <doc> block is not closed"):
        list(read_documents(["<DOC>", "<DOCNO>1</DOCNO>"]))
    with pytest.raises(ValueError, match="document 1: expected id and text, not"):
        list(read_documents(['{"name": "x"}']))
    with pytest.raises(ValueError, match="line 2: expected 4 fields, found 3"):
        read_qrels(["1 0 d 1", "1 0 d"])
    with pytest.raises(ValueError, match=r"\(1, d\) is judged twice, as 1 and as 2"):
        read_qrels(["1 0 d 1", "1 0 d 1", "1 0 d 2"])
    for grade in ("x", "0.5", "inf", "nan"):
        with pytest.raises(ValueError, match="expected a whole number"):
            qrels_from([("1", "d", grade)], "demo")


def test_judgements_of_documents_that_are_not_there(tmp_path):
    topics = {"en": write(tmp_path / "en.txt", TREC_TOPICS)}
    qrels = write(tmp_path / "qrels.txt", TREC_QRELS + "351 0 LOST-1 1\n353 0 LA010189-0001 1\n")
    documents = write(tmp_path / "la.sgml", TREC_DOCUMENTS)
    with pytest.raises(ValueError, match="1 unknown queries, the first is '353'"):
        load_trec("la", topics, qrels, documents)
    repaired = load_trec("la", topics, qrels, documents, on_bad_row="drop")
    assert repaired.relevance == [[0], [1]]


def test_a_changed_file_is_read_again(tmp_path):
    topics = {"en": write(tmp_path / "en.txt", TREC_TOPICS)}
    qrels = write(tmp_path / "qrels.txt", TREC_QRELS)
    documents = write(tmp_path / "la.sgml", TREC_DOCUMENTS)
    first = load_trec("la", topics, qrels, documents)
    write(documents, TREC_DOCUMENTS.replace("tunnel", "very long tunnel"))
    second = load_trec("la", topics, qrels, documents)
    assert (first.documents[1]["text"], second.documents[1]["text"]) == (
        "A tunnel & a train.",
        "A very long tunnel & a train.",
    )


def test_hc4_with_its_real_topics_and_qrels(shared_data, tmp_path):
    folder = shared_data / "clir_topics_only" / "hc4"
    topics, qrels = folder / "dev.topics.v1-0.jsonl.gz", folder / "zho.dev.qrels.v1-0.txt.gz"
    judgements = read_qrels(qrels)
    ids = sorted({key for row in judgements.values() for key in row})
    documents = json_lines(
        tmp_path / "zho.jsonl",
        [{"id": key, "cc_file": "x", "time": "t", "title": "标题", "text": f"文 {key}", "url": "u"} for key in ids],
    )
    collection = load_hc4(topics, qrels, documents, document_language="zho", query_languages=("eng", "zho"))
    assert collection.languages == ["en", "zh"]
    assert len(collection.documents) == len(ids)
    english, chinese = (collection.select(language).queries for language in ("en", "zh"))
    row = english[english["group"].index("1")]
    assert row["text"].startswith("Asteroids Endangering Earth Articles related to asteroids")
    assert row["english"] == row["text"]
    native = chinese[chinese["group"].index("1")]
    assert native["text"].startswith("小行星危害地球")
    assert native["english"] == row["text"]
    assert native["translation"] == row["translation"] != ""
    assert set(collection.grades) == {0, 1, 3}
    strict = load_hc4(
        topics, qrels, documents, document_language="zho", query_languages=("eng",), relevant_grade=3, on_bad_row="drop"
    )
    assert sum(map(len, strict.relevance)) < sum(map(len, collection.select("en").relevance))


def test_hc4_without_its_documents_says_so(shared_data, tmp_path):
    folder = shared_data / "clir_topics_only" / "hc4"
    documents = json_lines(tmp_path / "zho.jsonl", [{"id": "only-one", "title": "", "text": "文"}])
    with pytest.raises(ValueError, match=r"the qrels name 4\d\d unknown documents"):
        load_hc4(
            folder / "dev.topics.v1-0.jsonl.gz",
            folder / "zho.dev.qrels.v1-0.txt.gz",
            documents,
            document_language="zho",
        )
