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
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from datasets import Dataset, IterableDataset
from sentence_transformers.base.modules import Dense
from torch import Tensor
from torch.nn.functional import normalize

from optical_hf.models.alignment.alignment_ranges import check_choices, check_ranges
from optical_hf.models.alignment.alignment_report import AlignmentReport, Method, Start
from optical_hf.models.alignment.contrastive_map import ContrastiveSettings, fit_contrastive
from optical_hf.models.alignment.first_pass import folds_of, read_once
from optical_hf.models.alignment.held_out import held_out_score, split_held_out
from optical_hf.models.alignment.held_out_tokens import TokenFold
from optical_hf.models.alignment.pair_tokens import ENGLISH, PairTokenReader
from optical_hf.models.alignment.ridge_penalty import POOLED_WEIGHTS, Fold, Selection, choose_weight, summed
from optical_hf.models.alignment.ridge_regression import NormalEquations
from optical_hf.models.teachers.language_teachers import AnyTeacher, as_teacher
from optical_hf.models.teachers.teacher import EncoderTeacher, Teacher
from optical_hf.models.tokens import Encoder
from optical_hf.models.views import as_backbone, kind_of, token_projection
from optical_hf.models.weights import check_full_precision
from optical_hf.ot import cosine_cost, solve
from optical_hf.tables import check_table

Sums = dict[str, NormalEquations]


