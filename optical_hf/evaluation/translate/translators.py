"""The translator that a user names: a function, a model, a dictionary, or one of these a language."""

import re
from collections.abc import Mapping
from pathlib import Path

from optical_hf.evaluation.translate.dictionary import read_dictionary
from optical_hf.files import expand_name
from optical_hf.languages import by_canonical_language
from optical_hf.models.translation.seq2seq import Translator, load_translator

Translators = Mapping[str, str | Path | Translator]
"""A translator a language: a model by its name, a dictionary by its file (.tsv), or a function."""


def translator_of(
    stated: "Translator | str | Path | Translators", *, language: str | None = None, progress: bool = True
) -> Translator:
    """A translator from what the user gave: a function, a model's name, or for each language one of these or a dictionary's file.

    Args:
        stated: what the user gave.
        language: what a dictionary reads.
        progress: show a progress bar.

    Raises:
        ValueError: as `load_translator` and `read_dictionary`; for a dictionary whose language is not said; when called,
            for a language that the mapping does not name.
    """
    if isinstance(stated, Mapping):
        given = by_canonical_language(stated).items()
        named = {code: translator_of(one, language=code, progress=progress) for code, one in given}

        def translate(texts: list[str], language: str) -> list[str]:
            if language not in named:
                raise ValueError(f"no translator for {language}: there is one for {', '.join(named)}")
            return named[language](texts, language)

        return translate
    if not isinstance(stated, str | Path):
        return stated
    if not re.search(r"\.tsv(\.gz|\.zst)?$", expand_name(stated)):
        return load_translator(stated, progress=progress)
    if language is None:
        raise ValueError(f"{stated} is a dictionary of one language: say which, translator={{'so': {str(stated)!r}}}")
    return read_dictionary(stated, language)
