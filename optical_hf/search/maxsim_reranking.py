"""Late interaction in an index of one vector a text: the first hits are compared again, token by token.

The teacher reads the texts of the hits as tokens, the student the queries, and MaxSim orders them (Khattab and Zaharia 2020,
arXiv:2004.12832, section 4.5). Nothing is stored.
"""

from collections.abc import Sequence

import torch

from optical_hf.evaluation.encode.encoding import Encoding
from optical_hf.models.tokens import Encoder
from optical_hf.processes import Processes
from optical_hf.stores.document_store import StoreHits
from optical_hf.stores.exact_search import ExactSearch
from optical_hf.stores.vectors import VectorStore


def reranked(
    student: Encoder, teacher: Encoder, queries: Sequence[str], hits: StoreHits, top: int, batch_size: int
) -> StoreHits:
    """The hits of each query ordered by MaxSim, the best `top` of them.

    Args:
        student: reads the queries.
        teacher: reads the texts of the hits, each once.
        queries: of the search.
        hits: what a first search found for them.
        top: documents of each query.
        batch_size: texts in one forward pass.
    """
    text_of = {
        key: text for ids, texts in zip(hits.ids, hits.texts, strict=True) for key, text in zip(ids, texts, strict=True)
    }
    if not text_of:
        return hits
    row_of = {key: row for row, key in enumerate(text_of)}
    encoding, alone = Encoding("maxsim", batch_size=batch_size, progress=False), Processes()
    asked = encoding.encode(student, list(queries), "query", "the queries", alone).in_item_order(alone)
    read = encoding.encode(teacher, list(text_of.values()), "document", "the documents", alone).in_item_order(alone)
    found = StoreHits([], [], [])
    for number, ids in enumerate(hits.ids):
        order, scores = [], []
        if ids:
            candidates = VectorStore.of(read.pick(torch.tensor([row_of[key] for key in ids])))
            best = ExactSearch().index(candidates).search(asked.items(number, number + 1), min(top, len(ids)))
            order, scores = best.positions[0].tolist(), best.scores[0].tolist()
        found.ids.append([ids[place] for place in order])
        found.scores.append(scores)
        found.texts.append([text_of[ids[place]] for place in order])
    return found
