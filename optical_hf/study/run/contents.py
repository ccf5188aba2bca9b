"""What a run reads, by its content: rows of bitext and collections, weights of models; where they lie does not matter.

A changed file makes another run and a moved one does not. Rows are read and hashed; files of models are hashed once and known
again by path, size and time.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError

from optical_hf.files import expand_name, write_text
from optical_hf.models.fingerprint import digest_of
from optical_hf.models.module_files import module_files
from optical_hf.stores.documents.vector_columns import vectors_of
from optical_hf.study.config.grid import COLLECTION, RunConfig
from optical_hf.study.config.study_config import DICTIONARY
from optical_hf.study.run.run_data import EvaluationSet, read_bitext, read_collections, read_documents

MEMORY = "contents.json"
MODEL_SUFFIXES = (".safetensors", ".json", ".txt", ".model", ".jinja", ".py")
TRANSLATOR_SUFFIXES = (*MODEL_SUFFIXES, ".bin", ".spm")
NOT_READ = frozenset({"alignment.json", "training_args.json", "training_args.bin", "trainer_state.json"})
BITEXT_COLUMNS = ("language", "source", "target")


def digest_of_rows(rows: Dataset, columns: Sequence[str] = BITEXT_COLUMNS) -> str:
    """A hash of the rows of a table in their order, wherever they were read from."""
    digest = hashlib.sha256()
    for batch in rows.select_columns(list(columns)).iter(10_000):
        digest.update(json.dumps([batch[name] for name in columns], ensure_ascii=False).encode())
    return digest.hexdigest()[:16]


def digest_of_documents(documents: Dataset) -> str:
    """A hash of texts and their vectors."""
    digest = hashlib.sha256()
    for batch in documents.with_format("arrow").iter(10_000):
        digest.update(json.dumps(batch["text"].to_pylist(), ensure_ascii=False).encode())
        if "vector" in documents.column_names:
            digest.update(np.ascontiguousarray(vectors_of(batch["vector"])).data)
    return digest.hexdigest()[:16]


def digest_of_set(entry: EvaluationSet) -> str:
    """A hash of the queries, the documents and the judgements of a collection."""
    parts = [
        [*(digest_of_rows(table, sorted(table.column_names)) for table in (part.queries, part.documents)), part.qrels]
        for part in entry.parts
    ]
    return digest_of(parts)[:16]


def check_as_named(run: RunConfig, found: Mapping[str, str | None]) -> None:
    """Compare what a run has read with what it was named by when the study was started.

    Args:
        run: the run.
        found: hash by part, as `RunConfig.contents` has them.

    Raises:
        ValueError: a part is another one.
    """
    for part, digest in found.items():
        if digest is not None and run.contents.get(part, digest) != digest:
            raise ValueError(
                f"the {part} changed after the study was started: the run would stand under the name of what was there before; "
                "start the study again, which makes a new run of it"
            )


@dataclass
class Contents:
    """Hashes of what runs read, each computed once.

    Args:
        folder: of the study, where hashes of files are kept; nothing is kept where there is no such folder.
        fetch: bring models of the hub that are not on this machine.
    """

    folder: Path
    fetch: bool = False
    files: dict[str, list[Any]] = field(default_factory=dict)
    """Path -> size, time, hash."""
    found: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            self.files = json.loads((self.folder / MEMORY).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self.files = {}

    def save(self) -> None:
        """Keep the hashes of files for the next time."""
        if self.folder.is_dir():
            write_text(self.folder / MEMORY, json.dumps(self.files, indent=1))

    def of(self, run: RunConfig) -> dict[str, str | None]:
        """The hash of each part of a run that is read from somewhere; None where it cannot be read, which the run will say."""
        parts: dict[str, str | None] = {"teacher": self.model(run.teacher.path)}
        if run.student is not None:
            parts["student"] = self.model(run.student.path)
        if run.system.translator not in (None, DICTIONARY):
            parts["translator"] = self.translator(run.system.translator)
        if run.bitext:
            parts["bitext"] = self._once(f"bitext {run.bitext}", lambda: digest_of_rows(read_bitext(run.bitext)))
        if (documents := run.documents) is not None and documents.files is not None:
            parts["documents"] = self._once(
                f"documents {documents}", lambda: digest_of_documents(read_documents(documents))
            )
        if (queries := run.query_texts) is not None:
            parts["query_texts"] = self._once(
                f"documents {queries}", lambda: digest_of_documents(read_documents(queries))
            )
        for spec in run.collections:
            parts[COLLECTION + spec.name] = self._once(
                f"collection {spec}", lambda spec=spec: digest_of_set(read_collections([spec])[0])
            )
        return parts

    def model(self, name: str, suffixes: Sequence[str] = MODEL_SUFFIXES) -> str | None:
        """The hash of a model's weights, configuration and tokenizer; None where there is none."""
        return self._once(
            f"model {name}", lambda: self._of_files(_model_files(self._model_folder(name, suffixes), suffixes))
        )

    def translator(self, stated: str | dict[str, str] | None) -> str | None:
        """The hash of a translation model, or of what is stated for each language."""
        if isinstance(stated, dict):
            parts = {code: self.translator(one) for code, one in stated.items()}
            return None if None in parts.values() else digest_of(parts)[:16]
        place = Path(expand_name(stated or ""))
        if place.is_file():
            return self._once(f"file {place}", lambda: self._of_files({place.suffix: place}))
        return self.model(str(place), TRANSLATOR_SUFFIXES)

    def _once(self, name: str, read: Callable[[], str]) -> str | None:
        if name not in self.found:
            try:
                self.found[name] = read()
            except (ValueError, OSError, ImportError):
                self.found[name] = None
        return self.found[name]

    def _model_folder(self, name: str, suffixes: Sequence[str]) -> Path:
        if Path(name).is_dir():
            return Path(name)
        try:
            wanted = [f"*{suffix}" for suffix in suffixes]
            return Path(snapshot_download(name, allow_patterns=wanted, local_files_only=not self.fetch))
        except HFValidationError:
            raise ValueError(f"no model at {name!r}") from None

    def _of_files(self, files: Mapping[str, Path]) -> str:
        return digest_of({name: self._of_file(path) for name, path in files.items()})[:16]

    def _of_file(self, path: Path) -> str:
        place, stat = str(path.resolve()), path.stat()
        known = self.files.get(place)
        if known is None or known[:2] != [stat.st_size, stat.st_mtime_ns]:
            with path.open("rb") as file:
                known = [stat.st_size, stat.st_mtime_ns, hashlib.file_digest(file, "sha256").hexdigest()[:16]]
            self.files[place] = known
        return str(known[2])


def _model_files(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """The files that are read when a model is loaded, by their name in its folder: those of its modules, no checkpoints.

    Raises:
        ValueError: there are none.
    """
    files = {path.relative_to(folder).as_posix(): path for path in module_files(folder, suffixes, NOT_READ)}
    if not files:
        raise ValueError(f"no model in {str(folder)!r}")
    return files
