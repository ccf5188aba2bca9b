"""`advise`: whether to keep an English index or to re-index, from a sample, before any work.

The map is fitted on a part of the sample. Held-out queries then search the index through it, and an index of the untrained
checkpoint's own. Recovery compares the two.

Shapes: N documents, K teacher width, Q queries.
"""

import time
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray

from optical_hf.evaluation.advice.advice_report import Advice
from optical_hf.evaluation.advice.advice_rule import AdviceRule
from optical_hf.evaluation.advice.advice_sample import ENGLISH, AdviceSample, draw_sample, searched_texts
from optical_hf.evaluation.advice.reading_speed import AdviceCosts, seconds_a_text
from optical_hf.evaluation.advice.sample_vectors import index_vectors, read_index
from optical_hf.evaluation.own_index import own_index_encoder, reading_with, readings
from optical_hf.evaluation.report.language_scores import Bootstrap, choose_resource_groups
from optical_hf.evaluation.report.retrieval_report import RetrievalReport
from optical_hf.evaluation.retrieval import evaluate_retrieval
from optical_hf.metrics.paired_level import PairedLevel, paired_level
from optical_hf.metrics.ranking import recall_at_k
from optical_hf.metrics.resource_groups import ResourceGroups
from optical_hf.models.alignment.fit_alignment import fit_alignment
from optical_hf.models.alignment.index_documents import MAX_DOCUMENTS, Documents, sample_documents
from optical_hf.models.teacher_space import embedding_width
from optical_hf.models.teachers.vector_teacher import VectorTeacher
from optical_hf.models.text_length import text_length
from optical_hf.models.tokens import Encoder
from optical_hf.models.views import kind_of, token_projection
from optical_hf.models.weights import check_full_precision
from optical_hf.settings_checks import check_counts
from optical_hf.stores.documents.vector_columns import column_of

FEW_ROUNDS = 100
"""Of the report's own intervals, which are not used."""
JUDGED = {"low": "low-resource languages", "all": "all languages", ENGLISH: "English queries, read from documents,"}
NO_BITEXT = (
    "without bitext English alone was judged, by first sentences of documents. Nothing is known about other languages; give "
    "--bitext, a few hundred pairs of each"
)


