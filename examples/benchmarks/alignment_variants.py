"""What was tried for the closed form, a line each: features of both models are computed once, then a variant costs seconds.

Run by `alignment.py --variants`. The round here is that of `fit_alignment` with its choices opened up; the first
lines repeat the library's own, so a difference between the two would show. The choice of the default was made on the six reference
sets; the last column, other languages and domains, was looked at beside them.

Shapes: B pairs, N student tokens, M teacher tokens, D student width, K teacher width, L layers.
"""

import math
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from alignment_features import BATCH, LAYERS, Pair, read_pairs
from torch import Tensor
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence

from optical_hf.models import Encoder
from optical_hf.models.alignment.ridge_penalty import Fold, choose_penalty, summed
from optical_hf.models.alignment.ridge_regression import NormalEquations
from optical_hf.ot import cosine_cost, solve

SHARES = 5


@dataclass(frozen=True)
class Variant:
    """The default, and what a line changes of it."""

    english: float = 1.0  # weight of the English sides read by the student
    rounds: int = 3
    epsilon: tuple[float, ...] = (0.02,)
    penalty: float | str = "pairs"
    pooled: float = 2.0
    target: str = "mean length"  # of a barycentre: "mean length", "as it is", "unit"
    weight: str = "largest entry"  # of a token: "largest entry", "mass"
    mass: str = "uniform"  # "uniform", "norm", "idf"
    solver: str = "sinkhorn"
    rho: float = 1.0
    softmax: float = 0.0  # temperature of a dual softmax in place of a plan
    special: str = "out"  # "out", "in", "anchors": [CLS] on [CLS], last on last
    backwards: float = 0.0  # weight of teacher tokens on the barycentres of the student's
    layers: tuple[int, ...] = (
        12,
    )  # side by side, or with weights averaged as sentence-transformers' WeightedLayerPooling does
    weights: tuple[float, ...] = ()
    centred: bool = False  # an offset for each script, taken from the fit
    rank: int = 0  # of a map from English alone plus a residual of this rank
    skip: bool = False  # at search, special tokens and punctuation of the query are passed over


VARIANTS = {
    "ridge on pooled vectors, without English": Variant(rounds=0, english=0.0),
    "ridge on pooled vectors": Variant(rounds=0),
    "transport, without English, penalty 1e-3 (the default before)": Variant(english=0.0, penalty=1e-3),
    "**transport, with English (default)**": Variant(),
    "English weighs 0.3": Variant(english=0.3),
    "English weighs 2": Variant(english=2.0),
    "penalty 1e-3": Variant(penalty=1e-3),
    "penalty 3e-3": Variant(penalty=3e-3),
    "penalty 3e-4": Variant(penalty=3e-4),
    "penalty by held-out language": Variant(penalty="language"),
    "epsilon 0.05": Variant(epsilon=(0.05,)),
    "epsilon 0.05, 0.02, 0.01 by round": Variant(epsilon=(0.05, 0.02, 0.01)),
    "one round": Variant(rounds=1),
    "six rounds": Variant(rounds=6),
    "exact plans": Variant(solver="exact"),
    "dual softmax 0.05 in place of plans": Variant(softmax=0.05),
    "unbalanced plans, rho 0.1": Variant(solver="unbalanced", rho=0.1),
    "partial plans, 0.8 of the mass": Variant(solver="partial"),
    "pooled equations weigh 1": Variant(pooled=1.0),
    "pooled equations weigh 4": Variant(pooled=4.0),
    "pooled equations left out": Variant(pooled=0.0),
    "barycentres as they are": Variant(target="as it is"),
    "barycentres of one length": Variant(target="unit"),
    "tokens weigh their mass": Variant(weight="mass"),
    "masses by norm": Variant(mass="norm"),
    "masses by IDF": Variant(mass="idf"),
    "special tokens and punctuation in": Variant(special="in"),
    "special tokens tied to their own kind": Variant(special="anchors"),
    "both directions": Variant(backwards=0.5),
    "an offset for each script": Variant(centred=True),
    "English map + residual of rank 64, penalty 3e-4": Variant(rank=64, penalty=3e-4),
    "layers 10 and 12 side by side": Variant(layers=(10, 12)),
    "layers 10 and 12 averaged": Variant(layers=(10, 12), weights=(1, 1)),
    "layers 10 and 12 averaged, weights 1 and 3": Variant(layers=(10, 12), weights=(1, 3)),
    "layers 10 and 12 averaged, pooled equations weigh 8": Variant(layers=(10, 12), weights=(1, 1), pooled=8.0),
    "query's special tokens and punctuation not searched": Variant(skip=True),
}
VARIANTS |= {f"layer {layer} alone, ridge": Variant(layers=(layer,), rounds=0) for layer in (3, 6)}
VARIANTS |= {
    f"layer {layer} alone, pooled equations weigh {weight:g}": Variant(layers=(layer,), pooled=weight)
    for layer in (3, 6)
    for weight in (2.0, 8.0, 32.0, 128.0)
}


