"""Does one cut-off of the score serve all languages? What a student's right answers score, by language, beside re-indexing.

    OMP_NUM_THREADS=1 python examples/benchmarks/cutoffs.py DATA MODELS [--vectors FOLDER --others 20000]

Teacher all-MiniLM-L6-v2, student multilingual-e5-small ("query: ") with the contrastive map of contrastive_map.py on 2,000 pairs of
each of seven languages and 10,000 documents of the index, all pseudo-foreign; one seed. One index holds the documents of Tatoeba v1
and LAFAND dev, 400 of each language, among captions and sentences. `--vectors` is a folder of contrastive_map.py. The cut-off is
the lowest that makes 90 % of all shown answers right. It is chosen on the queries of even number, and tried on those of odd number.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear, normalize
from vector_sets import TEST, Encoders, bitext_vectors, fitted, other_texts, queries

from optical_hf.evaluation.report.cutoffs import PRECISION, lowest_cutoff
from optical_hf.models.alignment.contrastive_map import ContrastiveRows
from optical_hf.models.alignment.map_descent import ContrastiveSettings

SETS, PAIRS, QUERIES, READ = ("Tatoeba v1", "LAFAND dev"), 2000, 400, 10_000

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", type=Path)
parser.add_argument("models", type=Path)
parser.add_argument("--vectors", type=Path, help="folder that keeps what was encoded")
parser.add_argument("--others", type=int, default=20_000, help="captions and sentences in the index")
options = parser.parse_args()
encode = Encoders(options.models, options.vectors)
torch.set_num_threads(1)

sets = {}
for place, path in TEST.items():
    if place[0] in SETS:
        foreign, documents, _ = (side[:QUERIES] for side in queries(options.data / path))
        sets[place] = foreign, documents
beside = other_texts(options.data, options.others)
parts = [documents for _, documents in sets.values()] + [beside]
every = [text for part in parts for text in part]
row_of = {text: row for row, text in reversed(list(enumerate(every)))}
own_ND, vector_NK = (torch.cat([read(part) for part in parts]) for read in (encode.student, encode.teacher))


def student_map() -> tuple[Tensor, Tensor]:
    """The weight and the bias of the student's map."""
    foreign_ND, english_ND, target_NK = bitext_vectors(encode, options.data, PAIRS)
    seen = torch.randperm(len(own_ND), generator=torch.Generator().manual_seed(0))[:READ]
    kinds = [
        ContrastiveRows(torch.cat([foreign_ND, english_ND]), target_NK.repeat(2, 1), 0.5),
        ContrastiveRows(own_ND[seen], vector_NK[seen], 0.5, foreign_ND - english_ND, 1.0),
    ]
    return fitted(kinds, torch.cat([target_NK, vector_NK[seen]]), ContrastiveSettings(seed=0))


def answers(query_QD: Tensor, document_ND: Tensor, documents: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The score of each query's first document, and whether it is the right text."""
    score_Q, row_Q = (normalize(query_QD, dim=1) @ normalize(document_ND, dim=1).T).max(dim=1)
    right = [row_of[every[row]] == row_of[text] for row, text in zip(row_Q.tolist(), documents, strict=True)]
    return score_Q.numpy().astype(float), np.array(right)


weight_KD, bias_K = student_map()
systems = {
    "student": (lambda query_QD: linear(query_QD, weight_KD, bias_K), vector_NK),
    "re-indexing": (lambda query_QD: query_QD, own_ND),
}
print(f"{len(row_of):,} documents, {sum(len(foreign) for foreign, _ in sets.values()):,} queries")
for name, (read, documents_ND) in systems.items():
    found = {
        place: answers(read(encode.student(foreign)), documents_ND, texts) for place, (foreign, texts) in sets.items()
    }
    chosen = lowest_cutoff(*(np.concatenate([one[side][::2] for one in found.values()]) for side in (0, 1)))
    print(f"\n{name}: one cut-off for {PRECISION:.0%} right answers: {chosen}")
    print(
        "| set | language | R@1 | right answers score, median | shown | of these right | own cut-off | shown | right |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for (where, code), (score_Q, right_Q) in found.items():
        own = lowest_cutoff(score_Q[::2], right_Q[::2])
        cells = [f"{100 * right_Q.mean():.0f}", f"{np.median(score_Q[right_Q]):.3f}"]
        for cutoff in (chosen, own):
            cells += [] if cutoff is chosen else ["" if cutoff is None else f"{cutoff:.3f}"]
            shown_Q = score_Q[1::2] >= (np.inf if cutoff is None else cutoff)
            cells += [
                f"{100 * shown_Q.mean():.0f}",
                f"{100 * right_Q[1::2][shown_Q].mean():.0f}" if shown_Q.any() else "",
            ]
        print(f"| {where} | {code} | {' | '.join(cells)} |", flush=True)
