"""The parts of the page as HTML, and an alignment drawn over its two texts."""

import re

import pytest
import torch

from optical_hf.search import FoundDocument, Query, TokenAlignment
from optical_hf.search.page import page_html
from optical_hf.search.page.drawn_words import Piece, drawn_document, drawn_query
from optical_hf.search.page.page_systems import Column

SHARES = torch.tensor([[0.1, 0.8, 0.1], [0.3, 0.4, 0.3]])


def alignment(text="أين <القطار>؟", document="where is the {{train}}?", words=("where", "the", "train")):
    query = Query("1", text, "ar")
    asked = re.findall(r"\w+", text)
    return TokenAlignment(query, FoundDocument("a&b", 0.5, document), asked, list(words), SHARES, SHARES, "maxsim")


def test_words_stand_over_their_text_and_what_is_between_stays():
    one = alignment()
    assert "".join(piece.text for piece in drawn_query(one)) == one.query.text
    assert "".join(piece.text for piece in drawn_document(one)) == one.document.text
    assert [piece.numbers for piece in drawn_query(one) if piece.numbers] == [[1], [2]]
    marked = {piece.text: piece for piece in drawn_document(one)}
    assert marked["the"].numbers == [1, 2]
    assert marked["the"].share == pytest.approx(0.8)
    assert marked["where"].numbers == [2]
    assert marked["}}?"] == Piece("}}?", [])


def test_a_word_that_its_reader_spells_otherwise_is_drawn_too():
    pieces = drawn_document(alignment(document="WHERE is the train", words=("where", "the", "train")))
    assert [piece.text for piece in pieces] == [" ", "where", "WHERE is ", "the", " ", "train"]


def test_a_repeated_word_is_the_next_one():
    pieces = drawn_document(alignment(document="the cat, the dog, the end", words=("the", "the", "end")))
    assert "".join(piece.text for piece in pieces) == "the cat, the dog, the end"
    assert [piece.text for piece in pieces][:3] == ["the", " cat, ", "the"]


def test_texts_take_their_direction_and_nothing_is_markup():
    query = Query("1", "أين <القطار>؟", "ar")
    html = page_html.answers_html([Column("Student", "the query as you typed it", query, ["<look>"], [alignment()])])
    assert "<القطار>" not in html
    assert "<look>" not in html
    assert "a&amp;b" in html
    assert '<bdi lang="ar">' in html
    assert html.count('dir="auto"') == 3
    assert '<p class="drawn" dir="auto" lang="ar">' in html
    assert "n1 n2" in html
    assert 'tabindex="0"' in html
    assert "<summary>" in html


def test_a_column_without_an_answer():
    html = page_html.answers_html([Column("Translate-query", "a translation", None, ["choose the language"], [])])
    assert "choose the language" in html
    assert "<li>" not in html
    assert "Nothing found." in page_html.answers_html([Column("Student", "it", Query("1", "x"), [], [])])


def test_the_style_takes_nothing_from_elsewhere():
    assert "url(" not in page_html.STYLE
    assert "@import" not in page_html.STYLE
    assert "unicode-bidi: plaintext" in page_html.STYLE


def test_the_plots_of_a_report(monkeypatch):
    from matplotlib.figure import Figure

    monkeypatch.setattr(page_html, "plots", lambda report: {"R@1 by language": Figure()})
    monkeypatch.setattr(page_html, "describe", lambda report: "400 queries & more")
    html = page_html.report_html(object())
    assert "<h2>R@1 by language</h2><figure><svg" in html
    assert "400 queries &amp; more" in html
