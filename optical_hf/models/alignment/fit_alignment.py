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
from dataclasses import replace
from os import PathLike
from typing import Any

import torch
from sentence_transformers.base.modules import Dense
from torch import Tensor

from optical_hf.models.alignment.alignment_checks import (
    Bitext,
    check_choices,
    check_inputs,
    check_ranges,
    checked_teacher,
)
from optical_hf.models.alignment.alignment_report import AlignmentReport, Method, Start
from optical_hf.models.alignment.contrastive_map import fit_contrastive
from optical_hf.models.alignment.contrastive_rows import contrastive_rows
from optical_hf.models.alignment.first_pass import FirstPass, read_pooled, read_tokens
from optical_hf.models.alignment.held_out import held_out_score, split_held_out
from optical_hf.models.alignment.held_out_tokens import TokenFold
from optical_hf.models.alignment.index_documents import Documents, DocumentVectors, read_documents, sample_documents
from optical_hf.models.alignment.map_descent import ContrastiveSettings
from optical_hf.models.alignment.pair_tokens import PairTokenReader
from optical_hf.models.alignment.pooled_texts import PooledTexts
from optical_hf.models.alignment.ridge_penalty import POOLED_WEIGHTS, Fold, Selection, choose_weight, summed
from optical_hf.models.alignment.transport_round import Sums, transport_round
from optical_hf.models.teachers.language_teachers import AnyTeacher, as_teacher
from optical_hf.models.teachers.teacher import EncoderTeacher, Teacher
from optical_hf.models.tokens import Encoder
from optical_hf.models.views import as_backbone, kind_of, token_projection
from optical_hf.models.weights import check_full_precision