class Fit:
    """One variant, fitted on pairs and on their English sides read by the student."""

    def __init__(self, variant: Variant, pairs: list[Pair], english: list[Pair]) -> None:
        self.variant, self.offsets = variant, {}
        self.sides = [(pairs, 1.0)] + ([(english, variant.english)] if variant.english else [])
        if variant.centred:
            for name in {script(pair) for side, _ in self.sides for pair in side}:
                own = [self.tokens(pair) for side, _ in self.sides for pair in side if script(pair) == name]
                self.offsets[name] = torch.cat(own).mean(dim=0)
        if variant.mass == "idf":
            self.idf = [idf([pair[side].ids_N for pair in pairs]) for side in (0, 1)]
        self.folds: dict[str, Fold] = {}
        pooled = self.sums(self.pooled)
        self.solve(pooled)
        for index in range(variant.rounds):
            epsilon = variant.epsilon[min(index, len(variant.epsilon) - 1)]
            tokens = self.sums(lambda _, sums, batch, epsilon=epsilon: self.transport(sums, batch, epsilon))
            self.solve(
                {fold: replace(t + pooled[fold].scaled(variant.pooled), count=t.count) for fold, t in tokens.items()}
            )

    def tokens(self, pair: Pair) -> Tensor:
        """The student's tokens (N, D), or those of several layers, side by side or averaged."""
        layers = [pair.student.tokens_NLD[:, LAYERS.index(layer)] for layer in self.variant.layers]
        if self.variant.weights:
            shares = torch.tensor(self.variant.weights) / sum(self.variant.weights)
            whole = (torch.stack(layers, dim=2).float() * shares).sum(dim=2)
        else:
            whole = torch.cat(layers, dim=1).float()
        return whole - self.offsets.get(script(pair), torch.zeros(1))

    def placed(self, pair: Pair) -> Tensor:
        return self.tokens(pair) @ self.weight_KD.T + self.bias_K

    def sums(self, add: Callable) -> dict[str, NormalEquations]:
        """Sums by fold, over batches of texts of about one length."""
        folds: dict[str, NormalEquations] = {}
        width = self.tokens(self.sides[0][0][0]).shape[1]
        for side, weight in self.sides:
            parts: dict[str, list[Pair]] = {}
            for pair in side:
                name = "all" if self.variant.penalty != "pairs" else str(english_text(pair) % SHARES)
                name = pair.language if self.variant.penalty == "language" or self.variant.rank else name
                parts.setdefault(name, []).append(pair)
            for name, part in parts.items():
                own = NormalEquations.zeros(width, part[0].teacher.tokens_NLD.shape[-1])
                part.sort(key=lambda pair: len(pair.student.ids_N))
                for start in range(0, len(part), BATCH):
                    add(name, own, part[start : start + BATCH])
                own = own.scaled(weight)
                folds[name] = folds[name] + own if name in folds else own
        return folds

    def pooled(self, name: str, sums: NormalEquations, batch: list[Pair]) -> None:
        student_BD = torch.stack([self.tokens(pair).mean(dim=0) for pair in batch])
        teacher_BK = torch.stack([pair.teacher.tokens_NLD[:, 0].float().mean(dim=0) for pair in batch])
        sums.add(student_BD, teacher_BK)
        fold = self.folds.setdefault(name, Fold.empty(student_BD.shape[1], teacher_BK.shape[1]))
        foreign_B = torch.tensor([pair.language != "en" for pair in batch])
        fold.add(student_BD, teacher_BK, torch.tensor([english_text(pair) for pair in batch]), foreign_B)

    def solve(self, folds: dict[str, NormalEquations]) -> None:
        variant = self.variant
        penalty = choose_penalty(self.folds, folds) if isinstance(variant.penalty, str) else variant.penalty
        weight_KD, bias_K = summed(folds).solve(penalty)
        if variant.rank:
            # English alone says where words go; the other languages may turn that map by a few directions.
            english_KD, _ = folds["en"].solve(penalty)
            left, share, right = torch.linalg.svd(weight_KD - english_KD)
            weight_KD = english_KD + (left[:, : variant.rank] * share[: variant.rank]) @ right[: variant.rank]
        self.weight_KD, self.bias_K, self.penalty = weight_KD.float(), bias_K.float(), penalty

    def transport(self, sums: NormalEquations, batch: list[Pair], epsilon: float) -> None:
        variant = self.variant
        student_BND, teacher_BMK = (
            pad_sequence(list(side), batch_first=True)
            for side in zip(*((self.tokens(p), p.teacher.tokens_NLD[:, 0].float()) for p in batch), strict=True)
        )
        kept = "ids_N" if variant.special == "in" else "content_N"
        source_BN, target_BM = (
            pad_sequence([getattr(p[side], kept).bool() | (kept == "ids_N") for p in batch], batch_first=True)
            for side in (0, 1)
        )
        placed_BNK = student_BND @ self.weight_KD.T + self.bias_K
        cost_BNM = cosine_cost(placed_BNK, teacher_BMK, source_BN, target_BM)
        masses = self.masses(batch, placed_BNK, teacher_BMK, source_BN, target_BM)
        if variant.softmax:
            real_BNM = source_BN.unsqueeze(2) & target_BM.unsqueeze(1)
            score_BNM = (-cost_BNM / variant.softmax).masked_fill(~real_BNM, -1e4)
            plan_BNM = (score_BNM.softmax(dim=1) * score_BNM.softmax(dim=2)).masked_fill(~real_BNM, 0.0)
        else:
            options = {"epsilon": epsilon, "solver": variant.solver, "rho": variant.rho, **masses}
            plan_BNM = solve(cost_BNM, source_BN, target_BM, **options).plan
        mass_BN1 = plan_BNM.sum(dim=2, keepdim=True).clamp(min=1e-30)
        mean_BNK = plan_BNM @ teacher_BMK
        length_BN1 = plan_BNM @ teacher_BMK.norm(dim=2, keepdim=True) / mass_BN1
        length_BN1 = {"unit": length_BN1.new_full((), 6.0)}.get(variant.target, length_BN1)  # 6: about a token's length
        target_BNK = mean_BNK / mass_BN1 if variant.target == "as it is" else normalize(mean_BNK, dim=2) * length_BN1
        weight_BN = plan_BNM.sum(dim=2) if variant.weight == "mass" else plan_BNM.amax(dim=2)
        used_BN = weight_BN > 1e-9
        sums.add(student_BND[used_BN], target_BNK[used_BN], weight_BN[used_BN], count=len(batch))
        if variant.backwards:
            back_BM1 = plan_BNM.sum(dim=1).unsqueeze(2).clamp(min=1e-30)
            mean_BMD = plan_BNM.transpose(1, 2) @ student_BND / back_BM1
            weight_BM = variant.backwards * plan_BNM.amax(dim=1)
            used_BM = weight_BM > 1e-9
            sums.add(mean_BMD[used_BM], teacher_BMK[used_BM], weight_BM[used_BM], count=0)
        if variant.special == "anchors":
            for end in (0, -1):
                first = torch.stack([self.tokens(pair)[end] for pair in batch])
                second = torch.stack([pair.teacher.tokens_NLD[end, 0].float() for pair in batch])
                sums.add(first, second, torch.full((len(batch),), 0.1), count=0)

    def masses(self, batch: list[Pair], *tensors: Tensor) -> dict[str, Tensor]:
        placed_BNK, teacher_BMK, source_BN, target_BM = tensors
        if self.variant.mass == "uniform":
            return {}
        if self.variant.mass == "norm":
            raw = [placed_BNK.norm(dim=2), teacher_BMK.norm(dim=2)]
        else:
            raw = [pad_sequence([self.idf[i][p[i].ids_N] for p in batch], batch_first=True) for i in (0, 1)]
        shares = [
            r * mask / (r * mask).sum(dim=1, keepdim=True) for r, mask in zip(raw, (source_BN, target_BM), strict=True)
        ]
        return dict(zip(("source_mass", "target_mass"), shares, strict=True))


