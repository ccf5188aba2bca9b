"""What can be wrong with one pair of a bitext, decided from that pair alone.

What needs the whole table (duplicates, unusual lengths, misalignment) is
decided elsewhere, from the keys and ratios made here.
"""

import math
import unicodedata
from functools import lru_cache
from typing import Literal, get_args

import regex
import xxhash

from optical_hf.languages import language_info
from optical_hf.tables import UNKNOWN_LANGUAGE

Rule = Literal[
    "empty", "duplicate", "copy", "length", "script", "language", "numbers", "leak", "misaligned", "mismatched"
]
RULES: tuple[Rule, ...] = get_args(Rule)
"""What a quality report counts and `clean_bitext` can drop, in the order of the report."""

_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
_LETTERS = regex.compile(r"\p{L}+")
_GROUPING = regex.compile(r"(?<=\d)[.,'’٬\u00a0\u202f](?=\d{3}(?!\d))")  # 1,000 and 1.000 and 1 000
_NUMBER = regex.compile(r"\d+")
_SEVERAL = {"Jpan": ("Hira", "Kana", "Hani"), "Kore": ("Hang", "Hani"), "Hans": ("Hani",), "Hant": ("Hani",)}


@lru_cache(maxsize=16)  # the rules of a pair need its texts several times
def plain(text: str) -> str:
    """Return a text without case, punctuation and spacing, as it is compared for copies, duplicates and leaks.

    Example:
        >>> plain("Don't  PANIC!")
        'don t panic'
    """
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def key(*texts: str) -> int:
    """Return 64 bits that stand for plain texts, the same in every process."""
    return xxhash.xxh3_64_intdigest("\n".join(map(plain, texts)).encode()) - 2**63


def length_ratio(english: str, foreign: str) -> float:
    """Return the log ratio of the lengths in characters, ten more on each side so that short pairs do not stand out."""
    return math.log((len(foreign) + 10) / (len(english) + 10))


def pair_rules(english: str, foreign: str, language: str, leaks: frozenset[int] = frozenset()) -> set[Rule]:
    """Return which rules a pair breaks on its own: empty, copy, script, numbers, leak.

    Args:
        english: the English side.
        foreign: the other side.
        language: its canonical code.
        leaks: keys of the texts of an evaluation set: `key("en", text)` of English, `key("other", text)` of other ones.

    Example:
        >>> sorted(pair_rules("He is 7.", "He is 7.", "so")), sorted(pair_rules("He is 7.", "तो 8 वर्षांचा आहे.", "mr"))
        (['copy'], ['numbers'])
    """
    if not (english.strip() and foreign.strip()):
        return {"empty"}
    broken: set[Rule] = set()
    if plain(english) == plain(foreign) and _LETTERS.search(english):
        broken.add("copy")
    if not (_in_script(english, "en") and _in_script(foreign, language)):
        broken.add("script")
    if numbers(english) != numbers(foreign):
        broken.add("numbers")
    if leaks and not leaks.isdisjoint((key("en", english), key("other", foreign))):
        broken.add("leak")
    return broken


def numbers(text: str) -> list[int]:
    """Return the numbers in a text, sorted, whatever their digits and however their thousands are grouped.

    Example:
        >>> numbers("1,716 or १७१६ by 8.30")
        [8, 30, 1716, 1716]
    """
    return sorted(int(found) for found in _NUMBER.findall(_GROUPING.sub("", text)))


def _in_script(text: str, language: str) -> bool:
    """Tell whether at least half of the letters, if there are three or more, are of the script of the language."""
    pattern = _script_letters(language)
    letters = _count(_LETTERS, text)
    return letters < 3 or pattern is None or 2 * _count(pattern, text) >= letters


def _count(pattern: regex.Pattern, text: str) -> int:
    return sum(map(len, pattern.findall(text)))


@lru_cache(maxsize=1024)
def _script_letters(language: str) -> regex.Pattern | None:
    script = None if language == UNKNOWN_LANGUAGE else language_info(language).script
    if script is None:
        return None
    classes = "".join(rf"\p{{sc={part}}}" for part in (*_SEVERAL.get(script, (script,)), "Zyyy"))
    return regex.compile(rf"[{classes}&&\p{{L}}]+", regex.V1)
