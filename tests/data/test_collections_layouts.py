"""Each loader against the layout its makers publish: real files of the shared data where they are, fixtures in the
exact layout elsewhere."""

import gzip
import json

import datasets
import pytest

from optical_hf.data.collections import (
    load_africlirmatrix,
    load_afriqa,
    load_beir,
    load_clirmatrix,
    load_flores_documents,
    load_flores_sentences,
    load_hc4,
    load_mmarco,
    load_trec,
    load_wikiclir,
    load_xquad_r,
)
from optical_hf.data.collections.judged import qrels_from
from optical_hf.data.collections.trec import read_documents, read_qrels, read_topics


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


def json_lines(path, rows):
    return write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


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
    repaired = load_trec("la", topics, qrels, documents, faults="drop")
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
        topics, qrels, documents, document_language="zho", query_languages=("eng",), relevant_grade=3, faults="drop"
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


@pytest.mark.parametrize("language", ["som", "swa", "hau", "yor"])
def test_africlirmatrix_with_its_real_topics_and_qrels(shared_data, tmp_path, language):
    folder = shared_data / "clir_topics_only" / "africlirmatrix"
    qrels = read_qrels(folder / f"qrels.en.{language}.txt.gz")
    ids = sorted({key for row in qrels.values() for key in row})
    corpus = json_lines(tmp_path / "corpus.jsonl", [{"id": key, "contents": f"maqaal {key}"} for key in ids])
    collection = load_africlirmatrix(
        folder / f"topics.en.{language}.tsv.gz", folder / f"qrels.en.{language}.txt.gz", corpus
    )
    assert collection.languages == ["en"]
    assert len(collection.queries) == len(qrels)
    assert set(collection.grades) <= {1, 2, 3, 4, 5, 6}
    assert all(collection.relevance)


def beir(folder):
    json_lines(
        folder / "corpus.jsonl",
        [
            {"_id": "d1", "title": "Einstein", "text": "A physicist.", "metadata": {}},
            {"_id": "d2", "title": "", "text": "No title."},
        ],
    )
    json_lines(
        folder / "queries.jsonl.gz",
        [
            {"_id": "q1", "text": "who?", "metadata": {}},
            {"_id": "q2", "text": "what?"},
            {"_id": "q3", "text": "unjudged"},
        ],
    )
    write(folder / "qrels" / "test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\td2\t1\n")
    return folder


def test_beir(tmp_path):
    collection = load_beir(beir(tmp_path / "demo"))
    assert collection.name == "demo"
    assert collection.queries["id"] == ["en/q1", "en/q2"]
    assert collection.documents["text"] == ["Einstein A physicist.", "No title."]
    assert collection.relevance == [[0], [1]]
    translated = json_lines(tmp_path / "sw.jsonl", [{"_id": "q1", "text": "nani?"}, {"_id": "q2", "text": "nini?"}])
    other = load_beir(tmp_path / "demo", queries={"swa": translated}, relevant_grade=1)
    assert (other.languages, other.queries["english"]) == (["sw"], ["who?", "what?"])
    write(tmp_path / "demo" / "qrels" / "dev.tsv", "q1\td1\t2\n")
    with pytest.raises(ValueError, match="expected the header query-id, corpus-id, score"):
        load_beir(tmp_path / "demo", split="dev")


def test_mmarco(tmp_path):
    collection = load_mmarco(
        {"de": write(tmp_path / "x.tsv", "1048585\twas ist paulas bruder\n2\tAndrogen-Rezeptor\n3\tohne Urteil\n")},
        write(
            tmp_path / "english_collection.tsv",
            "7187158\tPaula Deen, her brother.\n4339068\tAn androgen receptor.\n",
        ),
        write(tmp_path / "qrels.dev.small.tsv", "1048585\t0\t7187158\t1\n2\t0\t4339068\t1\n"),
        english=write(tmp_path / "en.tsv", "1048585\twhat is paula deen's brother\n2\tandrogen receptor define\n"),
    )
    assert collection.queries["id"] == ["de/1048585", "de/2"]
    assert collection.queries["english"][1] == "androgen receptor define"
    assert collection.relevance == [[0], [1]]
    with pytest.raises(ValueError, match="the id '1' comes twice"):
        load_mmarco({"de": ["1\ta", "1\tb"]}, tmp_path / "english_collection.tsv", ["1 0 7187158 1"])
    with pytest.raises(ValueError, match=r"bad.tsv, line 2: expected 2 or 3 fields, found 1: 'no tab'"):
        load_mmarco({"de": ["1\ta"]}, write(tmp_path / "bad.tsv", "7\ttext\nno tab\n"), ["1 0 7 1"])
    with pytest.raises(ValueError, match=r"expected a file of documents at .*gone\.tsv"):
        load_mmarco({"de": ["1\ta"]}, tmp_path / "gone.tsv", ["1 0 7 1"])


def test_wikiclir_of_heidelberg(tmp_path):
    collection = load_wikiclir(
        write(tmp_path / "dev.queries", "12\tist ein Fluss in Bayern .\n13\tist ein Berg .\n"),
        write(tmp_path / "dev.docs", "90\tThe river is in Bavaria .\n91\tBavaria is a state .\n92\tThe mountain .\n"),
        write(tmp_path / "dev.qrels", "12\t90\t3\n12\t91\t2\n13\t92\t3\n"),
        language="de",
    )
    assert collection.relevance == [[0, 1], [2]]
    assert collection.grades == {2: 1, 3: 2}


