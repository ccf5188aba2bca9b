"""Bitext files of several languages as one mixed and shuffled stream: what trains when a table would not fit the disk.

Knows nothing about models or ranks. The files are read once to count the pairs of each language, then as often as is asked.
"""

from collections import Counter
from functools import partial

from datasets import IterableDataset

from optical_hf.data.batches.sampling import interleave_languages
from optical_hf.data.bitext.bad_rows import OnBadRow
from optical_hf.data.bitext.bitext_builder import Sources, load_bitext
from optical_hf.data.bitext.bitext_files import LINE_LIMIT
from optical_hf.data.bitext.pairs import Columns
from optical_hf.renamed import renamed_argument


@renamed_argument("on_empty", "on_bad_row")
def stream_bitext(
    sources: Sources,
    *,
    temperature: float = 1.0,
    max_repeats: float | None = None,
    buffer_size: int = 10_000,
    columns: Columns | None = None,
    on_bad_row: OnBadRow = "error",
    max_line_bytes: int = LINE_LIMIT,
    seed: int = 0,
) -> IterableDataset:
    """Stream bitext, its languages mixed with the probabilities of `language_probabilities`, its rows shuffled in a buffer.

    Args:
        sources: as `load_bitext` takes them.
        temperature: T >= 1; 1 keeps the sizes of the corpora.
        max_repeats: cap on how often a row is seen.
        buffer_size: rows held and shuffled together.
        columns: as `load_bitext` takes it.
        on_bad_row: as `load_bitext` takes it; every reading of a file says in the log what it left out.
        max_line_bytes: as `load_bitext` takes it.
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
    read = partial(
        load_bitext, sources, columns=columns, on_bad_row=on_bad_row, max_line_bytes=max_line_bytes, streaming=True
    )
    counts = Counter(row["language"] for row in read())
    streams = {code: read(languages=[code]) for code in sorted(counts)}
    wanted = {code: counts[code] for code in streams}
    mixture = interleave_languages(streams, wanted, temperature=temperature, max_repeats=max_repeats, seed=seed)
    return mixture.shuffle(seed=seed, buffer_size=buffer_size)
