"""What a study reads: bitext, collections, and documents of an index.

Frozen dataclasses that check themselves.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt
from pydantic.dataclasses import dataclass

from optical_hf.files import expand_name
from optical_hf.languages import by_canonical_language
from optical_hf.settings import STRICT

Name = Annotated[str, AfterValidator(expand_name)]
"""A hub id, or a folder whose `~` is expanded."""
NOT_EMPTY = Field(min_length=1)
Bitext = Annotated[
    dict[str, Annotated[tuple[str | tuple[str, ...], ...], NOT_EMPTY]], AfterValidator(by_canonical_language)
]
"""Language -> files; a pair of files is the foreign one and the English one."""

SEARCHED = "searched"
"""The set of documents that is always there: those of the collections that a run searches."""


@dataclass(frozen=True, config=STRICT)
class DocumentsSpec:
    """English documents of an index, which students learn from.

    Args:
        name: what systems call them.
        files: files or folders as `load_documents` takes them; a pair is one of texts and one of their vectors. None for
            `SEARCHED`.
        text: the column or field of the texts.
        vector: that of their vectors; None leaves them out.
    """

    name: str
    files: Annotated[tuple[Name | tuple[Name, Name], ...], NOT_EMPTY] | None = None
    text: str = "text"
    vector: str | None = "vector"


@dataclass(frozen=True, config=STRICT)
class CollectionSpec:
    """A retrieval collection; see docs/study.md for what each kind reads.

    Args:
        name: what tables call it.
        kind: the layout.
        queries: language -> file, or list of files for captions.
        documents: the English file; list of files for captions.
        images: file of image names, one a line (captions).
        metadata: metadata file (FLORES).
        english: language -> file of the query in English, for the ceiling (lines); list of files for captions.
        translations: language -> file of machine translations of the queries (lines).
        groups: file of one group name a line (lines).
        limit: queries of each language at most, the first ones; all documents stay.
        document_length: tokens kept of a document; None keeps the study's `max_seq_length`, which long documents want raised.
    """

    name: str
    kind: Literal["lines", "bitext", "captions", "flores_sentences", "flores_documents", "afriqa"]
    queries: Annotated[dict[str, str | tuple[str, ...]], NOT_EMPTY]
    documents: str | tuple[str, ...] | None = None
    images: str | None = None
    metadata: str | None = None
    english: dict[str, str] | tuple[str, ...] | None = None
    translations: dict[str, str] | None = None
    groups: str | None = None
    limit: PositiveInt | None = None
    document_length: PositiveInt | None = None

    def __post_init__(self) -> None:
        by_canonical_language(self.queries)
        needed = {
            "lines": ("documents",),
            "captions": ("documents", "images"),
            "flores_sentences": ("documents",),
            "flores_documents": ("documents", "metadata"),
        }
        for name in needed.get(self.kind, ()):
            if getattr(self, name) is None:
                raise ValueError(f"a collection of kind {self.kind} needs {name}")
