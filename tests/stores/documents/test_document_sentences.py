"""Documents cut into sentences."""

import sys

import pytest

from optical_hf.stores.documents.document_sentences import cut_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Mr. Kim met Prof. Ode on Jan. 5. They spoke.", ["Mr. Kim met Prof. Ode on Jan. 5.", "They spoke."]),
        ("It grew by 3.5 percent, i.e. a lot.", ["It grew by 3.5 percent, i.e. a lot."]),
        ("She was No. 1 in 2004. He said no. It ended.", ["She was No. 1 in 2004.", "He said no.", "It ended."]),
        (
            "Kato (c. 1897 – 1978) was king. Kim has an M.A. in law.",
            ["Kato (c. 1897 – 1978) was king.", "Kim has an M.A. in law."],
        ),
        ("J. S. Bach wrote it. It is long.", ["J. S. Bach wrote it.", "It is long."]),
        ('He said: "Go!" Then he left.', ['He said: "Go!"', "Then he left."]),
        ("A heading\n \nIts text goes\non here. End.", ["A heading", "Its text goes on here.", "End."]),
        ("------\n\n1.\n\n  A  dog\tran.  ", ["A dog ran."]),
        ("", []),
        ("12 34", []),
    ],
)
def test_sentences(text, sentences):
    assert cut_sentences(text) == sentences


def test_without_nltk_the_extra_is_named(monkeypatch):
    from optical_hf.stores.documents import document_sentences

    monkeypatch.setitem(sys.modules, "nltk.tokenize.punkt", None)
    document_sentences._punkt.cache_clear()
    with pytest.raises(ImportError, match=r'needs nltk: pip install "optical-hf\[translate\]"'):
        cut_sentences("A dog.")
