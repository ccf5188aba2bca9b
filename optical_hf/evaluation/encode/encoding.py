"""Texts or images in, checked vectors out: sorted by length, in pieces, shared over processes, resumed if killed.

The collection is cut into the same pieces for any number of processes, and one of them encodes a piece: the vectors do not
depend on the number of processes. With a folder, a piece is a file, written when it is complete. A second call with the same
model and items reads what is there and encodes the rest.
"""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from optical_hf.bars import bars_shown
from optical_hf.models.fingerprint import encoder_fingerprint
from optical_hf.models.teachers.vector_teacher import VectorTeacher
from optical_hf.models.text_length import text_length
from optical_hf.models.tokens import Encoder
from optical_hf.models.views import as_late_interaction, as_vector
from optical_hf.processes import Processes
from optical_hf.settings_checks import check_choices, check_counts
from optical_hf.stores.search_engine import Search
from optical_hf.stores.vectors import VectorSet, VectorStore
from optical_hf.tensor_files import DamagedTensorsError

logger = logging.getLogger(__name__)

FORMAT = 2
"""Of what is kept in a folder; another number where the code changes what it holds."""
READ_AT_ONCE = 256
"""Items read together to be measured and named."""

Task = Literal["query", "document"]


class Encoded(NamedTuple):
    """Vectors in the order in which they were encoded; `order[i]` is the item whose vector is at position i."""

    store: VectorStore
    order: Tensor

    def in_item_order(self, processes: Processes) -> VectorSet:
        """The vectors of all items, as the items were given, in the memory of every process; all of them must call this."""
        pieces = [piece for part in processes.gather(list(self.store)) for piece in part]
        pieces.sort(key=itemgetter(0))
        return VectorSet.join([vectors for _, vectors in pieces]).pick(self.order.argsort())


