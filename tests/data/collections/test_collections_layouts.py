"""Each loader against the layout its makers publish: real files of the shared data where they are, fixtures in the
exact layout elsewhere."""

import json

import pytest
from layout_files import json_lines, write

from optical_hf.data.collections import (
    load_africlirmatrix,
    load_afriqa,
    load_beir,
    load_clirmatrix,
    load_flores_documents,
    load_flores_sentences,
    load_mmarco,
    load_wikiclir,
    load_xquad_r,
)
from optical_hf.data.collections.trec_collections import read_qrels

pytestmark = pytest.mark.usefixtures("own_cache")


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
    with pytest.raises(ValueError, match="line 1: lacks tgt_results; found src_id, src_query"):
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
