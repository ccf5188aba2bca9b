"""The English texts that a run learns from beside its bitext: documents of the index, queries, relevance pairs.

Here they are chosen and checked. What becomes of them is in training_rows.py.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from datasets import Dataset

from optical_hf.losses import Contrastive, Loss
from optical_hf.models import Encoder, kind_of
from optical_hf.models.alignment.chosen_documents import ChosenDocuments
from optical_hf.models.alignment.index_documents import Documents, sample_documents
from optical_hf.models.alignment.relevance_pairs import sample_pairs
from optical_hf.models.teachers.teacher import Teacher
from optical_hf.training.arguments import OTDistillationArguments
from optical_hf.training.trainer.index_reproduction import split_documents


@dataclass
class TrainingTexts:
    """The texts of a run; None where there are none, or where they are among the rows already.

    Attributes:
        documents: of the index, without those held out.
        held_out: documents that the student is judged by.
        query_texts: English queries, with `text`.
        relevance_pairs: with `query`, `document` and maybe `vector`.
    """

    documents: ChosenDocuments | None = None
    held_out: Dataset | None = None
    query_texts: Dataset | None = None
    relevance_pairs: Dataset | None = None

    @classmethod
    def chosen(
        cls,
        args: OTDistillationArguments,
        student: Encoder,
        teacher: Teacher,
        losses: Iterable[Loss],
        bitext: Any,
        documents: Documents | None,
        query_texts: Documents | None,
        relevance_pairs: Dataset | None,
    ) -> "TrainingTexts":
        """A random choice of each, at most `args.max_documents`.

        Raises:
            ValueError: for texts that cannot be learnt from, queries that stand alone, or relevance pairs and losses that do not
                search.
        """
        texts, most = cls(), (args.max_documents, args.seed, teacher.width)
        asked = {"query_texts": query_texts, "relevance_pairs": relevance_pairs}
        if alone := [
            name for name, given in asked.items() if given is not None and bitext is None and documents is None
        ]:
            raise ValueError(f"{alone[0]} stand beside train_dataset or documents: pass one of these too")
        if query_texts is not None:
            texts.query_texts = sample_documents(query_texts, *most, "query_texts")
        if relevance_pairs is not None:
            if others := [str(loss) for loss in losses if not isinstance(loss, Contrastive)]:
                raise ValueError(
                    f"relevance_pairs teach a query to find its document, and {', '.join(others)} would not: take "
                    "losses='contrastive'"
                )
            texts.relevance_pairs = sample_pairs(relevance_pairs, *most)
        if documents is not None:
            texts.documents = ChosenDocuments.of(documents, *most)
            if args.eval_strategy != "no" and kind_of(student) == "vector":
                learnt, texts.held_out = split_documents(texts.documents.read)
                texts.documents = replace(texts.documents, read=learnt)
        return texts