def fit_alignment(
    student: Encoder,
    teacher: AnyTeacher,
    bitext: Dataset | IterableDataset | Iterable[Mapping[str, Any]],
    *,
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
    student_tokens: Teacher | None = None,
    held_out: int = 0,
    batch_size: int = 64,
    memory_budget: int = 2 * 2**30,
    seed: int = 0,
    progress: bool = True,
) -> AlignmentReport:
    """Fit the student's token projection in place; its backbone stays as it is.

    Args:
        student: from `load_student`; its `token_projection` gets new weights, nothing else moves.
        teacher: the frozen teacher, of the width the projection gives; or a token cache of one, or a dict of teachers by
            language (both of these without `held_out`).
        bitext: rows with `source` (English), `target` and maybe `language`: from `load_bitext`, or anything that can be iterated
            again (it is read once a round where its tokens exceed `memory_budget`).
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
        start: the closed form that "contrastive" begins with. It alone reads this setting and the five that follow.
        temperature: of its softmax over cosines.
        steps: its gradient steps.
        queries_per_step: texts of the student drawn for each step, foreign and English ones.
        negatives: English texts of the bitext drawn for each step as further negatives.
        learning_rate: the first one, of Adam; it decays to 0 along a cosine.
        student_tokens: a cache of the student's frozen backbone, `TeacherCache.build(as_backbone(student), texts, folder)`,
            read in place of the backbone; it must hold every `target`, and every `source` with `also_english`.
        held_out: pairs kept from the fit, to measure R@1 among them before and after; needs a `Dataset`. All pairs of one
            English text are kept, or none, so it may be a few more.
        batch_size: pairs encoded and transported together.
        memory_budget: bytes of tokens kept between rounds; beyond it they are encoded again.
        seed: for the choice of held-out pairs and the rows of the gradient steps.
        progress: show progress bars.

    Returns:
        An `AlignmentReport`.

    Raises:
        ValueError: for an unknown method or regularisation, a number out of its range, a penalty that cannot be chosen, a
            late-interaction student with "contrastive", a student without a projection of the teacher's width or in half
            precision, vectors that are not finite (the projection is then as it was), or no pairs.

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
        batch_size=batch_size, memory_budget=memory_budget,
    )  # fmt: skip
    descent = ContrastiveSettings(temperature, steps, queries_per_step, negatives, learning_rate, seed)
    late = kind_of(student) == "late_interaction"
    if late and method == "contrastive":
        raise ValueError(
            "method='contrastive' fits the one vector, and this student is searched token by token: take method='transport'"
        )
    check_table(bitext, ["source", "target", *(["language"] if regularisation == "held_out_language" else [])])
    teacher = as_teacher(teacher)
    projection = _checked_projection(student, teacher)
    searched = teacher.model if isinstance(teacher, EncoderTeacher) else None
    if held_out and searched is None:
        raise ValueError(
            "held_out needs the teacher itself to search with: pass the teacher, or held_out=0 with a cache or teachers by language"
        )
    fitted, kept = split_held_out(bitext, held_out, seed)
    before = held_out_score(student, searched, kept, batch_size) if searched is not None and kept else None

    pairs = PairTokenReader(
        student_tokens or EncoderTeacher(as_backbone(student)), teacher, fitted, device=student.device, batch_size=batch_size,
        memory_budget=memory_budget, progress=progress, also_english=also_english,
    )  # fmt: skip
    plans = method == "transport" or (method == "contrastive" and start == "transport")
    weights: tuple[float, ...] = POOLED_WEIGHTS if isinstance(regularisation, str) else POOLED_WEIGHTS[:1]
    if pooled_weight is not None:
        weights = (pooled_weight,)
    by_tokens = late and plans and len(weights) > 1
    read = read_once(pairs, student, teacher.pooling, regularisation, by_tokens, keep_vectors=method == "contrastive")
    folds, token_folds = read.folds, read.token_folds
    descended = read.vectors.joined() if read.pairs and method == "contrastive" else None
    pooled_sums = {name: fold.sums for name, fold in folds.items()}
    penalty = _fit(student, folds, {POOLED_WEIGHTS[0]: pooled_sums}, regularisation)[1]

    costs: list[float] = []
    weight: float | None = None
    for _ in range(rounds if plans else 0):
        token_sums, cost = _transport_round(student, pairs, epsilon, regularisation)
        costs.append(cost)
        joined = {
            weight: {n: replace(own + pooled_sums[n].scaled(weight), count=own.count) for n, own in token_sums.items()}
            for weight in weights
        }
        weight, penalty = _fit(student, folds, joined, regularisation, token_folds)
        weights = (weight,)  # chosen in the first round, on the plans of the linear map: to search again costs as much

    loss: list[float] = []
    if descended is not None:
        begun = projection.linear.weight, projection.linear.bias
        weight_KD, bias_K, loss = fit_contrastive(*descended, begun, descent, progress=progress)
        _assign(student, weight_KD, bias_K)

    after = held_out_score(student, searched, kept, batch_size) if searched is not None and kept else None
    return AlignmentReport(
        method, read.pairs, penalty, weight, costs, loss, before, after, time.perf_counter() - started
    )


@torch.no_grad()
def _transport_round(
    student: Encoder, pairs: PairTokenReader, epsilon: float, regularisation: float | Selection
) -> tuple[Sums, float]:
    """Sum the normal equations of student tokens on the barycentres of their plans, by fold; and the mean cost of the pairs."""
    projection = token_projection(student)
    assert projection is not None
    by_fold: Sums = {}
    total, count = 0.0, 0.0
    for pair in pairs:
        source_BN, target_BM = pair.student.content_BN, pair.teacher.content_BN
        teacher_BMK = pair.teacher.tokens_BND
        cost_BNM = cosine_cost(projection.linear(pair.student.tokens_BND), teacher_BMK, source_BN, target_BM)
        transport = solve(cost_BNM, source_BN, target_BM, epsilon=epsilon)
        mass_BN = transport.plan.sum(dim=2).clamp(min=1e-30)
        # An average of vectors is shorter than they are: the barycentre keeps its direction and takes their mean length.
        length_BN1 = transport.plan @ teacher_BMK.norm(dim=-1, keepdim=True) / mass_BN.unsqueeze(-1)
        target_BNK = normalize(transport.plan @ teacher_BMK, dim=-1) * length_BN1
        # A token spread over many others says little about where it belongs: weigh it by the share of its largest part.
        weight_BN = transport.plan.amax(dim=2)
        for name, rows in folds_of(pair, regularisation).items():
            used_BN = torch.zeros_like(weight_BN, dtype=torch.bool)
            used_BN[rows] = weight_BN[rows] > 0
            if name not in by_fold:
                by_fold[name] = NormalEquations.zeros(projection.in_features, projection.out_features, student.device)
            by_fold[name].add(
                pair.student.tokens_BND[used_BN], target_BNK[used_BN], weight_BN[used_BN], count=len(rows)
            )
        translated_B = torch.tensor([language != ENGLISH for language in pair.languages], device=student.device)
        total += float(transport.cost[translated_B].sum())
        count += int(translated_B.sum())
    return by_fold, total / count if count else 0.0


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
