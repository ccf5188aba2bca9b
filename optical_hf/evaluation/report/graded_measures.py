"""MAP, nDCG@10 and P@10 of a report, by language, where queries have many relevant documents. Knows reports as they were made.

With one relevant document a query, MAP is MRR and P@10 a tenth of R@10: these measures then say nothing more.
"""

import numpy as np

from optical_hf.data import RetrievalCollection
from optical_hf.evaluation import RetrievalReport
from optical_hf.evaluation.searching import Found
from optical_hf.metrics.ranking import trec_measures

MEASURES = {"AP": "MAP", "nDCG@10": "nDCG@10", "P@10": "P@10"}
"""As ir-measures names them, and as tables do once they are averaged."""


def graded_measures(report: RetrievalReport) -> dict[str, dict[str, float]]:
    """Means by language over the queries of all collections of a report with one system.

    Args:
        report: as `evaluate_retrieval` returned it, with its runs.

    Returns:
        language -> measure -> mean; empty where no query has a second relevant document.
    """
    if all(len(answers) < 2 for part in report.collections.values() for answers in part.relevance):
        return {}
    values: dict[str, dict[str, list[float]]] = {}
    for found in report.found.values():
        for name, collection in report.collections.items():
            languages = dict(zip(collection.queries["id"][:], collection.queries["language"][:], strict=True))
            for measure, by_query in _values(collection, found[name]).items():
                for query, value in by_query.items():
                    values.setdefault(languages[query], {}).setdefault(MEASURES[measure], []).append(value)
    return {code: {name: float(np.mean(listed)) for name, listed in found.items()} for code, found in values.items()}


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
