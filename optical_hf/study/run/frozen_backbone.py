"""Tokens of a student's frozen backbone: computed once a study for each set of texts, and read from disk from then on.

Closed forms of one student differ only in the projection behind its backbone, and an untrained student is that backbone.

Shapes: B texts, N tokens after padding, D width.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optical_hf.models import Encoder, as_backbone, before_projection
from optical_hf.models.fingerprint import digest_of
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.models.teachers.token_cache.cache_identity import CacheIdentity
from optical_hf.study.run.run_cost import Meter

Features = dict[str, Any]


def backbone_tokens(student: Encoder, texts: Sequence[str], folder: Path, meter: Meter) -> TeacherCache:
    """The tokens of these texts before the student's projection, as a cache.

    Args:
        student: from `load_student`.
        texts: read as queries.
        folder: where the study keeps such tokens, a folder for each set of texts and backbone.
        meter: is charged what the set took to compute.
    """
    encoder, wanted = as_backbone(student), sorted(set(texts))
    place = folder / digest_of([CacheIdentity.of(encoder).key, wanted])[:16]

    def read(anew: bool) -> TeacherCache:
        if anew:
            shutil.rmtree(place, ignore_errors=True)  # of a run that was killed: the whole set is measured at once
        return TeacherCache.build(encoder, wanted, place, progress=False)

    return meter.shared(place.with_suffix(".json"), read)


@contextmanager
def backbone_from(cache: TeacherCache, student: Encoder) -> Iterator[None]:
    """Inside, the student takes the tokens of its backbone from a cache, which must hold every text it is given."""
    body = before_projection(student)
    tokenize: Any = body[0].preprocess

    def preprocess(texts: Sequence[str], **options: Any) -> Features:
        return {**tokenize(texts, **options), "texts": list(texts)}

    def forward(features: Features, **_: Any) -> Features:
        mask_BN = features["attention_mask"].bool()
        found = cache.lookup(features["texts"])
        tokens_BND = found.tokens_BND.new_zeros(*mask_BN.shape, found.tokens_BND.shape[-1])
        tokens_BND[mask_BN.cpu()] = found.tokens_BND[found.mask_BN]
        # The layers of an average are in the tokens already: whoever looks for them finds that nothing is left to average.
        return {**features, "token_embeddings": tokens_BND.to(mask_BN.device), "all_layer_embeddings": ()}

    vars(body[0]).update(preprocess=preprocess, forward=forward)
    for module in body[1:]:
        vars(module).update(forward=lambda features, **_: features)
    try:
        yield
    finally:
        for module in body:
            for name in ("preprocess", "forward"):
                vars(module).pop(name, None)