@dataclass(frozen=True)
class Encoding:
    """How to encode.

    Args:
        search: "vector" for one vector an item, "maxsim" for one a token.
        unit_length: divide single vectors by their length, so that inner products are cosines.
        batch_size: items in one forward pass.
        piece: items in one piece: what is held in memory at a time, and what a killed run may lose.
        folder: where pieces are kept; None keeps them in memory.
        progress: whether to show sentence-transformers' progress bar.
        max_seq_length: tokens kept of a text; None keeps each model's own limit.

    Raises:
        ValueError: another search, or counts below 1.
    """

    search: Search = "vector"
    unit_length: bool = True
    batch_size: int = 64
    piece: int = 8192
    folder: Path | None = None
    progress: bool = True
    max_seq_length: int | None = None

    def __post_init__(self) -> None:
        check_choices(search=(self.search, get_args(Search)))
        check_counts(batch_size=self.batch_size, piece=self.piece)

    def view(self, model: Encoder | VectorTeacher) -> Encoder | VectorTeacher:
        """The model as this search needs it; weights are shared.

        Raises:
            ValueError: MaxSim with vectors that were given, one a text.
        """
        if isinstance(model, VectorTeacher):
            if self.search == "maxsim":
                raise ValueError(
                    "the teacher is vectors alone, one a text, and MaxSim compares tokens: take search='vector'"
                )
            return model
        return as_vector(model) if self.search == "vector" else as_late_interaction(model)

    def encode(
        self, model: Encoder | VectorTeacher, items: Sequence[Any], task: Task, what: str, processes: Processes
    ) -> Encoded:
        """Encode this process's share of the items.

        Args:
            model: a sentence-transformers model; or the vectors of one, in which the texts are looked up.
            items: texts or images; a column of a Dataset is read piece by piece.
            task: "query" or "document": which of the model's prompts is used.
            what: whose vectors they are, for messages.
            processes: with whom the work is shared.

        Raises:
            ValueError: for NaN or infinity in the vectors, an item without a token, or a text that has no vector.
        """
        if isinstance(model, VectorTeacher):
            return self._pieces(self._looked_up(model, items, what), items, task, what, processes)
        with text_length(model, self.max_seq_length):
            return self._pieces(self.view(model), items, task, what, processes)

    def _looked_up(self, teacher: VectorTeacher, items: Sequence[Any], what: str) -> Encoder | VectorTeacher:
        if len(items) and not isinstance(items[0], str):
            raise ValueError(
                f"vectors of a teacher are looked up by text, and {what} are images; give document_vectors="
            )
        teacher.check_texts(items[:], what.removeprefix("the "))
        return self.view(teacher)

    def _pieces(
        self, view: Encoder | VectorTeacher, items: Sequence[Any], task: Task, what: str, processes: Processes
    ) -> Encoded:
        order = list(range(len(items)))
        if len(items) and isinstance(items[0], str):
            lengths = [len(item) for item in _in_turn(items)]
            order.sort(key=lengths.__getitem__)
        starts = range(0, len(items), self.piece)
        folder = None
        if self.folder is not None:
            folder = self.folder / fingerprint(view, items, (task, self.unit_length, self.piece))
            folder.mkdir(parents=True, exist_ok=True)
        mine = processes.share(list(starts))
        pieces: list[VectorSet | Path] = []
        for start in mine:
            path = None if folder is None else folder / f"{start:012d}.safetensors"
            if path is None or not _is_whole(path):
                vectors = self._encode(view, _take(items, order[start : start + self.piece]), task).check(what)
                if path is not None:
                    vectors.save(path)
            pieces.append(vectors if path is None else path)
        return Encoded(VectorStore(tuple(pieces), tuple(mine), len(items)), torch.tensor(order, dtype=torch.int64))

    def _encode(self, view: Encoder | VectorTeacher, items: list[Any], task: Task) -> VectorSet:
        if isinstance(view, VectorTeacher):
            return VectorSet.of(view.lookup(items, task).vector_BD)
        encode = view.encode_query if task == "query" else view.encode_document
        vectors = encode(
            items,
            batch_size=self.batch_size,
            show_progress_bar=bars_shown(self.progress),
            convert_to_numpy=True,
            normalize_embeddings=self.search == "vector" and self.unit_length,
        )
        return VectorSet.of(vectors)

    def given(self, values: Any, count: int, what: str) -> VectorSet:
        """Vectors that were computed elsewhere, checked like our own.

        Raises:
            ValueError: for another number of vectors than items, NaN or infinity.
        """
        vectors = VectorSet.of(values)
        if len(vectors) != count:
            raise ValueError(f"expected {count} vectors for {what}, one an item in their order, got {len(vectors)}")
        vectors.check(what)
        if vectors.lengths is None and self.unit_length:
            return VectorSet(torch.nn.functional.normalize(vectors.vectors, dim=-1))
        return vectors


def _is_whole(path: Path) -> bool:
    """Whether a piece is there as it was written; a damaged one is named."""
    try:
        VectorSet.load(path)
    except FileNotFoundError:
        return False
    except DamagedTensorsError as error:
        logger.warning("%s: encoding it again", error)
        return False
    return True


def _in_turn(items: Sequence[Any]) -> Iterator[Any]:
    """All items, a few in memory at a time; a column of a Dataset gives many as fast as one."""
    for start in range(0, len(items), READ_AT_ONCE):
        yield from items[start : start + READ_AT_ONCE]


def _take(items: Sequence[Any], rows: list[int]) -> list[Any]:
    return [items[row] for row in rows] if isinstance(items, list) else list(items[rows])


def fingerprint(model: Encoder | VectorTeacher, items: Sequence[Any], settings: tuple[Any, ...]) -> str:
    """A name for these vectors that another model, other items or other settings do not have."""
    whose = model.fingerprint if isinstance(model, VectorTeacher) else encoder_fingerprint(model)
    digest = hashlib.blake2b(whose.encode() + repr((FORMAT, *settings)).encode(), digest_size=16)
    for item in _in_turn(items):
        content = _content(item)
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()


def _content(item: Any) -> bytes:
    """A text, or an image with all that makes pixels of its bytes."""
    if isinstance(item, str):
        return item.encode("utf-8", "surrogatepass")
    return repr((item.mode, item.size, item.getpalette())).encode() + item.tobytes()