def advise(
    student: Encoder,
    teacher: Encoder | VectorTeacher,
    documents: Documents,
    bitext: Dataset | None = None,
    *,
    untrained: Encoder | str | Path | None = None,
    index_size: int | None = None,
    max_documents: int = 2000,
    pairs: int = 500,
    held_out: int = 200,
    steps: int = 600,
    rule: AdviceRule | None = None,
    high: Collection[str] | None = None,
    low: Collection[str] | None = None,
    max_seq_length: int | None = None,
    batch_size: int = 64,
    seed: int = 0,
    progress: bool = True,
) -> Advice:
    """Predict, from a sample, what share of re-indexing's R@1 the index you have can reach, what both cost, and which to take.

    Held-out pairs are the foreign queries: each is to find its English side among all sampled texts. Without bitext nothing is
    known about other languages, and English alone is judged: first sentences of held-out documents are to find their documents.

    Args:
        student: from `load_student`, of one vector. Its projection is fitted and put back as it was.
        teacher: that made the index; or vectors of it, from `load_vectors`.
        documents: of the index: from `load_documents`, with their vectors or without, or a list of texts.
        bitext: with a column `language`, from `load_bitext`; at least 30 pairs of each language.
        untrained: the checkpoint that the student was made from, where the student does not say it.
        index_size: documents of the whole index; None counts `documents`.
        max_documents: documents of the sample.
        pairs: of each language to fit on, at most.
        held_out: queries of each language, at most; and English queries from as many documents.
        steps: gradient steps of the map.
        rule: that gives the verdict.
        high: languages of the high-resource group. None takes classes 4 and 5 of Joshi et al. 2020.
        low: languages of the low-resource group, whose recovery the verdict is about. None takes classes 0 to 2.
        max_seq_length: tokens kept of a text by every model; None keeps each model's own limit.
        batch_size: texts in one forward pass.
        seed: of the sample, the fit and the intervals.
        progress: show progress bars.

    Returns:
        An `Advice`: `print()` shows it, `to_json(path)` keeps it.

    Raises:
        ValueError: fewer than 50 documents; a language without enough pairs, or rows without a language; a late-interaction
            model; a student in half precision, without a projection, or whose checkpoint nobody knows; vectors that the teacher
            did not make.

    Example:
        >>> teacher = load_teacher("sentence-transformers/all-MiniLM-L6-v2")                       # doctest: +SKIP
        >>> student = load_student("intfloat/multilingual-e5-small", teacher)                      # doctest: +SKIP
        >>> advise(student, teacher, load_documents("index.parquet"), load_bitext("mar-eng.tsv.gz")).print()  # doctest: +SKIP
    """
    begun, rule = time.perf_counter(), rule or AdviceRule()
    check_counts(max_documents=max_documents, batch_size=batch_size, index_size=1 if index_size is None else index_size)
    _check_models(student, teacher)
    own = own_index_encoder(untrained, student, str(student.device))
    width = teacher.width if isinstance(teacher, VectorTeacher) else embedding_width(teacher)
    sample = draw_sample(sample_documents(documents, max_documents, seed, width), bitext, pairs, held_out, seed)
    resource_groups = _resource_groups(sample, high, low)
    with ExitStack() as limits:
        for model in (student, teacher, own):
            if not isinstance(model, VectorTeacher):
                limits.enter_context(text_length(model, max_seq_length))
        report, fit_seconds = _measure(student, teacher, own, sample, steps, batch_size, seed, progress)
        costs = _costs(
            student, teacher, own, sample, batch_size, fit_seconds=fit_seconds,
            documents=len(documents) if index_size is None else index_size, pairs=0 if bitext is None else len(bitext),
        )  # fmt: skip
    recovery = _recovery(report, resource_groups, Bootstrap(seed=seed))
    judged = next(name for name in ("low", "all", ENGLISH) if name in recovery)
    return Advice(
        decision=rule.decide(recovery[judged].ratio, JUDGED[judged], costs.reindexing_seconds),
        judged=judged,
        recovery=recovery,
        resource_groups=resource_groups,
        costs=costs,
        sample={
            "documents": len(sample.documents),
            "fitted_documents": sample.fitted_documents,
            "fitted_pairs": 0 if sample.fitted_pairs is None else len(sample.fitted_pairs),
            "searched": sum(report.documents.values()),
        },
        own_index=report.settings["own_index"],
        rule=rule,
        notes=[NO_BITEXT] if bitext is None else [],
        seconds=time.perf_counter() - begun,
    )


def _check_models(student: Encoder, teacher: Encoder | VectorTeacher) -> None:
    """Raise ValueError for models that a map of one vector cannot be fitted for."""
    late = [kind_of(model) for model in (student, teacher) if not isinstance(model, VectorTeacher)]
    if "late_interaction" in late:
        raise ValueError(
            "advise compares students and teachers of one vector a text, and one of these is late-interaction"
        )
    check_full_precision(student)
    if token_projection(student) is None:
        raise ValueError("the student has no token projection to fit: load it with load_student(path, teacher)")


def _resource_groups(
    sample: AdviceSample, high: Collection[str] | None, low: Collection[str] | None
) -> ResourceGroups | None:
    """The groups of the foreign languages, None where there are not both."""
    spoken = sample.foreign.languages
    return choose_resource_groups(spoken, sample.foreign.answers, high, low)[0] if spoken else None


