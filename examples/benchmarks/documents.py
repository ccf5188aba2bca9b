"""Documents with given vectors: rows a second, and memory that does not grow with them.

    OMP_NUM_THREADS=1 python examples/benchmarks/documents.py [--rows 1000000]

Invented texts with random vectors are written as Parquet and as a text file with an array beside it. `load_documents` reads each
in a process of its own: into an empty cache, and again from the cache. Memory is what the process holds beside mapped files.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

WIDTH, BLOCK = 384, 50_000


def write_files(folder: Path, rows: int) -> None:
    generator = np.random.default_rng(0)
    array = np.lib.format.open_memmap(folder / "docs.npy", "w+", np.float32, (rows, WIDTH))
    schema = pa.schema({"text": pa.string(), "vector": pa.list_(pa.float32(), WIDTH)})
    with pq.ParquetWriter(folder / "docs.parquet", schema) as parquet, open(folder / "docs.txt", "w") as lines:
        for start in range(0, rows, BLOCK):
            texts = [f"document {n} says what stands in row {n}" for n in range(start, min(start + BLOCK, rows))]
            vectors = generator.standard_normal((len(texts), WIDTH), dtype=np.float32)
            column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), WIDTH)
            parquet.write_table(pa.table([texts, column], schema=schema))
            array[start : start + len(texts)] = vectors
            lines.writelines(f"{text}\n" for text in texts)


def held() -> float:
    """MiB of this process that are not mapped from files."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")) / 1024


def measure(path: str, cache: str) -> None:
    import datasets  # noqa: PLC0415 (not in the process that only starts others)

    from optical_hf import load_documents  # noqa: PLC0415

    datasets.disable_progress_bars()
    before, most, done = held(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.02):
            most = max(most, held())

    watcher = threading.Thread(target=watch)
    watcher.start()
    begun, processor = time.perf_counter(), time.process_time()
    rows = len(load_documents(path, cache_dir=cache))
    seconds, busy = time.perf_counter() - begun, time.process_time() - processor
    done.set()
    watcher.join()
    print(f"{rows:,} | {seconds:.1f} | {busy:.1f} | {rows / busy:,.0f} | {max(most - before, 0):.0f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(*options.measure)
        sys.exit()
    print("| source | read | rows | s | processor s | rows / processor s | MiB held at most, above the start |")
    print("|---|---|---|---|---|---|---|")
    for rows in (options.rows // 10, options.rows):
        with tempfile.TemporaryDirectory() as folder:
            write_files(Path(folder), rows)
            for name in ("docs.parquet", "docs.txt"):
                for read in ("first", "from the cache"):
                    command = [sys.executable, __file__, "--measure", f"{folder}/{name}", f"{folder}/cache"]
                    row = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
                    source = "Parquet" if name == "docs.parquet" else "text and `.npy`"
                    print(f"| {source} | {read} | {row} |", flush=True)
