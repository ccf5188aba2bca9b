"""How often each language is seen in training: temperature sampling, with a cap on how often a row is repeated.

Knows nothing about models or trainers. With n_l pairs of language l, p_l is proportional to n_l^(1/T): T = 1 keeps the
sizes of the corpora, a large T makes languages equal (Arivazhagan et al. 2019, "Massively Multilingual Neural Machine
Translation in the Wild", arXiv:1907.05019, section 3.2). The order of an epoch is a function of seed and epoch
alone, so a run that is resumed, and every rank of a distributed run, sees the same one.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from datasets import IterableDataset, interleave_datasets
from numpy.typing import NDArray
from torch.utils.data import Sampler

# Shape legend: L languages, N rows, K draws of an epoch.


def language_probabilities(
    counts: Mapping[str, int], *, temperature: float = 1.0, max_repeats: float | None = None
) -> dict[str, float]:
    """Return how likely each language is to be drawn: p_l proportional to n_l^(1/T).

    Args:
        counts: pairs by language.
        temperature: T >= 1; 1 keeps the sizes of the corpora, infinity makes all languages equally likely.
        max_repeats: how often a row may be seen on average in an epoch of as many draws as there are pairs; a language
            that would be seen more often is held there, and what it loses goes to the others in proportion.

    Returns:
        Probabilities by language that add up to 1.

    Raises:
        ValueError: no languages, a count below 1, or an option out of range.

    Example:
        >>> language_probabilities({"de": 900, "so": 100}, temperature=2.0)
        {'de': 0.75, 'so': 0.25}
        >>> language_probabilities({"de": 900, "so": 100}, temperature=2.0, max_repeats=1)["so"]
        0.1
    """
    if not counts or min(counts.values()) < 1:
        raise ValueError(
            f"expected at least one pair of each language, got {dict(counts)}; leave out languages without any"
        )
    if not temperature >= 1:
        raise ValueError(
            f"expected temperature >= 1, got {temperature}; below 1 the large languages would crowd out the small"
        )
    if max_repeats is not None and not max_repeats >= 1:
        raise ValueError(
            f"expected max_repeats >= 1, got {max_repeats}; below 1 the draws of an epoch could not be filled"
        )
    sizes_L = np.array(list(counts.values()), dtype=float)
    shares_L = (sizes_L / sizes_L.max()) ** (1.0 / temperature)
    shares_L /= shares_L.sum()
    if max_repeats is not None:
        limits_L = max_repeats * sizes_L / sizes_L.sum()
        held_L = np.zeros(len(sizes_L), dtype=bool)
        while (over_L := ~held_L & (shares_L > limits_L * (1 + 1e-12))).any():
            held_L |= over_L
            free = shares_L[~held_L].sum()
            shares_L = np.where(held_L, limits_L, shares_L * (1 - limits_L[held_L].sum()) / (free or 1.0))
    return dict(zip(counts, shares_L.tolist(), strict=True))


class TemperatureSampler(Sampler[int]):
    """A sampler of row numbers that sees languages with the probabilities of `language_probabilities`.

    The number of draws of a language is its share of the epoch, rounded so that they add up, not a random number; its
    rows are all seen once before any is seen twice. Give the same sampler to every rank and let accelerate
    (as `Trainer` does) deal its batches out: the order does not depend on the rank.

    Args:
        languages: the language of each row, a table's column `language`.
        temperature: T >= 1, see `language_probabilities`.
        max_repeats: how often a row may be seen on average in an epoch.
        draws: rows of an epoch; None takes as many as there are rows.
        seed: with the epoch it decides the order.

    Raises:
        ValueError: as `language_probabilities`, or fewer than one draw.

    Example:
        >>> sampler = TemperatureSampler(["de"] * 9 + ["so"], temperature=2.0, seed=1)
        >>> sum(row == 9 for row in sampler)
        2
    """

    def __init__(
        self,
        languages: Sequence[str],
        *,
        temperature: float = 1.0,
        max_repeats: float | None = None,
        draws: int | None = None,
        seed: int = 0,
    ) -> None:
        codes, language_N = np.unique(np.asarray(languages[:]), return_inverse=True)
        counts = dict(zip(codes.tolist(), np.bincount(language_N).tolist(), strict=True))
        self.draws = len(language_N) if draws is None else draws
        if self.draws < 1 or (max_repeats is not None and self.draws > max_repeats * len(language_N)):
            raise ValueError(
                f"expected 1 to {max_repeats or 'any number of'} x {len(language_N)} draws an epoch, got {self.draws}"
            )
        cap = None if max_repeats is None else max_repeats * len(language_N) / self.draws
        self.probabilities = language_probabilities(counts, temperature=temperature, max_repeats=cap)
        self.seed = seed
        self.epoch, self.start = 0, 0
        self._rows = [np.flatnonzero(language_N == place) for place in range(len(codes))]

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the row numbers of an epoch (K,): a function of the arguments, the seed and the epoch."""
        shares_L = np.array(list(self.probabilities.values())) * self.draws
        draws_L = np.floor(shares_L).astype(int)
        largest = np.argsort(draws_L - shares_L, kind="stable")[: self.draws - int(draws_L.sum())]
        draws_L[largest] += 1
        chosen = []
        for place, (rows, draws) in enumerate(zip(self._rows, draws_L, strict=True)):
            generator = np.random.default_rng([self.seed, epoch, place])
            rounds = -(-int(draws) // len(rows))
            chosen.append(np.concatenate([generator.permutation(rows) for _ in range(rounds)] or [rows[:0]])[:draws])
        return np.random.default_rng([self.seed, epoch, len(chosen)]).permutation(np.concatenate(chosen))

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch that is iterated next.

        Args:
            epoch: its number.
            start: draws to leave out at its beginning, to go on exactly where a run stopped. `Trainer` leaves batches
                out by itself when it resumes and needs no start.
        """
        self.epoch, self.start = epoch, start

    def __iter__(self) -> Iterator[int]:
        yield from self.order(self.epoch)[self.start :].tolist()

    def __len__(self) -> int:
        return self.draws - self.start


def interleave_languages(
    streams: Mapping[str, IterableDataset],
    counts: Mapping[str, int],
    *,
    temperature: float = 1.0,
    max_repeats: float | None = None,
    seed: int = 0,
) -> IterableDataset:
    """Mix streamed bitext of several languages with the probabilities of `language_probabilities`.

    The mixture ends when every language was exhausted once; until then exhausted ones start over. Go on after an
    interruption with `state_dict` and `load_state_dict` of the result, and split it over ranks with
    `datasets.distributed.split_dataset_by_node`.

    Args:
        streams: by language what `load_bitext(..., streaming=True)` returns.
        counts: pairs by language, which a stream does not know.
        temperature: T >= 1, see `language_probabilities`.
        max_repeats: cap on how often a row is seen, see `language_probabilities`.
        seed: decides the order of the languages.

    Raises:
        ValueError: streams and counts are not of the same languages, or as `language_probabilities`.

    Example:
        >>> from datasets import Dataset
        >>> streams = {c: Dataset.from_dict({"language": [c] * 40}).to_iterable_dataset() for c in ("de", "so")}
        >>> mixture = interleave_languages(streams, {"de": 900, "so": 100}, temperature=2.0)
        >>> sum(row["language"] == "so" for row in mixture) < sum(row["language"] == "de" for row in mixture)
        True
    """
    if streams.keys() != counts.keys():
        raise ValueError(f"expected counts of the languages {sorted(streams)}, got those of {sorted(counts)}")
    probabilities = language_probabilities(counts, temperature=temperature, max_repeats=max_repeats)
    return interleave_datasets(
        [streams[language] for language in probabilities],
        probabilities=list(probabilities.values()),
        seed=seed,
        stopping_strategy="all_exhausted",
    )
