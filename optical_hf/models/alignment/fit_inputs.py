"""What an alignment can be fitted on, checked before any model runs."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from datasets import Dataset, IterableDataset

from optical_hf.models.alignment.alignment_settings import AlignmentSettings
from optical_hf.models.teachers.teacher import Teacher
from optical_hf.tables import check_table

Bitext: TypeAlias = Dataset | IterableDataset | Iterable[Mapping[str, Any]]


def check_inputs(
    bitext: Bitext | None,
    documents: Any,
    query_texts: Any,
    relevance_pairs: Any,
    settings: AlignmentSettings,
    by_maxsim: bool,
) -> None:
    """Refuse what cannot be fitted on: nothing at all, plans without bitext, relay plans without English, documents for plans.

    Args:
        bitext: or None.
        documents: or None.
        query_texts: or None.
        relevance_pairs: or None.
        settings: with the start decided.
        by_maxsim: whether MaxSim is fitted.

    Raises:
        ValueError: saying what to pass.
    """
    by_tokens = settings.planned or by_maxsim
    unread = by_tokens and (query_texts is not None or settings.document_sentences)
    if unread or (relevance_pairs is not None and (by_tokens or settings.method != "contrastive")):
        raise ValueError(
            "query_texts, document_sentences and relevance_pairs are for students of one vector and fits without plans, the last "
            "for method='contrastive' alone: leave them out, or take method='contrastive' with start='ridge'"
        )
    if by_maxsim and settings.hard_negatives:
        raise ValueError(
            "hard_negatives are near the one vector of a text, and this student is searched by its tokens: leave them out"
        )
    if bitext is None and documents is None:
        raise ValueError("there is nothing to fit on: pass bitext, documents, or both")
    if bitext is None and settings.planned:
        raise ValueError(
            "transport plans need bitext: pass some, or take method='ridge' or 'contrastive' with start='ridge'"
        )
    if settings.relay and not settings.also_english:
        raise ValueError("relay plans go over the English side as the student reads it: leave also_english=True")
    if documents is not None and settings.method == "transport":
        raise ValueError("documents are not for method='transport': take 'ridge' or 'contrastive'")
    if bitext is not None:
        check_table(bitext, ["source", "target"])


def checked_teacher(teacher: Teacher, bitext: Bitext | None, settings: AlignmentSettings, by_maxsim: bool) -> Teacher:
    """The teacher, if it can give what the fit needs.

    Raises:
        ValueError: plans or MaxSim where it has one vector a text and no tokens, or English sides that it has no vectors for.
    """
    if not teacher.has_tokens and (settings.planned or by_maxsim):
        start = f"start={settings.start!r}" if settings.planned else "MaxSim"
        asked = "method='transport'" if settings.method == "transport" else start
        raise ValueError(
            f"{asked} moves tokens onto the teacher's tokens, and the teacher is vectors alone, one a text: a plan onto one vector "
            "says nothing; take method='contrastive' or 'ridge' and a student of one vector"
        )
    if isinstance(bitext, Dataset):
        teacher.check_texts(bitext["source"][:])
    return teacher
