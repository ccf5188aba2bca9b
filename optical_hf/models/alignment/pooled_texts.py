"""One pooled vector a text, from a teacher or a frozen backbone; with a folder, what was read is kept and a killed run goes on.

Shapes: N texts, D width.
"""

import logging
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from optical_hf.bars import bars_shown
from optical_hf.models.alignment.pair_tokens import pooled
from optical_hf.models.fingerprint import digest_of
from optical_hf.models.prompts import Task
from optical_hf.models.teachers.teacher import Teacher
from optical_hf.tensor_files import DamagedTensorsError, load_tensors, save_tensors

logger = logging.getLogger(__name__)

CHUNK = 1024  # texts of one file


class PooledTexts:
    """Reads texts into pooled vectors, before any normalisation of the pooled vector. Equal texts are read once a call.

    Args:
        reader: whose tokens are pooled.
        pooling: "mean", "cls", "lasttoken" or "weightedmean".
        whose: the reader's name in errors and on the progress bar.
        folder: where vectors are kept, by the reader's fingerprint and the texts; None keeps none.
        batch_size: texts read together.
        device: where the vectors are put; None is the CPU.
        progress: show a progress bar.

    Example:
        >>> from optical_hf.models.teachers.teacher import EncoderTeacher
        >>> from optical_hf.models.tiny import tiny_encoder
        >>> read = PooledTexts(EncoderTeacher(tiny_encoder(["a dog"], width=16, vocabulary_size=30)), "mean", "teacher")
        >>> read(["a dog", "dog", "a dog"]).shape
        torch.Size([3, 16])
    """

    def __init__(
        self,
        reader: Teacher,
        pooling: str,
        whose: str,
        *,
        folder: str | PathLike[str] | None = None,
        batch_size: int = 64,
        device: torch.device | None = None,
        progress: bool = False,
    ) -> None:
        self.reader, self.pooling, self.whose = reader, pooling, whose
        self.folder = None if folder is None else Path(folder)
        self.batch_size, self.device, self.progress = batch_size, device or torch.device("cpu"), progress
        self._fingerprint = reader.fingerprint if folder is not None else ""

    def __call__(self, texts: Sequence[str], task: Task = "query") -> Tensor:
        """The vectors (N, D) of `texts`, in float32.

        Args:
            texts: at least one.
            task: whether the texts are read as queries or as documents.

        Raises:
            ValueError: for vectors that are not finite.
        """
        distinct = sorted(dict.fromkeys(texts), key=len)
        places = {text: place for place, text in enumerate(distinct)}
        parts = []
        with tqdm(total=len(distinct), desc=f"The {self.whose} reads", disable=not bars_shown(self.progress)) as bar:
            for start in range(0, len(distinct), CHUNK):
                parts.append(self._chunk(distinct[start : start + CHUNK], task))
                bar.update(len(parts[-1]))
        found_ND = torch.cat(parts).to(self.device)
        check_finite(found_ND, self.whose)
        return found_ND[torch.tensor([places[text] for text in texts], device=self.device)]

    def _chunk(self, texts: list[str], task: Task) -> Tensor:
        """The vectors of one file's texts, from the file or from the reader."""
        place = None
        if self.folder is not None:
            place = self.folder / f"{digest_of([self._fingerprint, self.pooling, task, texts])}.safetensors"
            try:
                return load_tensors(place)["vectors"]
            except FileNotFoundError:
                pass
            except DamagedTensorsError as error:
                logger.warning("%s", error)
        tokens = self.reader.iter_token_sets(texts, self.batch_size, task)
        found_ND = torch.cat([pooled(batch, self.pooling).float().cpu() for batch in tokens])
        if place is not None:
            save_tensors(place, {"vectors": found_ND})
        return found_ND


def check_finite(vector_BD: Tensor, whose: str) -> None:
    """Refuse vectors that nothing can be fitted on.

    Raises:
        ValueError: saying how many of whose vectors are not finite.
    """
    bad = int((~vector_BD.isfinite().all(dim=1)).sum())
    if bad:
        raise ValueError(
            f"{bad} of {len(vector_BD)} vectors of the {whose} are NaN or infinite, and nothing was fitted: check its weights, or "
            "load it in float32"
        )
