"""Translators from English into several languages: one model for all of them, or one a language.

Every direction is checked before anything is translated, as a wrong one would show hours later or never.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from optical_hf.languages import by_canonical_language, canonical_language
from optical_hf.models.translation.seq2seq import Seq2SeqTranslator, load_translator

ENGLISH = "en"


def load_translators(
    models: str | Path | Mapping[str, str | Path], languages: Sequence[str], **settings: Any
) -> dict[str, Seq2SeqTranslator]:
    """Load the translators from English into some languages.

    Args:
        models: one multilingual model, a hub id or a folder; or one for each language.
        languages: codes of the languages to write.
        **settings: as `load_translator` takes them, such as `batch_size`.

    Returns:
        A translator for each canonical code. Those of one model share it.

    Raises:
        ValueError: no language, an unknown one, or English; a language without a model, or a model without a language; a
            model that is not read, does not read English or does not write the language.

    Example:
        >>> load_translators("facebook/nllb-200-distilled-600M", ["so", "sw"])  # doctest: +SKIP
    """
    targets = wanted_languages(languages)
    named = by_canonical_language(models) if isinstance(models, Mapping) else dict.fromkeys(targets, models)
    if missing := [code for code in targets if code not in named]:
        raise ValueError(
            f"no model writes {', '.join(missing)}: there is one for {', '.join(named)}; name one a language, or one "
            "multilingual model for all"
        )
    if unused := [code for code in named if code not in targets]:
        raise ValueError(
            f"there is a model for {', '.join(unused)}, and the languages to write are {', '.join(targets)}: name it among "
            "them, or leave its model out"
        )
    loaded = {name: load_translator(name, **settings) for name in dict.fromkeys(str(named[code]) for code in targets)}
    translators = {code: replace(loaded[str(named[code])], target=code) for code in targets}
    for translator in translators.values():
        translator.check(ENGLISH)
    return translators


def wanted_languages(languages: Sequence[str]) -> list[str]:
    """The canonical codes of languages that English is to be translated into.

    Raises:
        ValueError: none, an unknown one, or English.

    Example:
        >>> wanted_languages(["som", "sw", "so"])
        ['so', 'sw']
    """
    targets = list(dict.fromkeys(map(canonical_language, languages)))
    if not targets or ENGLISH in targets:
        raise ValueError(f"the languages to write are {targets}: expected one or more besides English, such as so, sw")
    return targets