def test_wikiclir_of_sasaki(tmp_path):
    collection = load_wikiclir(
        write(tmp_path / "wiki_en.queries", "12\tNile\tis a river in Africa .\n14\tOther\tnot judged .\n"),
        write(tmp_path / "wiki_sw.documents", "90\tNile (mto)\tNile ni mto .\n91\tAfrika\tAfrika ni bara .\n"),
        write(tmp_path / "en2sw.rel", "12\t90\t2\n12\t91\t1\n"),
        language="en",
        relevant_grade=2,
    )
    assert collection.queries["text"] == ["is a river in Africa ."]
    assert collection.documents["text"][0] == "Nile (mto) Nile ni mto ."
    assert collection.relevance == [[0]]


def test_clirmatrix(tmp_path):
    collection = load_clirmatrix(
        json_lines(
            tmp_path / "sw_en.test1.jl.gz",
            [{"src_id": "5", "src_query": "Nile", "tgt_results": [["90", 6], ["91", 1], ["92", 0]]}],
        ),
        write(tmp_path / "en.tsv.gz", "90\tThe Nile is a river .\n91\tAfrica .\n92\tMars .\n"),
        language="sw",
    )
    assert collection.relevance == [[0, 1]]
    assert collection.grades == {0: 1, 1: 1, 6: 1}
    with pytest.raises(ValueError, match="query 1: lacks tgt_results"):
        load_clirmatrix(['{"src_id": "5", "src_query": "Nile"}'], tmp_path / "en.tsv.gz", language="sw")


def test_afriqa_on_the_real_files(shared_data):
    folder = shared_data / "afriqa"
    files = {code: folder / f"{code}-en.dev.jsonl.gz" for code in ("kin", "hau", "ibo", "zul", "bem", "twi")}
    collection = load_afriqa(files)
    assert collection.languages == ["rw", "ha", "ig", "zu", "bem", "ak"]
    assert len(collection.queries) == 230 + 222 + 307 + 242 + 235 + 348
    assert all(len(answers) == 1 for answers in collection.relevance)
    first = collection.queries[0]
    assert first["english"] == "What are the main cities of the country Nepal?"
    assert collection.documents[collection.relevance[0][0]]["text"].startswith("Nepal Nepal is one of the ten least")
    assert len(set(collection.queries["group"])) == len(collection.documents) < len(collection.queries)
    french = load_afriqa({"fon": folder / "fon-fr.dev.jsonl.gz"}, pivot="fr")
    assert "english" not in french.queries.column_names


XQUAD_CONTEXT = "The Panthers gave up 308 points. Kawann Short led the team in sacks with 11."


def xquad_r(path, questions, context=XQUAD_CONTEXT, cut=32):
    qas = [
        {"id": key, "question": text, "answers": [{"answer_start": start, "text": context[start : start + 3]}]}
        for key, text, start in questions
    ]
    paragraph = {"context": context, "qas": qas, "sentences": [context[:cut], context[cut + 1 :]]}
    paragraph["sentence_breaks"] = [[0, cut], [cut + 1, len(context)]]
    return write(path, json.dumps({"data": [{"paragraphs": [paragraph]}], "version": "1.1"}))


def test_xquad_r(tmp_path):
    english = xquad_r(
        tmp_path / "en.json", [("a", "How many points?", 21), ("b", "Who led?", 33), ("c", "How many?", 73)]
    )
    german = xquad_r(
        tmp_path / "de.json",
        [("a", "Wie viele Punkte?", 4), ("b", "Wer führte?", 2), ("z", "nur deutsch", 1)],
        context="Sie gaben 308 Punkte ab. Er führte.",
        cut=24,
    )
    collection = load_xquad_r({"de": german}, english, english=english)
    assert collection.queries["text"] == ["Wie viele Punkte?", "Wer führte?"]
    assert collection.queries["english"] == ["How many points?", "Who led?"]
    assert collection.relevance == [[0], [1]]
    assert collection.documents["text"][1].startswith("Kawann Short")
    assert set(collection.queries["group"]) == {"0"}
    with pytest.raises(ValueError, match="this is XQuAD, expected XQuAD-R"):
        load_xquad_r({}, ['{"data": [{"paragraphs": [{"context": "", "qas": []}]}]}'])
    with pytest.raises(ValueError, match="not in SQuAD's JSON layout"):
        load_xquad_r({}, ["[]"])


def test_flores_sentences_and_documents(shared_data):
    folder = shared_data / "flores200_devtest"
    queries = {code: folder / f"{code}.txt.gz" for code in ("som_Latn", "deu_Latn", "mar_Deva")}
    english, metadata = folder / "eng_Latn.txt.gz", folder / "metadata_devtest.tsv.gz"
    sentences = load_flores_sentences(queries, english, metadata=metadata)
    assert sentences.languages == ["so", "de", "mr"]
    assert len(sentences.queries) == 3 * 1012
    assert all(len(answers) == 1 for answers in sentences.relevance)
    articles = load_flores_documents(queries, english, metadata)
    assert len(articles.documents) == len(set(articles.queries["group"])) == len(set(sentences.queries["group"]))
    for row in (0, 500, 1011):
        answer = articles.documents[articles.relevance[row][0]]["text"]
        assert articles.queries[row]["english"] in answer
        assert len(answer) > len(articles.queries[row]["english"])
    with pytest.raises(ValueError, match="expected a header with URL"):
        load_flores_documents(queries, english, ["a\tb\tc\td\te"])
