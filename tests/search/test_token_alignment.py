"""The words of a query and of a document are aligned by their tokens; pieces are joined to the words that a reader sees."""

import pytest
import tiny_pairs
import torch

from optical_hf.models.prompts import set_prompts
from optical_hf.search import (
    Answer,
    FoundDocument,
    Query,
    explain,
    print_explanation,
    token_alignment,
    write_explanation,
)
from optical_hf.search.word_tokens import WordTokens, _grouped, _Span, word_tokens


def answer(query, *texts):
    return Answer(Query("q1", query, "de"), [FoundDocument(str(n), 1.0, text) for n, text in enumerate(texts)])


@pytest.mark.parametrize("by", ["maxsim", "plan"])
def test_a_text_is_aligned_with_itself(by):
    teacher = tiny_pairs.teacher()
    text = tiny_pairs.bitext()["source"][0]
    (one,) = explain(teacher, [answer(text, text)], by=by, epsilon=0.01)
    assert [link.query for link in one.links] == [word.strip(".,") for word in text.split()]
    assert [link.document for link in one.links] == [link.query for link in one.links]
    assert all(link.cosine == pytest.approx(1, abs=1e-4) for link in one.links)
    assert one.share_QW.sum(1).tolist() == pytest.approx([1] * len(one.query_words), abs=1e-2)


def test_maxsim_is_the_softmax_of_the_cosines(searched):
    student, _ = searched
    teacher = tiny_pairs.teacher()
    query, text = tiny_pairs.bitext()["target"][0], tiny_pairs.bitext()["source"][0]
    (one,) = explain(student, [answer(query, text)], reader=teacher, by="maxsim", epsilon=0.1)
    asked, read = word_tokens(student, query, "query"), word_tokens(teacher, text, "document")
    share_NM = ((asked.token_ND @ read.token_ND.T) / 0.1).softmax(1)
    first = share_NM[asked.word_N == 0].mean(0)
    assert one.share_QW[0].tolist() == pytest.approx(
        [float(first[read.word_N == n].sum()) for n in range(len(read.words))], abs=1e-5
    )


def test_the_plan_holds_the_query_and_spares_words_of_the_document(monkeypatch):
    # Both words of the query are nearest to the first word of the document, the second one hardly less to the second.
    ways = {
        "query": WordTokens(["eins", "zwei"], torch.tensor([0, 1]), torch.tensor([[1.0, 0.0, 0.0], [0.75, 0.66, 0.0]])),
        "document": WordTokens(["one", "two", "else"], torch.tensor([0, 1, 2]), torch.eye(3)),
    }
    monkeypatch.setattr(token_alignment, "word_tokens", lambda model, text, task: ways[task])
    plan, alone = (
        explain(None, [answer("eins zwei", "one two else")], reader=object(), **given)[0]
        for given in ({}, {"by": "maxsim"})
    )
    assert [link.document for link in plan.links] == ["one", "two"]
    assert [link.document for link in alone.links] == ["one", "one"]
    assert plan.share_QW.sum(1).tolist() == pytest.approx([1, 1], abs=1e-3)
    assert plan.share_QW[:, 2].max() < 0.01  # a balanced plan would give it a third


def test_the_prompt_and_punctuation_are_no_words():
    student, _ = tiny_pairs.pair()
    set_prompts(student, query="query: ")
    read = word_tokens(student, "ein Hund, ein Ball!", "query")
    assert read.words == ["ein", "Hund", "ein", "Ball"]
    assert read.token_ND.norm(dim=1).tolist() == pytest.approx([1] * len(read.word_N), abs=1e-5)
    assert read.word_N.tolist() == sorted(read.word_N.tolist())


def test_pieces_are_joined_but_not_in_scripts_without_spaces():
    assert _grouped([_Span("run", 0, 3), _Span("ning", 3, 7), _Span("fast", 8, 12)]) == (["running", "fast"], [0, 0, 1])
    assert _grouped([_Span("学", 0, 1), _Span("生", 1, 2)]) == (["学", "生"], [0, 1])


@pytest.mark.slow
def test_it_is_printed_and_written(searched, tmp_path, capsys):
    student, table = searched
    aligned = explain(student, [answer("ein Hund", *table["text"][:2])], documents=2)
    assert len(aligned) == 2
    print_explanation(aligned)
    assert "Hund" in capsys.readouterr().out
    write_explanation(aligned, tmp_path / "x.html")
    page = (tmp_path / "x.html").read_text()
    assert page.count("<svg") == 2
    assert 'lang="de">Hund' in page
    write_explanation(aligned[:1], tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes()[:4] == b"\x89PNG"


def test_long_documents_are_drawn_by_the_words_that_count(searched):
    student, table = searched
    (one,) = explain(student, [answer("ein Hund", " ".join(table["text"][:6]))])
    chosen = one.chosen(5)
    assert len(chosen) == 5
    assert chosen == sorted(chosen)
    assert one.share_QW.sum(0)[chosen].min() >= torch.cat([one.share_QW.sum(0)]).sort(descending=True).values[4]


@pytest.mark.parametrize(
    ("given", "told"), [({"by": "magic"}, "by"), ({"epsilon": 0}, "epsilon"), ({"documents": 0}, "documents")]
)
def test_wrong_settings_are_refused(searched, given, told):
    with pytest.raises(ValueError, match=told):
        explain(searched[0], [answer("ein Hund", "a dog")], **given)


def test_wrong_files_are_refused(searched, tmp_path):
    aligned = explain(searched[0], [answer("ein Hund", "a dog", "a cat")], documents=2)
    with pytest.raises(ValueError, match=r"x\.html"):
        write_explanation(aligned, tmp_path / "x.doc")
    with pytest.raises(ValueError, match="there are 2"):
        write_explanation(aligned, tmp_path / "x.png")
