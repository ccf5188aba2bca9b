"""Bitext files of several languages as one mixed and shuffled stream: what trains when a table would not fit the disk.

Knows nothing about models or ranks. The files are read once to count the pairs of each language, then as often as is asked.
"""

from collections import Counter

from datasets import IterableDataset

from optical_hf.data.bitext import Sources, load_bitext
from optical_hf.data.bitext_rows import OnEmpty
from optical_hf.data.sampling import interleave_languages


def stream_bitext(
    sources: Sources,
    *,
    temperature: float = 1.0,
    max_repeats: float | None = None,
    buffer_size: int = 10_000,
    on_empty: OnEmpty = "error",
    seed: int = 0,
) -> IterableDataset:
    """Stream bitext, its languages mixed with the probabilities of `language_probabilities`, its rows shuffled in a buffer.

    Args:
        sources: as `load_bitext` takes them.
        temperature: T >= 1; 1 keeps the sizes of the corpora.
        max_repeats: cap on how often a row is seen.
        buffer_size: rows held and shuffled together.
        on_empty: as `load_bitext` takes it.
        seed: of the mixture and of the shuffles.

    Returns:
        A stream that ends when every language was exhausted once.

    Raises:
        ValueError: as `load_bitext` and `language_probabilities`.

    Example:
        >>> import tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> for code, word, count in (("som", "biyo", 10), ("deu", "Wasser", 40)):
        ...     _ = (folder / f"{code}-eng.tsv").write_text(f"{word}\\twater\\n" * count, encoding="utf-8")
        >>> mixture = stream_bitext([folder / "som-eng.tsv", folder / "deu-eng.tsv"], temperature=5.0)
        >>> sum(row["language"] == "so" for row in mixture.take(50)) > 10
        True
    """
    counts = Counter(row["language"] for row in load_bitext(sources, on_empty=on_empty, streaming=True))
    streams = {
        code: load_bitext(sources, languages=[code], on_empty=on_empty, streaming=True) for code in sorted(counts)
    }
    wanted = {code: counts[code] for code in streams}
    mixture = interleave_languages(streams, wanted, temperature=temperature, max_repeats=max_repeats, seed=seed)
    return mixture.shuffle(seed=seed, buffer_size=buffer_size)
