"""The languages of a student: those that it was fitted on, which are kept with it, and those of its backbone's pretraining.

Here a language is its code without a script: what counts is whether a text in it was ever read.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from datasets import Dataset
from huggingface_hub import metadata_load

from optical_hf.files import write_text
from optical_hf.languages import canonical_language
from optical_hf.models.tokens import Encoder

ENGLISH = "en"
SETTINGS = "config_sentence_transformers.json"
KEY = "languages"
_CC_100 = """
    af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he hi hr hu hy id is it ja jv ka kk km
    kn ko ku ky la lo lt lv mg mk ml mn mr ms my ne nl no om or pa pl ps pt ro ru sa sd si sk sl so sq sr su sv sw ta te th tl tr ug
    uk ur uz vi xh yi zh
"""
CC_100 = frozenset(_CC_100.split())
"""The languages of CC-100, on which XLM-R was pretrained (Conneau et al. 2020, arXiv:1911.02116, appendix A)."""

XLM_R_PIECES = ("<s>", "<pad>", "</s>", "<unk>", ",", ".", "▁", "s")
"""With which the vocabulary of XLM-R begins, in whatever class it is loaded; E5, BGE-M3 and others took it over."""


def base_language(code: str) -> str:
    """The canonical code of a language without its script.

    Example:
        >>> base_language("zho_Hant"), base_language("swh")
        ('zh', 'sw')
    """
    return canonical_language(code).split("-")[0]


def record_languages(model: Encoder, bitext: Any) -> None:
    """Keep with a student the languages of the bitext that it was fitted or trained on; it is saved with them.

    Args:
        model: the student.
        bitext: a `Dataset` with a column `language`; of anything else nothing is known.
    """
    if isinstance(bitext, Dataset) and "language" in bitext.column_names:
        keep_languages(model, bitext.unique("language"))


def keep_languages(model: Encoder, codes: Iterable[str | None]) -> None:
    """Add languages to those that are kept with a student; what is no code of a language is passed over."""
    kept = recorded_languages(model)
    for code in codes:
        with suppress(ValueError):
            kept |= {base_language(code)} if code else set()
    if kept:
        model.model_card_data.language = [ENGLISH, *sorted(kept - {ENGLISH})]


def recorded_languages(model: Encoder) -> set[str]:
    """The languages that a student was fitted, trained or measured on, as far as its folder or its card says."""
    return set(model.model_card_data.language or [])


def languages_seen(model: Encoder) -> frozenset[str] | None:
    """The languages of the backbone's pretraining; None where its tokenizer does not say which those are."""
    first = model.tokenizer.convert_ids_to_tokens(list(range(len(XLM_R_PIECES))))
    return CC_100 if first == list(XLM_R_PIECES) else None


def write_languages(model: Encoder, folder: Path) -> None:
    """Put the languages of a student into the settings of a folder that it was saved in."""
    place = folder / SETTINGS
    if (kept := recorded_languages(model)) and place.exists():
        settings = json.loads(place.read_text(encoding="utf-8"))
        write_text(place, json.dumps({**settings, KEY: sorted(kept)}, indent=2, sort_keys=True))


def read_languages(model: Encoder, settings: dict[str, Any], card: Path) -> None:
    """Keep with a loaded student what its settings and its card say of its languages.

    Args:
        model: the student.
        settings: what SETTINGS holds.
        card: its README.md, which `optical-hf card` writes with the languages that were measured.
    """
    with suppress(ValueError):  # a card that somebody wrote by hand
        stated = (metadata_load(card) or {}).get("language") if card.is_file() else None
        keep_languages(model, [stated] if isinstance(stated, str) else stated or [])
    keep_languages(model, settings.get(KEY) or [])