def fit_alignment(
    student: Encoder,
    teacher: AnyTeacher,
    bitext: Bitext | None = None,
    *,
    documents: Documents | None = None,
    method: Method = "transport",
    rounds: int = 3,
    epsilon: float = 0.02,
    regularisation: float | Selection = "held_out_pairs",
    also_english: bool = True,
    pooled_weight: float | None = None,
    start: Start = "ridge",
    temperature: float = 0.05,
    steps: int = 600,
    queries_per_step: int = 512,
    negatives: int = 2048,
    learning_rate: float = 1e-3,
    document_share: float = 0.5,
    pseudo_foreign: float = 1.0,
    max_documents: int = 20_000,
    student_tokens: Teacher | None = None,
    held_out: int = 0,
    cache: str | PathLike[str] | None = None,
    batch_size: int = 64,
    memory_budget: int = 2 * 2**30,
    seed: int = 0,
    progress: bool = True,
) -> AlignmentReport:
    """Fit the student's token projection in place; its backbone stays as it is.

    Args:
        student: from `load_student`; its `token_projection` gets new weights, nothing else moves.
        teacher: the frozen teacher, of the width the projection gives; or a token cache of one, its vectors (`load_vectors`), or a
            dict of teachers by language (all of these without `held_out`).
        bitext: rows with `source` (English), `target` and maybe `language`: from `load_bitext`, or anything that can be iterated
            again ("transport" reads it once a round where its tokens exceed `memory_budget`). None needs `documents`.
        documents: English texts of the index: a list, or a `Dataset` with a column `text` and maybe `vector` (from
            `load_documents`). The student learns to read each where its vector in the index is; without a column `vector` the
            teacher reads the texts as documents. Not for "transport".
        method: "ridge" fits pooled vectors only; "transport" goes on from there with `rounds` of plans and barycentres;
            "contrastive" lets pooled vectors retrieve their English sides, by InfoNCE, for students of one vector.
        rounds: rounds of plans; three do as well as six.
        epsilon: entropic regularisation of the plans, in units of cosine cost.
        regularisation: ridge penalty on the normal equations divided by the number of texts. Or how to choose it: by
            "held_out_pairs" (five shares of the English texts, each left out in turn), or by a "held_out_language" (each
            language left out in turn), for languages without bitext.
        also_english: let the student read the English sides as well, as one more language.
        pooled_weight: weight of the pooled vectors' normal equations beside the tokens'; 0 leaves them out. None chooses among
            2 to 128 where the penalty is chosen too: the smallest that retrieves held-out pairs as well as any, by the
            student's own kind of search. Where the penalty is given, None is 2.
        start: the closed form that "contrastive" begins with. It alone reads this setting and the seven that follow.
        temperature: of its softmax over cosines.
        steps: its gradient steps.
        queries_per_step: texts of the student drawn for each step: foreign, English, documents.
        negatives: English texts of bitext and documents drawn for each step as further negatives.
        learning_rate: the first one, of Adam; it decays to 0 along a cosine.
        document_share: share of a step's texts that are documents, where there is bitext too.
        pseudo_foreign: share of a step's documents that are moved by the difference foreign - English of a random pair, as
            the student reads both, so that they look like documents in its language. Needs `also_english`.
        max_documents: documents the student reads; beyond them a random choice.
        student_tokens: a cache of the student's frozen backbone, `TeacherCache.build(as_backbone(student), texts, folder)`,
            read in place of the backbone; it must hold every `target`, and every `source` with `also_english`.
        held_out: pairs kept from the fit, to measure R@1 among them before and after; needs a `Dataset`. All pairs of one
            English text are kept, or none, so it may be a few more. As many documents are kept, to measure how many of them
            retrieve their own vector.
        cache: a folder for the pooled vectors of both models. A fit that was killed goes on from it, and another fit on the
            same texts reads it. "transport" does not use it for bitext.
        batch_size: pairs encoded and transported together.
        memory_budget: bytes of tokens kept between rounds; beyond it they are encoded again.
        seed: for the choice of held-out pairs and documents, and the rows of the gradient steps.
        progress: show progress bars.

    Returns:
        An `AlignmentReport`.

    Raises:
        ValueError: for an unknown method or regularisation, a number out of its range, a penalty that cannot be chosen, a
            late-interaction student with "contrastive", a student without a projection of the teacher's width or in half
            precision, vectors that are not finite (the projection is then as it was), no pairs and no documents, or documents
            with "transport".

    Example:
        >>> from optical_hf import fit_alignment, load_bitext, load_student, load_teacher          # doctest: +SKIP
        >>> teacher = load_teacher("sentence-transformers/all-MiniLM-L6-v2")                       # doctest: +SKIP
        >>> student = load_student("intfloat/multilingual-e5-small", teacher)                      # doctest: +SKIP
        >>> fit_alignment(student, teacher, load_bitext("mar-eng.tsv.gz")).transport_cost          # doctest: +SKIP
    """
    started = time.perf_counter()
    check_choices(method, start, regularisation)
    check_ranges(
        rounds=rounds, epsilon=epsilon, regularisation=regularisation, pooled_weight=pooled_weight, held_out=held_out,
        batch_size=batch_size, memory_budget=memory_budget, document_share=document_share, pseudo_foreign=pseudo_foreign,
        max_documents=max_documents,
    )  # fmt: skip
    descent = ContrastiveSettings(temperature, steps, queries_per_step, negatives, learning_rate, seed)
    plans = method == "transport" or (method == "contrastive" and start == "transport")
    check_inputs(bitext, documents, method, plans, regularisation)
    late = kind_of(student) == "late_interaction"
    if late and method == "contrastive":
        raise ValueError(
            "method='contrastive' fits the one vector, and this student is searched token by token: take method='transport'"
        )
    teacher = checked_teacher(as_teacher(teacher), bitext, method, start)
    projection = _checked_projection(student, teacher)
    searched = _searched(teacher) if held_out and bitext is not None else None
    fitted, kept = split_held_out(bitext, held_out, seed)
    before = held_out_score(student, searched, kept, batch_size) if searched is not None else None

    backbone = student_tokens or EncoderTeacher(as_backbone(student))
    texts: dict[str, Any] = {"folder": cache, "batch_size": batch_size, "device": student.device, "progress": progress}
    student_reads = PooledTexts(backbone, teacher.pooling, "student's backbone", **texts)
    teacher_reads = PooledTexts(teacher, teacher.pooling, "teacher", **texts)
    pairs = PairTokenReader(
        backbone, teacher, fitted or [], device=student.device, batch_size=batch_size, memory_budget=memory_budget,
        progress=progress, also_english=also_english,
    )  # fmt: skip
    weights = _weights(pooled_weight, regularisation)
    read = FirstPass(regularisation, keep_vectors=method == "contrastive")
    if plans:
        read_tokens(read, pairs, teacher.pooling, by_tokens=late and len(weights) > 1)
    elif fitted is not None:
        read_pooled(read, fitted, student_reads, teacher_reads, also_english)
    index: DocumentVectors | None = None
    unseen: DocumentVectors | None = None
    if documents is not None:
        chosen = sample_documents(documents, max_documents + held_out, seed, teacher.width)
        index, unseen = read_documents(chosen, student_reads, teacher_reads).split(min(held_out, len(chosen) // 10))
        if not plans:
            read.add_documents(index.source_ND, index.target_NK, index.text_N)
    shifted = pseudo_foreign if also_english else 0.0
    rows, negatives_MK = contrastive_rows(read, index, document_share, shifted) if read.keep_vectors else ([], None)
    pooled_sums = {name: fold.sums for name, fold in read.folds.items()}
    penalty = _fit(student, read.folds, {POOLED_WEIGHTS[0]: pooled_sums}, regularisation)[1]

    costs: list[float] = []
    weight: float | None = None
    for _ in range(rounds if plans else 0):
        token_sums, cost = transport_round(projection, pairs, epsilon, regularisation)
        costs.append(cost)
        joined = {
            weight: {n: replace(own + pooled_sums[n].scaled(weight), count=own.count) for n, own in token_sums.items()}
            for weight in weights
        }
        weight, penalty = _fit(student, read.folds, joined, regularisation, read.token_folds)
        weights = (weight,)  # chosen in the first round, on the plans of the linear map: to search again costs as much

    loss: list[float] = []
    if negatives_MK is not None:
        begun = projection.linear.weight, projection.linear.bias
        weight_KD, bias_K, loss = fit_contrastive(rows, negatives_MK, begun, descent, progress=progress)
        _assign(student, weight_KD, bias_K)

    after = held_out_score(student, searched, kept, batch_size) if searched is not None else None
    return AlignmentReport(
        method, read.pairs, penalty, weight, costs, loss, before, after,
        documents=len(index.text_N) if index else 0,
        reproduced=unseen.reproduced(projection.linear.weight, projection.linear.bias) if unseen and len(unseen.text_N) else None,
        seconds=time.perf_counter() - started,
    )  # fmt: skip


def _searched(teacher: Teacher) -> Encoder:
    """The model that held-out pairs are searched with."""
    if not isinstance(teacher, EncoderTeacher):
        raise ValueError(
            "held_out needs the teacher itself to search with: pass the teacher, or held_out=0 with a cache or teachers by language"
        )
    return teacher.model


def _weights(pooled_weight: float | None, regularisation: float | Selection) -> tuple[float, ...]:
    """The weights of the pooled vectors that are tried."""
    if pooled_weight is not None:
        return (pooled_weight,)
    return POOLED_WEIGHTS if isinstance(regularisation, str) else POOLED_WEIGHTS[:1]


def _checked_projection(student: Encoder, teacher: Teacher) -> Dense:
    """The student's projection, in full precision and of the teacher's width."""
    check_full_precision(student)
    projection = token_projection(student)
    if projection is None:
        raise ValueError("the student has no token projection to fit: load it with load_student(path, teacher)")
    if teacher.width != projection.out_features:
        raise ValueError(
            f"the student's projection gives width {projection.out_features}, the teacher's tokens are {teacher.width} wide: "
            "load the student with load_student(path, teacher) for this teacher"
        )
    return projection


def _fit(
    student: Encoder,
    folds: dict[str, Fold],
    joined: dict[float, Sums],
    regularisation: float | Selection,
    token_folds: dict[str, TokenFold] | None = None,
) -> tuple[float, float]:
    """Solve for the projection and put it into the student; returns the weight of the pooled vectors and the penalty."""
    weight = min(joined)
    if not joined[weight]:
        raise ValueError("no rows were added: the bitext gave no pairs; pass at least one pair")
    if isinstance(regularisation, str):
        weight, penalty = choose_weight(folds, joined, token_folds)
    else:
        penalty = regularisation
    weight_KD, bias_K = summed(joined[weight]).solve(penalty)
    _assign(student, weight_KD, bias_K)
    return weight, penalty


def _assign(student: Encoder, weight_KD: Tensor, bias_K: Tensor | None) -> None:
    projection = token_projection(student)
    assert projection is not None
    if not bool(weight_KD.isfinite().all() and (bias_K is None or bias_K.isfinite().all())):
        raise ValueError(
            "the fitted projection is not finite, and the student keeps the one it had: the tokens are too large to be summed, or "
            "the equations have no solution; check both models' weights, or raise regularisation"
        )
    with torch.no_grad():
        projection.linear.weight.copy_(weight_KD)
        if bias_K is not None and projection.linear.bias is not None:
            projection.linear.bias.copy_(bias_K)