def english_text(pair: Pair) -> int:
    """A number that says the English side."""
    return zlib.crc32(pair.teacher.ids_N.numpy().tobytes())


def script(pair: Pair) -> str:
    return "Devanagari" if pair.language in ("mr", "hi") else "Latin"


def idf(texts: list[Tensor]) -> Tensor:
    """log((texts + 1) / (texts that have the piece + 1)), by id."""
    found = Counter(i for ids in texts for i in set(ids.tolist()))
    return torch.tensor([math.log((len(texts) + 1) / (found[i] + 1)) + 1e-3 for i in range(260_000)])


def recall(fit: Fit, pairs: list[Pair], queries: int = 300) -> tuple[float, float]:
    """R@1 in percent among the English sides of `pairs`: by one vector, and by MaxSim for the first `queries`."""
    places, own = [fit.placed(pair) for pair in pairs], torch.arange(len(pairs))
    documents = [pair.teacher.tokens_NLD[:, 0].float() for pair in pairs]
    means = [normalize(torch.stack([text.mean(dim=0) for text in side]), dim=1) for side in (places, documents)]
    vector = ((means[0] @ means[1].T).argmax(dim=1) == own).float().mean().item()
    if fit.variant.skip:
        content = [pair.student.content_N for pair in pairs]
        places = [text[keep] for text, keep in zip(places, content, strict=True)]
    document_SMK = normalize(pad_sequence(documents, batch_first=True), dim=2)
    real_SM = pad_sequence([torch.ones(len(text), dtype=torch.bool) for text in documents], batch_first=True)
    flat_KT = document_SMK.flatten(0, 1).T.contiguous()
    found = []
    for text in places[:queries]:
        score_NSM = (normalize(text, dim=1) @ flat_KT).unflatten(1, real_SM.shape)
        found.append(int(score_NSM.masked_fill_(~real_SM, -2.0).amax(dim=2).sum(dim=0).argmax()))
    maxsim = (torch.tensor(found) == own[: len(found)]).float().mean().item()
    return 100 * vector, 100 * maxsim


