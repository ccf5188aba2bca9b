"""Devanagari in Latin letters by ISO 15919, for where no font can draw it.

Letter by letter, so the inherent vowel is written everywhere that the script implies it, also where speech drops it.
"""

from __future__ import annotations

from typing import Final

# fmt: off
_CONSONANTS: Final = {
    "क": "k", "ख": "kh", "ग": "g", "घ": "gh", "ङ": "ṅ", "च": "c", "छ": "ch", "ज": "j", "झ": "jh", "ञ": "ñ",
    "ट": "ṭ", "ठ": "ṭh", "ड": "ḍ", "ढ": "ḍh", "ण": "ṇ", "त": "t", "थ": "th", "द": "d", "ध": "dh", "न": "n",
    "प": "p", "फ": "ph", "ब": "b", "भ": "bh", "म": "m", "य": "y", "र": "r",
    "ऱ": "ṟ", "ल": "l", "ळ": "ḷ", "व": "v", "श": "ś", "ष": "ṣ", "स": "s", "ह": "h",
}
_VOWELS: Final = {
    "अ": "a", "आ": "ā", "इ": "i", "ई": "ī", "उ": "u", "ऊ": "ū", "ऋ": "r̥", "ए": "ē", "ऐ": "ai", "ओ": "ō", "औ": "au",
}
_SIGNS: Final = {
    "ा": "ā", "ि": "i", "ी": "ī", "ु": "u", "ू": "ū", "ृ": "r̥", "े": "ē", "ै": "ai", "ो": "ō", "ौ": "au",
}
# fmt: on
_VIRAMA: Final = "्"
_OTHERS: Final = {"ं": "ṁ", "ँ": "m̐", "ः": "ḥ", "।": "."}


def romanise(text: str) -> str:
    """Write the Devanagari of a text in Latin letters; the rest stays as it is.

    Example:
        >>> romanise("दोन छोटे कुत्रे")
        'dōna chōṭē kutrē'
    """
    letters: list[str] = []
    after_consonant = False
    for letter in text:
        if letter in _SIGNS or letter == _VIRAMA:
            letters.append(_SIGNS.get(letter, ""))
            after_consonant = False
            continue
        if after_consonant:
            letters.append("a")
        after_consonant = letter in _CONSONANTS
        letters.append(_CONSONANTS.get(letter) or _VOWELS.get(letter) or _OTHERS.get(letter) or letter)
    return "".join(letters) + ("a" if after_consonant else "")
