"""How often each language is seen in training: temperature sampling, with a cap on how often a row is repeated.

With n_l pairs of language l, p_l is proportional to n_l^(1/T): T = 1 keeps the
sizes of the corpora, a large T makes languages equal (Arivazhagan et al. 2019, "Massively Multilingual Neural Machine
Translation in the Wild", arXiv:1907.05019, section 3.2). The order of an epoch is a function of seed and epoch
alone, so a run that is resumed, and every rank of a distributed run, sees the same one.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from datasets import IterableDataset, interleave_datasets
from numpy.typing import NDArray

from optical_hf.data.batches.length_batches import EpochOrder

# Shape legend: L languages, N rows.


def language_probabilities(
    counts: Mapping[str, int], *, temperature: float = 1.0, max_repeats: float | None = None
) -> dict[str, float]:
    """Return how likely each language is to come next: p_l proportional to n_l^(1/T).

    Args:
        counts: pairs by language.
        temperature: T >= 1; 1 keeps the sizes of the corpora, infinity makes all languages equally likely.
        max_repeats: how often a row may be seen on average in an epoch of as many rows as there are pairs; a language
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
        raise ValueError(f"expected max_repeats >= 1, got {max_repeats}; below 1 an epoch could not be filled")
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


class TemperatureSampler(EpochOrder):
    """A sampler of row numbers that sees languages with the probabilities of `language_probabilities`.

    An epoch has as many rows as the table. How many are of a language is its share, rounded so that they add up, not a random
    number; its rows are all seen once before any is seen twice. Give the same sampler to every rank and let accelerate
    (as `Trainer` does) deal its batches out: the order does not depend on the rank.

    Args:
        languages: the language of each row, a table's column `language`.
        temperature: T >= 1, see `language_probabilities`.
        max_repeats: how often a row may be seen on average in an epoch.
        seed: with the epoch it decides the order.

    Raises:
        ValueError: as `language_probabilities`.

    Example:
        >>> sampler = TemperatureSampler(["de"] * 9 + ["so"], temperature=2.0, seed=1)
        >>> sum(row == 9 for row in sampler)
        2
    """

    def __init__(
        self, languages: Sequence[str], *, temperature: float = 1.0, max_repeats: float | None = None, seed: int = 0
    ) -> None:
        codes, language_N = np.unique(np.asarray(languages[:]), return_inverse=True)
        super().__init__(len(language_N), seed)
        self._rows = [np.flatnonzero(language_N == place) for place in range(len(codes))]
        counts = {code: len(rows) for code, rows in zip(codes.tolist(), self._rows, strict=True)}
        self.probabilities = language_probabilities(counts, temperature=temperature, max_repeats=max_repeats)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the row numbers of an epoch (N,)."""
        shares_L = np.array(list(self.probabilities.values())) * self.count
        times_L = np.floor(shares_L).astype(int)
        largest = np.argsort(times_L - shares_L, kind="stable")[: self.count - int(times_L.sum())]
        times_L[largest] += 1
        chosen = []
        for place, (rows, times) in enumerate(zip(self._rows, times_L, strict=True)):
            generator = np.random.default_rng([self.seed, epoch, place])
            rounds = -(-int(times) // len(rows))
            chosen.append(np.concatenate([generator.permutation(rows) for _ in range(rounds)] or [rows[:0]])[:times])
        return np.random.default_rng([self.seed, epoch, len(chosen)]).permutation(np.concatenate(chosen))


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
