"""Synthetic bitext: English texts with their machine translations, in files that `load_bitext` reads.

Texts are translated in pieces of 256. A piece is kept on disk under the hash of its translator, language and texts until the file
of its language is whole. So a run that was stopped goes on, and ends with the file that it would have written at once.
"""

import gzip
import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from optical_hf.bars import bars_shown
from optical_hf.files import check_folder, write_text, write_whole
from optical_hf.languages import by_canonical_language

ENGLISH = "en"
PIECE = 256
"""Texts that are translated before they are put on disk."""
RECORD = "translation.json"
_PIECES, _LOCK = ".pieces", ".lock"

logger = logging.getLogger(__name__)


class TextTranslator(Protocol):
    """What translates: a `Seq2SeqTranslator`, or a function with a name and a fingerprint.

    Attributes:
        name: for messages and the record.
        fingerprint: the hash of what decides its translations into a language.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def fingerprint(self) -> str: ...  # noqa: D102

    def __call__(self, texts: list[str], language: str) -> list[str]: ...  # noqa: D102


@dataclass(frozen=True)
class _Job:
    """A language to be written.

    Attributes:
        pieces: hash of each piece, in order.
        key: hash of all of them.
    """

    language: str
    translator: TextTranslator
    file: Path
    pieces: list[str]
    key: str


def write_bitext(
    texts: Iterable[str],
    translators: Mapping[str, TextTranslator],
    output: str | PathLike[str],
    *,
    progress: bool = True,
) -> dict[str, Path]:
    """Translate English texts and write a file of bitext for each language: `so-en.tsv.gz`, Somali, tab, English.

    A text that comes twice is translated once. White space of a text becomes single spaces. An empty translation is left out. A
    file is written whole or not at all, and one that is there from the same texts and translator stays.

    Args:
        texts: in English.
        translators: for each language to write what translates into it, such as `load_translators` returns.
        output: a new folder, or one that this function wrote to. `translation.json` in it says which model wrote which file.
        progress: show a progress bar.

    Returns:
        The file of each language.

    Raises:
        ValueError: no text, English as a language to write, a folder that holds something else or is written to by another
            process, a file of other texts or another model, a translator that writes nothing.
        OSError: a folder that cannot be written to.

    Example:
        >>> import tempfile
        >>> class Shout:
        ...     name = fingerprint = "shout"
        ...     def __call__(self, texts, language):
        ...         return [text.upper() for text in texts]
        >>> files = write_bitext(["a dog", "two cats"], {"so": Shout()}, tempfile.mkdtemp(), progress=False)
        >>> gzip.decompress(files["so"].read_bytes())
        b'A DOG\\ta dog\\nTWO CATS\\ttwo cats\\n'
    """
    folder = check_bitext_folder(output)
    named = by_canonical_language(translators)
    if ENGLISH in named:
        raise ValueError("the texts are English, and English is among the languages to write: leave it out")
    found = list(dict.fromkeys(filter(None, (" ".join(text.split()) for text in texts))))
    if not found:
        raise ValueError("there are no texts to translate: expected one at least that is not empty")
    pieces = [found[start : start + PIECE] for start in range(0, len(found), PIECE)]
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        record = _record(folder)
        jobs = [_job(folder, language, translator, pieces) for language, translator in named.items()]
        for job in jobs:
            if job.file.exists() and record.get(job.language, {}).get("key") != job.key:
                raise ValueError(
                    f"{job.file} is there already, from other texts or another model: name another folder, or delete the file"
                )
        write_text(folder / RECORD, _as_json(record))
        for job in jobs:
            if job.file.exists():
                logger.info("%s is there already, from the same texts and model", job.file)
                continue
            pairs = _translated(job, pieces, progress)
            record[job.language] = {"model": job.translator.name, "pairs": len(pairs), "key": job.key}
            write_text(folder / RECORD, _as_json(record))
            _write_pairs(job.file, pairs)
            for name in job.pieces:
                _piece_file(folder, name).unlink(missing_ok=True)
        with suppress(OSError):  # pieces of another run are there
            (folder / _PIECES).rmdir()
    return {job.language: job.file for job in jobs}


def check_bitext_folder(output: str | PathLike[str]) -> Path:
    """The path of a folder that `write_bitext` may write to.

    Raises:
        ValueError: it holds something that `write_bitext` did not write.
        OSError: it cannot be written to.
    """
    folder = check_folder(output)
    holds = folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir())
    if holds and not (folder / RECORD).exists():
        raise ValueError(
            f"{str(output)!r} is not an empty folder, and holds no {RECORD} of an earlier translation: name a new one"
        )
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    try:
        with FileLock(folder / _LOCK, timeout=0):
            yield
    except Timeout:
        raise ValueError(f"another process writes bitext to {folder}: wait for it, or name another folder") from None


def _record(folder: Path) -> dict[str, Any]:
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise ValueError(f"{path} is damaged: expected the record of an earlier translation; delete it and its files")
    return record


def _as_json(record: Mapping[str, Any]) -> str:
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def _job(folder: Path, language: str, translator: TextTranslator, pieces: Sequence[list[str]]) -> _Job:
    names = [_hash([translator.fingerprint, language, piece]) for piece in pieces]
    file = folder / f"{language.replace('-', '_')}-{ENGLISH}.tsv.gz"
    return _Job(language, translator, file, names, _hash(names))


def _hash(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=16).hexdigest()


def _piece_file(folder: Path, name: str) -> Path:
    return folder / _PIECES / f"{name}.json"


def _translated(job: _Job, pieces: Sequence[list[str]], progress: bool) -> list[tuple[str, str]]:
    """English and foreign side of each pair, of pieces that are on disk or are translated now."""
    pairs: list[tuple[str, str]] = []
    count = sum(map(len, pieces))
    with tqdm(total=count, desc=f"Translating into {job.language}", disable=not bars_shown(progress)) as bar:
        for name, piece in zip(job.pieces, pieces, strict=True):
            path = _piece_file(job.file.parent, name)
            if (foreign := _kept(path, len(piece))) is None:
                foreign = [" ".join(text.split()) for text in job.translator(piece, ENGLISH)]
                if len(foreign) != len(piece):
                    raise ValueError(
                        f"{job.translator.name} returned {len(foreign)} translations of {len(piece)} texts"
                    )
                write_text(path, json.dumps(foreign, ensure_ascii=False))
            pairs += ((english, text) for english, text in zip(piece, foreign, strict=True) if text)
            bar.update(len(piece))
    if not pairs:
        raise ValueError(f"{job.translator.name} writes nothing in {job.language} for any of {count} texts")
    if len(pairs) < count:
        logger.warning("%s: %d of %d translations are empty and left out", job.language, count - len(pairs), count)
    return pairs


def _kept(path: Path, count: int) -> list[str] | None:
    """The translations of a piece that is on disk, None where it is not or cannot be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, list) and len(found) == count else None


def _write_pairs(file: Path, pairs: Iterable[tuple[str, str]]) -> None:
    def write(beside: Path) -> None:
        # Without name and time in its head, so that equal pairs are equal files.
        with beside.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
            packed.writelines(f"{foreign}\t{english}\n".encode() for english, foreign in pairs)

    write_whole(file, write)
