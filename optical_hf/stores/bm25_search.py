"""BM25 of translated queries in English documents, by `bm25s`: the baseline without a model. Needs the extra `search`.

Robertson and Zaragoza 2009; the variant of Lucene (k1 1.5, b 0.75), words of two letters and more, English stop words.
"""

from collections.abc import Sequence

import numpy as np

from optical_hf.stores.search_engine import Best


def bm25_best(queries: Sequence[str], documents: Sequence[str], count: int) -> Best:
    """The `count` best documents of each query; a document that shares no word with it is not found.

    Raises:
        ImportError: without the extra `search`.
    """
    try:
        import bm25s  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ImportError('the system bm25 needs bm25s: pip install "optical-hf[search]"') from error
    index = bm25s.BM25()
    index.index(bm25s.tokenize(list(documents), show_progress=False), show_progress=False)
    asked = bm25s.tokenize(list(queries), show_progress=False, return_ids=False)
    rows, scores = index.retrieve(asked, k=min(count, len(documents)), show_progress=False)
    found = np.asarray(scores) > 0
    return Best(np.where(found, rows, -1).astype(np.int64), np.where(found, scores, -np.inf).astype(np.float32))
