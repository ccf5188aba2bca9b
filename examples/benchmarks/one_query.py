"""Read queries one at a time as a server does, on one core: milliseconds of processor time a query, and the memory it takes.

python examples/benchmarks/one_query.py {library,onnx,int8} FOLDER TEXTS.json VECTORS.npy

Run by serving.py in a process of its own. FOLDER is what `optical-hf convert --to onnx` wrote; int8 reads `onnx/model_int8.onnx`
in it. TEXTS.json is a list of queries. With ONNX neither torch nor transformers is imported: onnxruntime and tokenizers alone.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

WARM_UP = 10
GRAPHS = {"onnx": "model.onnx", "int8": "model_int8.onnx"}


def by_library(folder: Path) -> Callable[[str], np.ndarray]:
    import torch  # noqa: PLC0415 (with ONNX none of it is imported)
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    torch.set_num_threads(1)
    model = SentenceTransformer(str(folder), device="cpu")
    return lambda text: model.encode_query(text, show_progress_bar=False)


def by_graph(folder: Path, graph: str) -> Callable[[str], np.ndarray]:
    import onnxruntime  # noqa: PLC0415
    from tokenizers import Tokenizer  # noqa: PLC0415

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"])
    prompt = json.loads((folder / "config_sentence_transformers.json").read_text())["prompts"].get("query", "")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "onnx" / graph), options, providers=["CPUExecutionProvider"])
    wanted = {given.name for given in session.get_inputs()}

    def read(text: str) -> np.ndarray:
        found = tokenizer.encode(prompt + text)
        inputs = {"input_ids": found.ids, "attention_mask": found.attention_mask, "token_type_ids": found.type_ids}
        given = {name: np.array([ids], dtype=np.int64) for name, ids in inputs.items() if name in wanted}
        return session.run(["sentence_embedding"], given)[0][0]

    return read


backend, folder, texts, vectors = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
queries = json.loads(texts.read_text(encoding="utf-8"))
read = by_library(folder) if backend == "library" else by_graph(folder, GRAPHS[backend])
for text in queries[:WARM_UP]:
    read(text)
found, milliseconds = [], []
for text in queries:
    start = time.process_time()
    found.append(read(text))
    milliseconds.append(1e3 * (time.process_time() - start))
np.save(vectors, np.stack(found))
slow = statistics.quantiles(milliseconds, n=20)[-1]
status = (
    Path("/proc/self/status").read_text(encoding="ascii").split("VmHWM:")[1]
)  # ru_maxrss would hold the parent's too
memory = int(status.split()[0]) / 1024
print(json.dumps({"median": statistics.median(milliseconds), "slow": slow, "memory": memory}))
