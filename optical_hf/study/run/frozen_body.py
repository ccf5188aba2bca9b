"""What a frozen backbone says about a text, computed once a study and read from disk by every run whose backbone does not move.

Closed forms of one student differ only in the projection behind its backbone. Inside `bodies_shared` the modules before that
projection look each text up by its token ids and compute the ones that are missing; whatever calls the student goes on as it
did. A run is charged what it would have cost alone: each text keeps its share of the pass that made it. Knows nothing about
systems, teachers or evaluation.

Shapes: B texts, N tokens after padding, D width, M texts that are missing.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn

from optical_hf.models import Encoder, before_projection
from optical_hf.models.teachers.token_cache.cache_identity import CacheIdentity
from optical_hf.study.run.run_cost import Meter, flop_counter
from optical_hf.study.run.token_store import StoredText, TokenStore

Features = dict[str, Any]
PER_TOKEN = ("input_ids", "token_type_ids")
"""What a text is known by; padding and its place are not part of it."""
ELSEWHERE = ("cu_seq_lens_q", "pixel_values", "inputs_embeds", "query_expansion_positions")
"""Features of batches that are read anew: texts laid end to end, images, tokens outside the attention mask."""
FLOAT16_MAX = torch.finfo(torch.float16).max


@contextmanager
def bodies_shared(student: Encoder, folder: Path, meter: Meter) -> Iterator[None]:
    """Inside, the student's backbone computes only texts that no run of the study has computed before.

    Gradients and training mode go past the store, to the backbone itself. Tokens come back rounded to float16 whether they
    were found or computed, so a run's figures do not depend on which runs came before it.

    Args:
        student: from `load_student`; nothing before its projection may change inside.
        folder: where the tokens of the study's backbones are kept, a file for each.
        meter: is told what was spared.

    Raises:
        ValueError: the file is damaged, or a number does not fit float16.
        OSError: the disk is full.
    """
    started = time.perf_counter()
    body = before_projection(student)
    identity = CacheIdentity.of(SentenceTransformer(modules=body, device=str(student.device)))
    with closing(TokenStore(folder / f"{identity.key}.sqlite")) as store:
        shared = _SharedBody(body, [module.forward for module in body], store, meter)
        meter.spare(started - time.perf_counter())
        try:
            # The first module gives what the last one gave, and the others pass it on.
            for number, module in enumerate(body):
                module.forward = _pass_on if number else shared  # type: ignore[assignment]
            yield
        finally:
            for module in body:
                vars(module).pop("forward", None)


def _pass_on(features: Features, **_: Any) -> Features:
    return features


@dataclass(frozen=True)
class _SharedBody:
    """The forward pass of a body, from the store where it can be."""

    modules: Sequence[nn.Module]
    forwards: Sequence[Callable[..., Features]]
    store: TokenStore
    meter: Meter

    def __call__(self, features: Features, **options: Any) -> Features:
        """As the modules would: `features` with `token_embeddings`, zeros where there is padding."""
        if options or not self._is_known_by_its_ids(features):
            return self._compute(features, **options)
        started = time.perf_counter()
        mask_BN = features["attention_mask"].bool()
        keys = _keys(features, mask_BN)
        texts = self.store.get(keys)
        missing = {key: row for row, key in enumerate(keys) if key not in texts}
        done = 0.0
        if missing:
            computed, done = self._missing(features, mask_BN, missing)
            self.store.put(computed)
            texts |= computed
        found = [texts[key] for key in keys]
        dtype = next(parameter.dtype for parameter in self.modules[0].parameters() if parameter.is_floating_point())
        flat_RD = torch.cat([text.tokens_ND for text in found]).to(mask_BN.device, dtype)
        tokens_BND = flat_RD.new_zeros(*mask_BN.shape, flat_RD.shape[1])
        tokens_BND[mask_BN] = flat_RD
        # Alone, the run would have computed all of the batch, padded to its longest; the backbone's cost is near linear in it.
        width = mask_BN.shape[1]
        self.meter.spare(
            sum(text.seconds * width / text.padded for text in found) - (time.perf_counter() - started),
            sum(text.flops * width / text.padded for text in found) - done,
        )
        # The layers of an average are in the tokens already: whoever looks for them finds that nothing is left to average.
        return {**features, "token_embeddings": tokens_BND, "all_layer_embeddings": ()}

    def _compute(self, features: Features, **options: Any) -> Features:
        for number, forward in enumerate(self.forwards):
            features = forward(features, **({} if number else options))
        return features

    def _is_known_by_its_ids(self, features: Features) -> bool:
        moving = torch.is_grad_enabled() or any(module.training for module in self.modules)
        there = all(name in features for name in ("input_ids", "attention_mask"))
        if moving or not there or any(name in features for name in ELSEWHERE):
            return False
        return bool(features["attention_mask"].bool().any(dim=1).all())

    def _missing(
        self, features: Features, mask_BN: Tensor, missing: dict[bytes, int]
    ) -> tuple[dict[bytes, StoredText], float]:
        """Compute some rows of a batch, without the padding that only the others need; and the operations that took."""
        rows_M = torch.tensor(list(missing.values()), device=mask_BN.device)
        columns_N = mask_BN[rows_M].any(dim=0)
        batch = {name: value for name, value in features.items() if not isinstance(value, Tensor)}
        for name, value in features.items():
            if isinstance(value, Tensor):
                picked = value[rows_M] if value.shape[:1] == mask_BN.shape[:1] else value
                batch[name] = picked[:, columns_N] if value.shape[:2] == mask_BN.shape else picked
        started = time.perf_counter()
        with flop_counter() as counter:
            output_MND = self._compute(batch)["token_embeddings"]
        half_MND = output_MND.to("cpu", torch.float16)
        seconds, flops = time.perf_counter() - started, float(counter.get_total_flops())
        mask_MN = mask_BN[rows_M][:, columns_N].cpu()
        if not bool(half_MND[mask_MN].isfinite().all()):
            raise ValueError(
                f"a student's tokens reach {float(output_MND.abs().max()):g}, float16 ends at {FLOAT16_MAX:g}: they would be "
                "kept as infinity; set share_bodies: false in the study's file"
            )
        share, padded = 1 / len(missing), int(mask_MN.shape[1])
        computed = {
            key: StoredText(half_MND[row][mask_MN[row]], padded, flops * share, seconds * share)
            for row, key in enumerate(missing)
        }
        return computed, flops


def _keys(features: Features, mask_BN: Tensor) -> list[bytes]:
    """A name for each text of a batch: the hash of what the backbone reads of it, padding left out."""
    mask = mask_BN.cpu().numpy()
    read = [features[name].cpu().numpy() for name in PER_TOKEN if name in features]
    keys = []
    for row in range(len(mask)):
        digest = hashlib.blake2b(digest_size=16)
        for values in read:
            digest.update(values[row][mask[row]].tobytes() + b"|")
        keys.append(digest.digest())
    return keys