def _measure(
    student: Encoder,
    teacher: Encoder | VectorTeacher,
    own: Encoder,
    sample: AdviceSample,
    steps: int,
    batch_size: int,
    seed: int,
    progress: bool,
) -> tuple[RetrievalReport, float]:
    """What the fitted student and re-indexing retrieve, and the seconds of the fit; the projection is then as it was."""
    collection, texts = searched_texts(sample), sample.documents["text"][:]
    index_NK = index_vectors(sample.documents, teacher, batch_size, progress)
    fitted = Dataset.from_dict({"text": texts[: sample.fitted_documents]})
    fitted = fitted.add_column("vector", column_of(index_NK[: sample.fitted_documents].numpy()))
    if others := collection.documents["text"][len(texts) :]:
        index_NK = torch.cat([index_NK, read_index(teacher, others, batch_size, progress)])
    projection = token_projection(student)
    assert projection is not None
    before = {name: weight.clone() for name, weight in projection.state_dict().items()}
    try:
        fit = fit_alignment(
            student, teacher, sample.fitted_pairs, documents=fitted, method="contrastive", steps=steps,
            batch_size=batch_size, seed=seed, progress=progress,
        )  # fmt: skip
        report = evaluate_retrieval(
            student, teacher, collection, systems=["student", "own_index"], untrained=own, rounds=FEW_ROUNDS, sharded=False,
            document_vectors={collection.name: index_NK}, batch_size=batch_size, progress=progress,
        )  # fmt: skip
    finally:
        projection.load_state_dict(before)
    return report, fit.seconds


def _costs(
    student: Encoder,
    teacher: Encoder | VectorTeacher,
    own: Encoder,
    sample: AdviceSample,
    batch_size: int,
    *,
    fit_seconds: float,
    documents: int,
    pairs: int,
) -> AdviceCosts:
    """Seconds of the bridge and of re-indexing: of the fit on the sample, and of what is not read yet by the speed of reading."""
    texts, fitted = sample.documents["text"][:], sample.fitted_pairs
    with reading_with(own, readings(own, student)[0]):
        a_document = on_fit = seconds_a_text(own, texts, "document", batch_size)  # a student of fewer layers is faster
    if "vector" not in sample.documents.column_names:
        on_fit += seconds_a_text(teacher, texts, "document", batch_size)
    on_pair = 0.0
    if fitted is not None:
        foreign, english = fitted["target"][:], fitted["source"][:]
        both = [text for pair in zip(foreign, english, strict=True) for text in pair]
        on_pair = 2 * seconds_a_text(student, both, "query", batch_size)
        on_pair += seconds_a_text(teacher, english, "query", batch_size)
    read = min(documents, MAX_DOCUMENTS)
    left = (read - sample.fitted_documents) * on_fit + (pairs - len(fitted or ())) * on_pair
    return AdviceCosts(
        documents=documents,
        documents_per_second=1 / a_document,
        reindexing_seconds=documents * a_document,
        bridge_seconds=fit_seconds + max(left, 0.0),
        bridge_documents=read,
        bridge_pairs=pairs,
        fit_seconds=fit_seconds,
        device=str(student.device),
    )


def _recovery(
    report: RetrievalReport, resource_groups: ResourceGroups | None, bootstrap: Bootstrap
) -> dict[str, PairedLevel]:
    """R@1 of the student beside re-indexing by language, for the means of the groups and of all, and for English."""
    languages_Q, groups_Q = np.array(report.queries.languages), np.array(report.queries.groups)
    hits, own_hits = (recall_at_k(report.systems[name].ranks, 1) for name in ("student", "own_index"))
    foreign = [code for code in report.languages if code != ENGLISH]
    sets = {code: [code] for code in foreign}
    sets |= {"high": list(resource_groups.high), "low": list(resource_groups.low)} if resource_groups else {}
    sets |= {"all": foreign} if foreign else {}
    sets |= {ENGLISH: [ENGLISH]} if ENGLISH in report.languages else {}

    def level(codes: list[str]) -> PairedLevel:
        mine_Q: NDArray[np.bool_] = np.isin(languages_Q, codes)
        return paired_level(hits[mine_Q], own_hits[mine_Q], languages_Q[mine_Q], groups_Q[mine_Q], **asdict(bootstrap))

    return {name: level(codes) for name, codes in sets.items()}
