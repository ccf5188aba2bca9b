"""What a model card says of languages: trained on, measured on, read in the pretraining of the backbone; and of all others."""

from collections.abc import Iterable, Sequence

from optical_hf.languages import language_info
from optical_hf.models import Encoder
from optical_hf.models.known_languages import ENGLISH, base_language, languages_seen, recorded_languages


def language_facts(student: Encoder, trained: Sequence[str], measured: Sequence[str]) -> dict[str, str]:
    """What is known of the student's languages, by heading.

    Args:
        student: its folder names the languages that it was fitted on, its tokenizer those of the backbone's pretraining.
        trained: languages of the bitext; where none are given, those that the student was saved with are named.
        measured: languages of the report.
    """
    recorded, seen = recorded_languages(student), languages_seen(student)
    known = {base_language(code) for code in (*trained, *measured)} | recorded
    facts = {}
    if trained:
        facts["Trained on"] = _named(trained)
    elif recorded - {ENGLISH}:
        facts["Trained or measured on, as its folder says"] = _named(recorded - {ENGLISH})
    facts["Measured on"] = _named(measured) if measured else "nothing yet"
    if seen is not None:
        never = _named(known - seen)
        facts["Pretraining of the backbone"] = f"{len(seen)} languages (CC-100)" + (
            f", but not {never}" if never else ""
        )
    facts["Any other language"] = "measure it before you rely on it" + (
        "" if seen is None else "; what a language without pretraining finds may be chance"
    )
    return facts


def _named(codes: Iterable[str]) -> str:
    return ", ".join(f"{language_info(code).name} ({code})" for code in sorted(codes))
