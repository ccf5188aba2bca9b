"""The token cache against the online teacher: time of a batch, bytes on disk, and how far the tokens are apart.

python examples/benchmarks/token_cache.py TEACHER TEXTS.gz [--count 5000]
"""

import argparse
import gzip
import statistics
import tempfile
import time
from itertools import islice

import torch

from optical_hf.models import iter_token_sets, load_teacher
from optical_hf.models.teachers.token_cache import TeacherCache

BATCH, REPEATS = 32, 40

parser = argparse.ArgumentParser()
parser.add_argument("teacher")
parser.add_argument("texts")
parser.add_argument("--count", type=int, default=5000)
options = parser.parse_args()

with gzip.open(options.texts, "rt", encoding="utf-8") as lines:
    texts = list(dict.fromkeys(line.strip() for line in islice(lines, options.count)))
teacher = load_teacher(options.teacher, device="cpu")

with tempfile.TemporaryDirectory() as folder:
    caches, build = {}, {}
    for dtype in ("float16", "int8"):
        started = time.perf_counter()
        caches[dtype] = TeacherCache.build(teacher, texts, folder, dtype=dtype, progress=False)
        build[dtype] = time.perf_counter() - started
        started = time.perf_counter()
        TeacherCache.build(teacher, texts, folder, dtype=dtype, progress=False)
        build[f"{dtype} again"] = time.perf_counter() - started

    generator = torch.Generator().manual_seed(0)
    times: dict[str, list[float]] = {"online": [], "float16": [], "int8": []}
    apart: dict[str, list[float]] = {"float16": [], "int8": []}
    for _ in range(REPEATS):  # interleaved, so that what else the machine does hits all alike
        batch = [texts[int(i)] for i in torch.randint(len(texts), (BATCH,), generator=generator)]
        started = time.perf_counter()
        online = next(iter_token_sets(teacher, batch, batch_size=BATCH))
        times["online"].append(time.perf_counter() - started)
        for dtype, cache in caches.items():
            started = time.perf_counter()
            found = cache.lookup(batch)
            times[dtype].append(time.perf_counter() - started)
            mask = online.mask_BN
            cosine = torch.cosine_similarity(found.tokens_BND[mask], online.tokens_BND[mask], dim=1)
            apart[dtype].append(float(1 - cosine.min()))

    print(
        f"{len(texts)} texts, batches of {BATCH}, {REPEATS} batches, medians; torch threads {torch.get_num_threads()}"
    )
    print("| teacher | ms a batch | speed-up | largest 1 - cos of a token | bytes a text | build s | open again s |")
    print("|---|---|---|---|---|---|---|")
    base = statistics.median(times["online"])
    print(f"| online | {base * 1e3:.1f} | 1 | 0 | 0 | | |")
    for dtype, cache in caches.items():
        size = sum(path.stat().st_size for path in cache.folder.iterdir()) / len(texts)
        median = statistics.median(times[dtype])
        print(
            f"| {dtype} | {median * 1e3:.1f} | {base / median:.0f} | {max(apart[dtype]):.1e} | {size:,.0f} | "
            f"{build[dtype]:.1f} | {build[f'{dtype} again']:.1f} |"
        )
