"""Language codes, names, scripts and resource classes: one canonical form inside the package, whatever the data call it.

Codes are read and named by `langcodes` (BCP 47, ISO 639-1/2/3, CLDR); the
resource classes are the six of Joshi, Santy, Budhiraja, Bali and Choudhury 2020, "The State and Fate of Linguistic
Diversity and Inclusion in the NLP World" (ACL, arXiv:2004.09095). Their list names languages in words; the codes are
by the mapping of MaLA-LM/LangResourceAtlas, in our canonical form; entries of class 1 that are no code of their
own are left out (simple English, Belarusian in the Taraskievica spelling, Tarantino, Banyumasan, Serbo-Croatian) or
fall together (Twi and Akan).
"""

import difflib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, TypeVar

from langcodes import Language, LanguageTagError
from langcodes import find as find_language_by_name
from langcodes.data_dicts import LIKELY_SUBTAGS

T = TypeVar("T")

_JOSHI_2020 = {
    5: "ar de en es fr ja zh",
    4: "ca cs eu fa fi hi hr hu it ko nl pl pt ru sr sv tr vi",
    3: "af arz be bg bn bs ceb da el et gl he id ka kk la lt lv ms ro sk sl ta th tl uk ur uz",
    2: "am ga ha ht is kok lah lo mr mt pa sa sw ti tn wo xh yo zu",
    1: """
        ab ace ady ak an ang arc as ast atj av ay az azb ba bar bho bi bik bjn bm bo bpy br bug cbk cdo ce ch
        chm chr chy ckb co cr crh csb cu cv cy din dsb dty dv dz ee egl eo ext ff fj fo frp frr fur fy gag gan
        gd glk gn gor got gsw gu gv hak haw hif hsb hy ia ie ig ik ilo inh io iu jam jbo jv kaa kab kbd kbp kg
        ki kl km kn koi krc ks ksh ku kv kw ky lad lb lbe lez lg li lij lmo ln lrc ltg lzh mai mdf mg mi min mk
        ml mn mrj mwl my myv na nah nan nap nb ne new nn nrf nso nv ny oc olo om or os pag pam pap pcd pi pih
        pms pnt ps qu rm rn rom rue rup rw sah sat sc scn sco sd se sg sgs si sm sn so sq srn ss st stq su szl
        tcy te tet tg tk to tpi ts tt tum ty tyv udm ug ve vec vep vls vo vro wa war wuu xal xmf yi yue za zea
        zza
    """,
}
# Made from the table once, below: canonical code -> class. A language that none of the lines names is in class 0.


class LanguageInfo(NamedTuple):
    """What is known of a language: canonical code, English name, ISO 15924 script, class (0 to 5) of Joshi et al. 2020."""

    code: str
    name: str
    script: str | None
    resource_class: int


@lru_cache(maxsize=4096)
def canonical_language(code: str) -> str:
    """Return the one form in which this package writes a language: the shortest BCP 47 tag, macro-languages preferred.

    A script stays only where it is not the usual one of the language; a region only counts where it decides the script
    (`zh-TW` is `zh-Hant`), so `pt-BR` and `pt-PT` are both `pt`. Tagalog and Filipino are one language, `tl`, because
    the field's data sets call their Filipino text `tl` or `tgl`.

    Args:
        code: ISO 639-1, 639-2 (either variant) or 639-3, BCP 47, as in FLORES (`som_Latn`) or as in mBART (`en_XX`).

    Returns:
        The canonical code.

    Raises:
        ValueError: the code names no language; the message suggests what may have been meant.

    Example:
        >>> [canonical_language(code) for code in ("swh", "swa", "mar", "som_Latn", "fil", "zho_Hant", "ger", "en_US")]
        ['sw', 'sw', 'mr', 'so', 'tl', 'zh-Hant', 'de', 'en']
    """
    language = _parse(code)
    base = language.language or ""
    usual = _usual_script(Language.make(language=base))
    base = "tl" if base == "fil" else base
    script = language.script or (_usual_script(language) if language.territory else None) or usual
    return base if usual is None or script == usual else f"{base}-{script}"


