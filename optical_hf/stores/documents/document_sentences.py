"""Cuts English documents into sentences, by the rules of Punkt (Kiss and Strunk 2006, Computational Linguistics 32) in `nltk`.

Punkt's own model is a download. Its rules need none: a list of abbreviations stands here in its place. A blank line ends a
sentence as well. An abbreviation never does, so that "at 5 p.m. He left" stays whole rather than being cut at a wrong place.
"""

from functools import lru_cache
from typing import Any

import regex

from optical_hf.extras import import_extra

_SHORT = """
dr mr mrs ms messrs prof rev hon gen sen rep gov pres maj lt col sgt capt cpl cmdr adm st mt ft jr sr esq
ph.d b.a m.a b.s m.s b.sc m.sc m.d ll.b vs etc e.g i.e cf viz al abbr lit feat approx est ave blvd rd
nos vol vols fig figs eq eqs pp eds dept univ assn inc pvt ltd co corp bros
u.s u.k u.n u.s.a d.c a.m p.m a.d b.c jan feb mar apr jun jul aug sep sept oct nov dec
"""
ABBREVIATIONS = frozenset(_SHORT.split())
"""Abbreviations of English, in lower case and without their last full stop."""
BEFORE_NUMBERS = ("no", "c", "ca", "b", "d", "p", "art", "ch", "sec")
"""Abbreviations only where a number follows: "No. 5", "c. 1897"; else words or letters that may end a sentence."""
_BLANK_LINE = regex.compile(r"\n[^\S\n]*\n")
_LETTER = regex.compile(r"\p{L}")


def cut_sentences(text: str) -> list[str]:
    """The sentences of an English text, with single spaces between their words.

    What has no letter in it, such as a line of dashes, is left out.

    Args:
        text: a document.

    Raises:
        ImportError: without nltk (extra `translate`).

    Example:
        >>> cut_sentences("Dr. Ann wrote it. It cost 3.5 million, e.g. in Kenya. Why?")
        ['Dr. Ann wrote it.', 'It cost 3.5 million, e.g. in Kenya.', 'Why?']
    """
    parts = [sentence for block in _BLANK_LINE.split(text) for sentence in _punkt().tokenize(block)]
    return [" ".join(part.split()) for part in parts if _LETTER.search(part)]


@lru_cache(maxsize=1)
def _punkt() -> Any:
    punkt = import_extra("nltk.tokenize.punkt", "translate", "cutting documents into sentences")
    parameters = punkt.PunktParameters()
    parameters.abbrev_types.update(ABBREVIATIONS)
    parameters.collocations.update((word, "##number##") for word in BEFORE_NUMBERS)  # Punkt's type of every number
    return punkt.PunktSentenceTokenizer(parameters)
