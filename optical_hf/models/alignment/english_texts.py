"""The English texts beside the bitext: documents of the index and queries, chosen and read for a fit."""

import logging
from dataclasses import dataclass

import torch
from datasets import Dataset

from optical_hf.models.alignment.index_documents import (
    TEXT,
    VECTOR,
    Documents,
    DocumentVectors,
    read_documents,
    read_query_texts,
    sample_documents,
)
from optical_hf.models.alignment.pooled_texts import PooledTexts
from optical_hf.models.alignment.relevance_pairs import read_pairs, sample_pairs
from optical_hf.models.alignment.token_rows import DocumentTokens, read_document_tokens
from optical_hf.stores.documents.document_sentences import cut_sentences

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EnglishTexts:
    """Chooses English texts and has both models read them.

    Attributes:
        student: reads texts into pooled vectors.
        teacher: as well.
        count: texts that are read, at most.
        seed: of the choice.
        device: where tokens are put.
    """

    student: PooledTexts
    teacher: PooledTexts
    count: int
    seed: int
    device: torch.device

    def index(
        self, chosen: Dataset | None, held_out: int, tokens_per_text: int | None
    ) -> tuple[DocumentTokens | None, DocumentVectors | None, list[str]]:
        """The documents to fit on, the vectors of those held out, at most a tenth, and the texts of the first.

        Args:
            chosen: from `sample_documents`; None gives None.
            held_out: documents to hold out.
            tokens_per_text: content tokens kept of a document; None keeps none.
        """
        if chosen is None:
            return None, None, []
        if tokens_per_text is None:
            read = DocumentTokens(read_documents(chosen, self.student, self.teacher))
        else:
            if VECTOR in chosen.column_names:
                logger.warning(
                    "the given vectors of documents are not used: MaxSim needs tokens, so the teacher reads %d texts as documents",
                    len(chosen),
                )
            readers, batch_size = (self.student.reader, self.teacher.reader), self.student.batch_size
            read = read_document_tokens(chosen[TEXT][:], *readers, tokens_per_text, batch_size, self.device)
        first, unseen = read.split(min(held_out, len(chosen) // 10))
        fitted: list[str] = chosen[TEXT][: len(first.vectors.text_N)]
        return first, unseen if len(unseen.text_N) else None, fitted

    def sentences(self, texts: list[str], index: DocumentTokens | None) -> DocumentVectors | None:
        """The sentences of the documents to fit on; the target of each is its document's vector.

        Args:
            texts: the documents.
            index: what `index` returned with them.

        Raises:
            ImportError: without nltk (extra `translate`).
        """
        cut = [(sentence, place) for place, text in enumerate(texts) for sentence in cut_sentences(text)]
        if index is None or not cut:
            return None
        parts, places = map(list, zip(*cut, strict=True))
        place_N = torch.tensor(places)
        target_NK = index.vectors.target_NK[place_N.to(index.vectors.target_NK.device)]
        return DocumentVectors(self.student(parts), target_NK, index.vectors.text_N[place_N])

    def relevance(self, relevance_pairs: Dataset | None) -> DocumentVectors | None:
        """The vectors of English queries and of the documents that answer them; None where there are none."""
        if relevance_pairs is None:
            return None
        chosen = sample_pairs(relevance_pairs, self.count, self.seed, self.teacher.reader.width)
        return read_pairs(chosen, self.student, self.teacher)

    def queries(self, query_texts: Documents | None) -> DocumentVectors | None:
        """The vectors of English queries; None where there are none."""
        if query_texts is None:
            return None
        width = self.teacher.reader.width
        chosen = sample_documents(query_texts, self.count, self.seed, width, "query_texts")
        return read_query_texts(chosen, self.student, self.teacher)
