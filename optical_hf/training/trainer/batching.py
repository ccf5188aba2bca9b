"""Which pairs a step sees: by language, by length, by a budget of tokens; from a table or from a stream without an end.

Where none of our arguments is set, the order is that of `transformers.Trainer`.
"""

from collections.abc import Callable, Sized
from functools import partial
from typing import Any

import numpy as np
from accelerate.data_loader import prepare_data_loader
from datasets import Dataset, IterableDataset
from numpy.typing import NDArray
from torch.utils.data import BatchSampler, DataLoader
from transformers import Trainer, TrainerCallback
from transformers.trainer_utils import seed_worker

from optical_hf.data.batches.length_batches import EpochOrder, LengthBatches, ShuffledRows
from optical_hf.data.batches.sampling import TemperatureSampler
from optical_hf.data.bitext.streams import EndlessStream
from optical_hf.models import Encoder
from optical_hf.models.prompts import prompt_of
from optical_hf.training.arguments import OTDistillationArguments
from optical_hf.training.trainer.sharing import SharedBatches


def training_batches(trainer: Trainer, default: Callable[[], DataLoader], least_pairs: int) -> DataLoader:
    """The training batches of this process, as `OTDistillationArguments` says.

    Args:
        trainer: the run.
        default: makes the batches of `transformers.Trainer`.
        least_pairs: pairs that a step must have to teach something.
    """
    args, dataset, size = trainer.args, trainer.train_dataset, trainer._train_batch_size
    if isinstance(dataset, IterableDataset):
        if args.sampling_temperature is not None or args.tokens_per_batch is not None:
            raise ValueError(
                "sampling_temperature and tokens_per_batch need a table, and train_dataset is a stream, whose languages and "
                "lengths are not known: mix streams with optical_hf.data.batches.sampling.interleave_languages and group them "
                "with train_sampling_strategy='group_by_length', or load the bitext with streaming=False"
            )
        stream = EndlessStream(
            dataset, group=size * args.world_size if args.grouped_by_length else None, seed=args.seed
        )
        loader = _loader(trainer, stream, batch_size=size, drop_last=args.dataloader_drop_last)
        return trainer.accelerator.prepare(loader)
    if dataset is None or not isinstance(dataset, Sized):
        return default()
    if args.sampling_temperature is not None or args.grouped_by_length:
        order: Any = row_order(dataset, args)
        batches: Any = BatchSampler(order, size, drop_last=False)
        if args.grouped_by_length:
            batches = _by_length(trainer, order)
    else:
        loader = default()
        if args.world_size == 1 and not 0 < len(dataset) % size < least_pairs:
            return loader
        batches = loader.batch_sampler  # where there are several processes, accelerate has put its own around it
        batches = getattr(batches, "batch_sampler", batches)
        order = batches.sampler
    trainer.remove_callback(SetEpoch)  # that of a batch size that did not fit
    if hasattr(order, "set_epoch"):
        trainer.add_callback(SetEpoch(order))
    shares = SharedBatches(
        batches, args.world_size, args.process_index, least=least_pairs, drop_last=args.dataloader_drop_last
    )
    accelerator = trainer.accelerator
    return prepare_data_loader(  # one process to accelerate, for the batches are shared out already
        _loader(trainer, dataset, batch_sampler=shares), accelerator.device, num_processes=1, process_index=0,
        put_on_device=True, dispatch_batches=False, non_blocking=accelerator.non_blocking,
    )  # fmt: skip


def _by_length(trainer: Trainer, order: EpochOrder) -> LengthBatches:
    args, dataset, size = trainer.args, trainer.train_dataset, trainer._train_batch_size
    budget = args.tokens_per_batch
    if budget is not None:  # auto_find_batch_size may have made the batch smaller
        budget = max(1, budget * size // args.train_batch_size)
    column = args.length_column_name  # lengths that are known, else counted on the way
    lengths = dataset[column][:] if column in dataset.column_names else TokenCounts(dataset, trainer.model)
    return LengthBatches(order, lengths, batch_size=size, tokens=budget)


def _loader(trainer: Trainer, dataset: Any, **batches: Any) -> DataLoader:
    args = trainer.args
    names = (
        "num_workers",
        "pin_memory",
        "persistent_workers",
        "prefetch_factor",
        "multiprocessing_context",
        "in_order",
    )
    options = {name: getattr(args, f"dataloader_{name}", None) for name in names}  # 5.6 has not the last two
    seeded = partial(seed_worker, num_workers=args.dataloader_num_workers, rank=args.process_index)
    given = {name: value for name, value in options.items() if value is not None}
    return DataLoader(dataset, collate_fn=trainer.data_collator, worker_init_fn=seeded, **given, **batches)


class SetEpoch(TrainerCallback):
    """Tell an order of rows which epoch begins; accelerate's loaders do not reach it through all their wrappers."""

    def __init__(self, order: EpochOrder) -> None:
        self.order = order

    def on_epoch_begin(self, args, state, control, **kwargs: Any) -> None:
        """The epoch is a whole number here, or lies within the epoch a resumed run goes on with."""
        self.order.set_epoch(int(state.epoch or 0))


def row_order(dataset: Dataset, args: OTDistillationArguments) -> EpochOrder:
    """All rows shuffled, or languages drawn with a temperature.

    Raises:
        ValueError: where languages are to be sampled and no column names them.
    """
    seed = args.data_seed if args.data_seed is not None else args.seed
    if args.sampling_temperature is None:
        return ShuffledRows(len(dataset), seed)
    if "language" not in dataset.column_names:
        raise ValueError(
            f"sampling_temperature samples by language and train_dataset has no column 'language' (columns "
            f"{dataset.column_names}): load it with optical_hf.load_bitext, or leave sampling_temperature out"
        )
    return TemperatureSampler(
        dataset["language"], temperature=args.sampling_temperature, max_repeats=args.sampling_max_repeats, seed=seed
    )


class TokenCounts:
    """Tokens of the target sides of rows as the student reads them, each counted once, when a batch first needs it."""

    def __init__(self, dataset: Dataset, student: Encoder) -> None:
        self._texts, self._student = dataset.select_columns("target"), student
        self._prompt = prompt_of(student, "query") or ""
        self._counts = np.zeros(len(dataset), dtype=np.int64)

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The counts of some rows."""
        new = np.unique(rows[self._counts[rows] == 0])
        for start in range(0, len(new), 4096):
            part = new[start : start + 4096]
            texts = [self._prompt + text for text in self._texts[part]["target"]]
            read = self._student.tokenizer(
                texts, truncation=True, max_length=self._student.max_seq_length, padding=False
            )
            self._counts[part] = [max(1, len(ids)) for ids in read["input_ids"]]
        return self._counts[rows]
