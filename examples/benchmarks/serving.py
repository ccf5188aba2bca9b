"""What a query costs on one core, by sentence-transformers and by ONNX in float32 and int8, and what int8 costs in R@1.

    OMP_NUM_THREADS=1 python examples/benchmarks/serving.py ../shared/data ~/.cache/optical-hf-models /tmp/serving

The student: multilingual-e5-small fitted to all-MiniLM-L6-v2 by ridge regression, which takes seconds and shows as well what int8
costs. Queries: Tatoeba v1, each language into its own English sentences. Re-indexing: the untrained backbone reads both.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from datasets import concatenate_datasets
from onnxruntime.quantization import QuantType, quantize_dynamic
from reference_sets import TATOEBA, TRAIN, tatoeba, training_pairs

from optical_hf import fit_alignment, load_student, load_teacher
from optical_hf.models.export.onnx_export import save_onnx

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", type=Path)
parser.add_argument("models", type=Path)
parser.add_argument("output", type=Path, help="folder for the student and its graphs; what is there is used again")
parser.add_argument("--pairs", type=int, default=1200)
parser.add_argument("--limit", type=int, default=200, help="queries of each language")
options = parser.parse_args()
sets = {code: tatoeba(options.data, code, name, options.limit) for code, name in TATOEBA.items()}
teacher = load_teacher(options.models / "all-MiniLM-L6-v2", device="cpu")
place, graphs = options.output / "student", options.output / "student" / "onnx"
options.output.mkdir(parents=True, exist_ok=True)

if not place.exists():
    student = load_student(options.models / "multilingual-e5-small", teacher, query_prompt="query: ")
    bitext = concatenate_datasets([training_pairs(options.data, code) for code in TRAIN]).shuffle(seed=0)
    fit_alignment(student, teacher, bitext.select(range(options.pairs)), method="ridge")
    save_onnx(student, place)
if not (graphs / "model_int8.onnx").exists():
    quantize_dynamic(graphs / "model.onnx", graphs / "model_int8.onnx", weight_type=QuantType.QInt8)


def right(query_QD: np.ndarray, document_RD: np.ndarray, relevance: list[list[int]]) -> float:
    """R@1: the share of queries whose nearest document answers them."""
    best = (query_QD @ document_RD.T).argmax(axis=1)
    return float(np.mean([row in answers for row, answers in zip(best, relevance, strict=True)]))


queries = [text for collection in sets.values() for text in collection.queries["text"]]
(options.output / "texts.json").write_text(json.dumps(queries), encoding="utf-8")
systems, costs = {}, {}
for backend in ("library", "onnx", "int8"):
    vectors = options.output / f"{backend}.npy"
    command = [sys.executable, str(Path(__file__).with_name("one_query.py")), backend, str(place)]
    done = subprocess.run(
        [*command, str(options.output / "texts.json"), str(vectors)], capture_output=True, text=True, check=True
    )
    costs[backend], systems[backend] = json.loads(done.stdout.splitlines()[-1]), np.load(vectors)
backbone = load_teacher(
    options.models / "multilingual-e5-small", device="cpu", query_prompt="query: ", document_prompt="query: "
)

print(
    "| read by | ms a query, median | 95 of 100 under | peak memory, MB | graph or weights, MB | least cosine to the library |"
)
print("|---|---|---|---|---|---|")
sizes = {"library": place / "model.safetensors", "onnx": graphs / "model.onnx", "int8": graphs / "model_int8.onnx"}
for backend, cost in costs.items():
    least = (systems[backend] * systems["library"]).sum(axis=1) / np.linalg.norm(systems[backend], axis=1)
    size = sizes[backend].stat().st_size / 2**20
    print(
        f"| {backend} | {cost['median']:.1f} | {cost['slow']:.1f} | {cost['memory']:.0f} | {size:.0f} | {least.min():.5f} |"
    )
print("\n| R@1 | " + " | ".join(sets) + " | mean | recovery |\n|---|" + "---|" * (len(sets) + 2))
rows, start = {backend: [] for backend in (*systems, "re-indexing")}, 0
for collection in sets.values():
    texts, asked, relevance = collection.documents["text"][:], collection.queries["text"][:], collection.relevance
    documents = teacher.encode_document(texts, show_progress_bar=False)
    for backend, vectors in systems.items():
        rows[backend].append(right(vectors[start : start + len(asked)], documents, relevance))
    start += len(asked)
    own = backbone.encode_document(texts, show_progress_bar=False)
    rows["re-indexing"].append(right(backbone.encode_query(asked, show_progress_bar=False), own, relevance))
ceiling = np.mean(rows["re-indexing"])
for name, shares in rows.items():
    figures = " | ".join(f"{100 * share:.1f}" for share in (*shares, np.mean(shares)))
    print(f"| {name} | {figures} | {np.mean(shares) / ceiling:.3f} |")