@torch.inference_mode()
def table(
    student: Encoder,
    teacher: Encoder,
    bitext: Iterable[dict],
    sets: dict[str, list[dict]],
    others: dict[str, list[dict]],
    features: Path | None = None,
    names: Iterable[str] = VARIANTS,
) -> Iterator[str]:
    """A line for each variant of `names`: R@1 on the reference sets, their mean, and the mean over the other sets."""

    def read(name: str, rows: Iterable[dict]) -> list[Pair]:
        return read_pairs(student, teacher, rows, features and features / f"{name}.pt")

    rows = list(bitext)
    fitted = read("fitted", rows)
    english = read("english", [{"source": row["source"], "target": row["source"], "language": "en"} for row in rows])
    reference, other = ({name: read(name, pairs) for name, pairs in asked.items()} for asked in (sets, others))
    yield f"| variant | {' | '.join(sets)} | mean | other sets | penalty | seconds |"
    yield "|---" * (len(sets) + 5) + "|"
    for name, variant in ((name, VARIANTS[name]) for name in names):
        started = time.perf_counter()
        fit = Fit(variant, fitted, english)
        seconds = time.perf_counter() - started
        found = {code: recall(fit, pairs) for code, pairs in reference.items()}
        beside = [recall(fit, pairs, 150) for pairs in other.values()]
        cells = " | ".join(f"{vector:.0f} / {maxsim:.0f}" for vector, maxsim in found.values())
        means = " | ".join(
            " / ".join(f"{sum(column) / len(column):.1f}" for column in zip(*scores, strict=True))
            for scores in (found.values(), beside)
        )
        yield f"| {name} | {cells} | {means} | {fit.penalty:g} | {seconds:.0f} |"
