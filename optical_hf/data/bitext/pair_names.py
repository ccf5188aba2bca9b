"""What the name of a file says about its languages.

Corpora write regions and scripts in any case and with either separator: `en-pt_br.txt.zip`,
`x.en-zh_TW.tsv`, `sr_latn`.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from langcodes import Language

from optical_hf.data.bitext.pairs import code_of
from optical_hf.languages import canonical_language

_NO_LANGUAGES = frozenset({"bin", "bpe", "csv", "doc", "ids", "low", "raw", "tok", "tsv", "txt", "xml"})  # codes, too
_PLAIN = re.compile(r"[a-z]{2,3}(?:[_-][A-Z][A-Za-z]{1,3})?")
_TAG = re.compile(r"([a-z]{2,3})(?:[_-][A-Za-z]{4})?(?:[_-]([A-Za-z]{2}|[0-9]{3}))?")
_RUN = re.compile(r"[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)+")
_WORDS = range(1, 4)  # of a code: language, script, region


@lru_cache(maxsize=4096)
def names_language(part: str) -> bool:
    """Return whether a part of a name is a code; a small-letter region counts where the language is spoken there.

    Example:
        >>> [names_language(part) for part in ("so", "som_Latn", "pt_br", "sr-latn", "dev_de", "txt")]
        [True, True, True, True, False, False]
    """
    tag = _TAG.fullmatch(part)
    if tag is None or part in _NO_LANGUAGES or code_of(part) is None:
        return False
    if _PLAIN.fullmatch(part) or tag[2] is None:
        return True
    spoken = Language.get(tag[1]).prefer_macrolanguage().update_dict({"territory": tag[2].upper()})
    return spoken.speaking_population() > 0 or (tag[2].isdecimal() and Language.make(territory=tag[2]).is_valid())


def pair_in_name(name: str) -> tuple[str, bool] | None:
    """Return foreign language and whether English comes first, where a name states a pair with English.

    Example:
        >>> pair_in_name("en-pt_br.txt"), pair_in_name("mar-eng.tsv"), pair_in_name("x.en-zh_tw.tsv")
        (('pt', True), ('mr', False), ('zh-Hant', True))
    """
    for run in _RUN.finditer(name):
        tokens = re.split("([_-])", run[0])  # words at even places, separators at odd ones
        for start in range(0, len(tokens), 2):
            if pairs := list(_pairs(tokens, start)):
                *_, foreign, english_first = max(pairs)
                return foreign, english_first
    return None


def _pairs(tokens: list[str], start: int) -> Iterator[tuple[bool, bool, int, str, bool]]:
    """Yield the pairs with English that begin at a word, each after what makes it likely.

    That is: codes hold together by another separator than pairs, as in en-pt_br; English has no region, so that en-pt-br is
    Brazilian Portuguese and not Breton; nothing is left over.
    """
    for first_words in _WORDS:
        middle = start + 2 * first_words - 1
        first = "".join(tokens[start:middle])
        if middle >= len(tokens) or not names_language(first):
            continue
        for second_words in _WORDS:
            end = middle + 2 * second_words
            second = "".join(tokens[middle + 1 : end])
            if end > len(tokens) or not names_language(second):
                continue
            codes = canonical_language(first), canonical_language(second)
            if (codes[0] == "en") == (codes[1] == "en"):
                continue
            inner = {*tokens[start + 1 : middle : 2], *tokens[middle + 2 : end : 2]}
            english_first = codes[0] == "en"
            plain = (first_words if english_first else second_words) == 1
            foreign = codes[1] if english_first else codes[0]
            yield bool(inner) and tokens[middle] not in inner, plain, first_words + second_words, foreign, english_first


def language_in_name(parts: list[str]) -> str | None:
    """Return the language that a name of records states: by a pair, or by its last dotted part that is a code."""
    if pair := pair_in_name(".".join(parts)):
        return pair[0]
    codes = [canonical_language(part) for part in parts[1:-1] if names_language(part)]
    return codes[-1] if codes and codes[-1] != "en" else None
