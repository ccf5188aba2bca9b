"""MAP, nDCG@10 and P@10 by language, by ir-measures, for collections whose queries have several relevant documents.

With one relevant document a query, MAP is MRR and P@10 a tenth of R@10: they would add nothing.
"""

from collections.abc import Sequence

import numpy as np

from optical_hf.data import RetrievalCollection
from optical_hf.evaluation.searching import Found
from optical_hf.metrics.ranking import trec_measures

MEASURES = {"AP": "MAP", "nDCG@10": "nDCG@10", "P@10": "P@10"}
"""As ir-measures names them, and as tables do once they are averaged."""


def graded_measures(
    collections: Sequence[RetrievalCollection], results: Sequence[Found]
) -> dict[str, dict[str, float]]:
    """Means by language over the queries of all collections.

    Args:
        collections: what was searched.
        results: the documents that one system retrieved, by collection.

    Returns:
        language -> measure -> mean; empty where no query has a second relevant document.
    """
    if all(len(answers) < 2 for collection in collections for answers in collection.relevance):
        return {}
    values: dict[str, dict[str, list[float]]] = {}
    for collection, found in zip(collections, results, strict=True):
        languages = dict(zip(collection.queries["id"][:], collection.queries["language"][:], strict=True))
        for measure, by_query in _values(collection, found).items():
            for query, value in by_query.items():
                values.setdefault(languages[query], {}).setdefault(MEASURES[measure], []).append(value)
    return {code: {name: float(np.mean(part)) for name, part in parts.items()} for code, parts in values.items()}


def _values(collection: RetrievalCollection, found: Found) -> dict[str, dict[str, float]]:
    documents = collection.documents["id"][:]
    run = {
        query: {documents[row]: float(score) for row, score in zip(rows, scores, strict=True) if row >= 0}
        for query, rows, scores in zip(collection.queries["id"][:], found.documents, found.scores, strict=True)
    }
    least = collection.relevant_grade
    qrels = {
        query: {document: grade for document, grade in collection.qrels[query].items() if grade >= least}
        for query in run
    }
    return trec_measures(qrels, run, list(MEASURES))