def by_canonical_language(named: Mapping[str, T]) -> dict[str, T]:
    """The same values under the canonical codes of their languages.

    Args:
        named: language, by any code that `canonical_language` takes, -> value.

    Raises:
        ValueError: an unknown code, or two codes of one language.

    Example:
        >>> by_canonical_language({"som": 5101, "de": 29000})
        {'so': 5101, 'de': 29000}
    """
    found: dict[str, T] = {}
    for code, value in named.items():
        canonical = canonical_language(code)
        if canonical in found:
            raise ValueError(
                f"{', '.join(map(repr, named))} name the language {canonical!r} twice: one value would hide the other; keep one"
            )
        found[canonical] = value
    return found


def language_info(code: str) -> LanguageInfo:
    """Return name, script and resource class of a language.

    Args:
        code: any code that `canonical_language` reads.

    Returns:
        A `LanguageInfo`. The script is None where CLDR does not know it. A language that the list of Joshi et al. 2020
        does not name in classes 1 to 5 is in class 0.

    Raises:
        ValueError: an unknown code.

    Example:
        >>> language_info("som")
        LanguageInfo(code='so', name='Somali', script='Latn', resource_class=1)
    """
    canonical = canonical_language(code)
    language = Language.get(canonical)
    resource_class = _joshi_classes().get(canonical.split("-")[0], 0)
    name = "Tagalog" if canonical == "tl" else language.display_name()
    return LanguageInfo(canonical, name, _usual_script(language), resource_class)


def _parse(code: str) -> Language:
    """Read a code as a valid, named language, or raise the error with the suggestion."""
    text = code.strip().replace("_", "-")
    try:
        language = Language.get("-".join(text.split("-")[:3]))  # FLORES+ variants (cat_Latn_vale) are not BCP 47
    except LanguageTagError:
        try:
            language = Language.get("-".join(text.split("-")[:2]))
        except LanguageTagError:
            raise _unknown(code) from None
    language = Language.make(language=language.language, script=language.script, territory=language.territory)
    language = language.prefer_macrolanguage()
    named = Language.make(language=language.language, script=language.script)
    if not named.is_valid() or re.fullmatch("|mul|zxx|mis|und|q[a-t][a-z]|x-.*", language.language or ""):
        raise _unknown(code)  # the pattern: codes for several, no, an uncoded, an unknown and a private language
    return language


def _unknown(code: str) -> ValueError:
    """Say what may have been meant: a language by its name, a country's code, or a code that looks alike."""
    text = code.strip()
    guesses: list[str] = []
    try:
        if not text.isprintable():  # the trie of names breaks on control characters
            raise LookupError
        guesses.append(canonical_language(find_language_by_name(text).to_tag()))
    except (LookupError, ValueError):
        if f"und-{text.upper()}" in LIKELY_SUBTAGS:  # the code of a country
            guesses.append(str(Language.make(territory=text.upper()).maximize().language))
        else:
            guesses = [
                _look_alikes()[word] for word in difflib.get_close_matches(text.lower(), _look_alikes(), cutoff=0.5)
            ]
    meant = " or ".join(f"{guess!r} ({language_info(guess).name})" for guess in dict.fromkeys(guesses))
    return ValueError(
        f"unknown language code {code!r}: "
        + (f"did you mean {meant}?" if meant else "expected ISO 639 or BCP 47, for example 'so', 'som' or 'som_Latn'")
    )


@lru_cache(maxsize=1)
def _look_alikes() -> dict[str, str]:
    """Two- and three-letter codes of the languages above class 0, each with its canonical code."""
    codes = sorted(_joshi_classes())
    return {code: code for code in codes} | {Language.get(code).to_alpha3(): code for code in codes}


def _usual_script(language: Language) -> str | None:
    """Return the script that CLDR expects for a tag, or None where it knows nothing of the language."""
    if language.script:
        return str(language.script)
    if language.language not in LIKELY_SUBTAGS:
        return None
    return str(language.maximize().script)


@lru_cache(maxsize=1)
def _joshi_classes() -> dict[str, int]:
    return {code: level for level, codes in _JOSHI_2020.items() for code in codes.split()}
