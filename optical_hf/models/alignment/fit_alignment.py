"""Alignment of a frozen backbone: put a student's tokens, or its one vector, where the teacher's are.

"ridge" and "transport" are closed forms; "contrastive" goes on from either with gradient steps of the map (`contrastive_map.py`).

The objective is that of OPTICAL (Huang, Yu, Allan, WSDM 2023, arXiv:2301.12566): the transport cost between the token sets of
translated pairs. Here the student's backbone is frozen and its projection linear. Two steps alternate: (1) plans under the
current projection, (2) weighted ridge regression of student tokens on the barycentres of the teacher tokens under the plans.
The start is ridge regression of pooled vectors (Mikolov, Le, Sutskever 2013, arXiv:1309.4168, on sentences), whose normal
equations stay in the sum. The student reads the English sides too, as one more language.

Shapes: B pairs, N student tokens, M teacher tokens, D student width, K teacher width.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor

from optical_hf.models.alignment.alignment_report import AlignmentReport
from optical_hf.models.alignment.alignment_settings import AlignmentSettings
from optical_hf.models.alignment.chosen_documents import ChosenDocuments
from optical_hf.models.alignment.contrastive_map import fit_contrastive
from optical_hf.models.alignment.contrastive_rows import contrastive_rows, few_passes
from optical_hf.models.alignment.contrastive_tokens import fit_contrastive_tokens
from optical_hf.models.alignment.english_texts import EnglishTexts
from optical_hf.models.alignment.first_pass import FirstPass, read_pooled, read_tokens
from optical_hf.models.alignment.fit_inputs import Bitext, check_inputs, checked_teacher
from optical_hf.models.alignment.hard_negatives import OF_A_LARGE_INDEX
from optical_hf.models.alignment.held_out import held_out_score, split_held_out
from optical_hf.models.alignment.index_documents import TEXT, Documents, DocumentVectors
from optical_hf.models.alignment.kept_tokens import kept_tokens
from optical_hf.models.alignment.map_descent import ContrastiveMap, ContrastiveSettings
from optical_hf.models.alignment.pair_tokens import PairTokenReader
from optical_hf.models.alignment.pooled_texts import PooledTexts
from optical_hf.models.alignment.projection_fit import assign_projection, checked_projection, fit_closed_form
from optical_hf.models.alignment.token_rows import DocumentTokens, PackedPairs, token_rows
from optical_hf.models.known_languages import record_languages
from optical_hf.models.teachers.teacher import EncoderTeacher, Teacher, as_teacher
from optical_hf.models.tokens import Encoder
from optical_hf.models.views import as_backbone, kind_of


def fit_alignment(
    student: Encoder,
    teacher: Encoder | Teacher,
    bitext: Bitext | None = None,
    *,
    documents: Documents | ChosenDocuments | None = None,
    query_texts: Documents | None = None,
    relevance_pairs: Dataset | None = None,
    student_tokens: Teacher | None = None,
    settings: AlignmentSettings | None = None,
    **fields: Any,
) -> AlignmentReport:
    """Fit the student's token projection in place; its backbone stays as it is.

    Args:
        student: from `load_student`; its `token_projection` gets new weights, nothing else moves.
        teacher: the frozen teacher, of the width the projection gives; or a token cache of one, or its vectors
            (`load_vectors`); the last two without `held_out`.
        bitext: rows with `source` (English), `target` and maybe `language`: from `load_bitext`, or anything that can be iterated
            again ("transport" reads it once a round where its tokens exceed `memory_budget`). None needs `documents`.
        documents: English texts of the index: a list, or a `Dataset` with a column `text` and maybe `vector` (from
            `load_documents`). The student learns to read each where its vector in the index is; without a column `vector` the
            teacher reads the texts as documents. Not for "transport". A `ChosenDocuments` is taken as it is.
        query_texts: English queries, such as a query log: a list, or a `Dataset` with a column `text`. Both models read them as
            queries, and the student learns to put each where the teacher does. Beside bitext or documents, for students of one
            vector, not for "transport".
        relevance_pairs: English queries and documents that answer them: a `Dataset` with columns `query` and `document`, and maybe
            `vector`, the document's in the index; without it the teacher reads the document. The student's vector of the query is
            to retrieve that of the document. Beside bitext or documents, for "contrastive" and students of one vector.
        student_tokens: a cache of the student's frozen backbone, `TeacherCache.build(as_backbone(student), texts, folder)`,
            read in place of the backbone; it must hold every `target`, and every `source` with `also_english`.
        settings: how to fit; None takes the defaults of `AlignmentSettings`.
        **fields: fields of `AlignmentSettings` by name, in place of those of `settings`.

    Returns:
        An `AlignmentReport`.

    Raises:
        ValueError: for a setting that is unknown, out of its range or does not fit what is given, such as documents with
            "transport". For a student without a projection of the teacher's width, or in half precision. For no pairs and no
            documents. For vectors that are not finite: the projection is then as it was.

    Example:
        >>> from optical_hf import fit_alignment, load_bitext, load_student, load_teacher          # doctest: +SKIP
        >>> teacher = load_teacher("sentence-transformers/all-MiniLM-L6-v2")                       # doctest: +SKIP
        >>> student = load_student("intfloat/multilingual-e5-small", teacher)                      # doctest: +SKIP
        >>> fit_alignment(student, teacher, load_bitext("mar-eng.tsv.gz")).transport_cost          # doctest: +SKIP
    """
    started = time.perf_counter()
    chosen = (settings or AlignmentSettings()).changed(fields, fit_alignment)
    teacher, late = as_teacher(teacher), kind_of(student) == "late_interaction"
    chosen = chosen.started(teacher, by_tokens=late and bitext is not None)
    by_maxsim = late and chosen.method == "contrastive"
    check_inputs(bitext, documents, query_texts, relevance_pairs, chosen, by_maxsim)
    teacher = checked_teacher(teacher, bitext, chosen, by_maxsim)
    projection = checked_projection(student, teacher)
    searched = _encoder_of(teacher, "held_out") if chosen.held_out and bitext is not None else None
    tokenized = _encoder_of(teacher, "a relay plan") if chosen.relay else None
    fitted, kept = split_held_out(bitext, chosen.held_out, chosen.seed)
    before = held_out_score(student, searched, kept, chosen.batch_size) if searched is not None else None

    english, unread_UK = None, torch.empty(0, teacher.width)
    by_vector = chosen.method == "contrastive" and not late
    if documents is not None:
        some = ChosenDocuments.of(documents, chosen.max_documents + chosen.held_out, chosen.seed, teacher.width)
        english, unread_UK = some.read, some.unread_vectors(teacher.width) if by_vector else unread_UK
    readers: tuple[Teacher, Teacher] = (student_tokens or EncoderTeacher(as_backbone(student)), teacher)
    bars: dict[str, Any] = {"batch_size": chosen.batch_size, "progress": chosen.progress}
    by_tokens = readers
    if chosen.cache is not None and (chosen.planned or by_maxsim):
        listed = english[TEXT][:] if by_maxsim and english is not None else []
        by_tokens = kept_tokens(readers, chosen.cache, fitted or [], listed, chosen.also_english, **bars)
    student_reads, teacher_reads = (
        PooledTexts(reader, teacher.pooling, whose, folder=chosen.cache, device=student.device, **bars)
        for reader, whose in zip(by_tokens if by_maxsim else readers, ("student's backbone", "teacher"), strict=True)
    )
    pairs = PairTokenReader(
        *by_tokens, fitted or [], device=student.device, memory_budget=chosen.memory_budget, also_english=chosen.also_english,
        **bars,
    )  # fmt: skip
    packed = PackedPairs(chosen.tokens_per_text) if by_maxsim else None
    read = FirstPass(keep_vectors=by_vector, tokens=packed)
    if chosen.planned or by_maxsim:
        read_tokens(read, pairs, teacher.pooling, by_tokens=late and len(chosen.pooled_weights) > 1)
    elif fitted is not None:
        read_pooled(read, fitted, student_reads, teacher_reads, chosen.also_english)
    texts = EnglishTexts(student_reads, teacher_reads, chosen.max_documents, chosen.seed, student.device)
    index, unseen, indexed = texts.index(english, chosen.held_out, chosen.tokens_per_text if by_maxsim else None)
    queries, relevance = texts.queries(query_texts), texts.relevance(relevance_pairs)
    sentences = texts.sentences(indexed, index) if chosen.document_sentences else None
    for texts_read in (index.vectors if index else None, queries) if not chosen.planned else ():
        if texts_read is not None:
            read.add_documents(texts_read.source_ND, texts_read.target_NK, texts_read.text_N)
    descended = _gradient_steps(read, index, chosen, queries, sentences, relevance, unread_UK)
    penalty, weight, costs = 0.0, None, list[float]()
    if chosen.method != "contrastive" or chosen.start != "student":
        penalty, weight, costs = fit_closed_form(
            student, read, pairs, chosen.pooled_weights, chosen.regularisation, epsilon=chosen.epsilon,
            rounds=0 if not chosen.planned else 1 if chosen.relay else chosen.rounds, tokenized=tokenized,
        )  # fmt: skip
    loss: list[float] = []
    if descended is not None:
        kinds = (index.vectors if index else None, queries, sentences, relevance)
        descent = _descent(chosen, late, of_english=() if read.pairs else kinds, unread=len(unread_UK))
        weight_KD, bias_K, loss = descended(
            (projection.linear.weight, projection.linear.bias), descent, progress=chosen.progress
        )
        assign_projection(student, weight_KD, bias_K)

    record_languages(student, bitext)
    after = held_out_score(student, searched, kept, chosen.batch_size) if searched is not None else None
    return AlignmentReport(
        chosen.method, read.pairs, penalty, weight, costs, loss, before, after,
        documents=len(index.vectors.text_N) if index else 0,
        reproduced=unseen.reproduced(projection.linear.weight, projection.linear.bias) if unseen else None,
        seconds=time.perf_counter() - started,
    )  # fmt: skip


def _gradient_steps(
    read: FirstPass,
    index: DocumentTokens | None,
    settings: AlignmentSettings,
    queries: DocumentVectors | None,
    sentences: DocumentVectors | None,
    relevance: DocumentVectors | None,
    unread_UK: Tensor,
) -> Callable[..., ContrastiveMap] | None:
    """The gradient steps on what was kept for them; they take the start and the settings."""
    if read.tokens is not None:
        return partial(fit_contrastive_tokens, *token_rows(read.tokens, index, settings.document_share))
    if read.keep_vectors:
        vectors = None if index is None else index.vectors
        shares = (settings.document_share, settings.pseudo_foreign if settings.also_english else 0.0)
        return partial(
            fit_contrastive,
            *contrastive_rows(read, vectors, *shares, queries, settings.query_share, sentences, relevance, unread_UK),
        )
    return None


def _descent(
    settings: AlignmentSettings, late: bool, of_english: Sequence[DocumentVectors | None], unread: int
) -> ContrastiveSettings:
    """The settings of the gradient steps, with what is left open decided.

    Args:
        settings: of the fit.
        late: whether the student is searched by tokens.
        of_english: where there are no pairs, the kinds of English rows.
        unread: documents whose vectors alone are known.
    """
    descent = settings.descent(late)
    if settings.hard_negatives is None and unread:
        descent = replace(descent, hard_negatives=OF_A_LARGE_INDEX)
    return few_passes(descent, *of_english) if of_english and settings.steps is None and not late else descent


def _encoder_of(teacher: Teacher, asked: str) -> Encoder:
    """The teacher's own model."""
    if not isinstance(teacher, EncoderTeacher):
        raise ValueError(
            f"{asked} needs the teacher itself, and its cache or its vectors came: pass the teacher, or take held_out=0 and "
            "plans='direct' or start='transport'"
        )
    return teacher.model
