"""Reading bitext and finding where it has slipped, and reading Flickr30k Entities: speed, memory, recall, false alarms.

    python examples/benchmarks/data.py load [--rows 10000 100000 1000000]
    python examples/benchmarks/data.py entities [--images 30000]
    python examples/benchmarks/data.py misalignment DATA     # a folder with tico19/, multi30k/, tatoeba_v1/, ... as upstream

One function a section. Loading is compared with the CSV reader of `datasets` in the same run, each in a process of its own,
in turn, medians of three up to 10^5 pairs; rows a second of processor time are what other work on the machine disturbs least.
"""

import argparse
import gzip
import json
import multiprocessing
import platform
import resource
import statistics
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

import datasets

from optical_hf import load_bitext
from optical_hf.data.entities import load_flickr30k_entities
from optical_hf.data.entities.records import Release, phrase_rows
from optical_hf.data.entities.splits import split_ids
from optical_hf.data.quality import misalignment as finder
from optical_hf.data.quality.misalignment import find_misaligned_runs
from optical_hf.scenes import generate_scenes
from optical_hf.scenes.entities_export import export_flickr30k_entities

REPEATS = 3
KNOWN = ((1161, 1703, -1), (1861, 3071, -1))  # the slipped ranges of tico19/raw_upstream_misaligned.so
TICO = ("mr", "sw", "tl", "zu", "ha", "id", "am", "ar", "bn", "hi", "km", "my", "ne", "om", "ru", "ta", "ur", "zh")
CLEAN = {
    **{f"tico19 {code}": f"tico19/test.{code}.jsonl.gz" for code in TICO},
    **{f"multi30k {code}": f"multi30k/train.{code}.gz" for code in ("de", "fr", "cs")},
    **{
        f"flores {code[:3]}": f"flores200_devtest/{code}.txt.gz"
        for code in ("som_Latn", "swh_Latn", "mar_Deva", "fin_Latn")
    },
    **{f"tatoeba {code}": f"tatoeba_v1/{code}-eng.tsv.gz" for code in ("deu", "swh", "mar", "tgl", "fin", "ara")},
    **{f"tatoeba train {code}": f"tatoeba_train/{code}-eng.tsv.gz" for code in ("tur", "fin", "mar")},
}
LONG = 20_000  # rows of the longest files that are looked at


def invent(path, rows):
    """A file of pairs of 20 to 200 characters."""
    words = [chr(97 + place % 26) * (2 + place % 9) for place in range(997)]
    with open(path, "w", encoding="utf-8") as file:
        for row in range(rows):
            length = 3 + row * 7919 % 12
            text = " ".join(words[(row * 31 + place * 17) % 997] for place in range(length))
            file.write(f"{text} {row}\t{text} {row}\n")


def read(loader, path, cache, out):
    """Read every row once, in a process of its own, and tell seconds and how much the memory has grown."""
    datasets.disable_progress_bars()
    next(iter(datasets.Dataset.from_dict({"a": [1]}).to_iterable_dataset()))  # what is imported at the first row
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    columns = {"column_names": ["target", "source"], "delimiter": "\t", "quoting": 3}
    if loader.startswith("load_bitext"):
        rows = load_bitext(path, streaming="streamed" in loader, cache_dir=cache)
    else:
        rows = datasets.load_dataset(
            "csv", data_files=path, split="train", streaming="streamed" in loader, cache_dir=cache, **columns
        )
    count = sum(1 for _ in rows) if "streamed" in loader else len(rows)
    used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    out.put((count / (time.perf_counter() - wall), count / (time.process_time() - cpu), used))


def load(sizes):
    print("| pairs | reader | rows a second | rows a processor second | memory grown by, MiB |\n|---|---|---|---|---|")
    loaders = ("load_bitext", "datasets csv", "load_bitext streamed", "datasets csv streamed")
    fork = multiprocessing.get_context("spawn")
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/so-en.tsv"
            invent(path, rows)
            found = {loader: [] for loader in loaders}
            for repeat in range(REPEATS if rows <= 100_000 else 1):
                for loader in loaders:
                    out = fork.Queue()
                    process = fork.Process(target=read, args=(loader, path, f"{folder}/{loader}{repeat}", out))
                    process.start()
                    found[loader].append(out.get())
                    process.join()
            for loader, runs in found.items():
                wall, cpu, used = (statistics.median(values) for values in zip(*runs, strict=True))
                print(f"| {rows:,} | {loader} | {wall:,.0f} | {cpu:,.0f} | {used:,.0f} |", flush=True)


def texts(folder, name):
    """The two sides of a file, at most the first LONG rows."""
    path = folder / name
    if name.endswith(".jsonl.gz"):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        return [row["en"] for row in rows][:LONG], [row["x"] for row in rows][:LONG]
    rows = load_bitext(str(path), cache_dir=tempfile.mkdtemp())
    return rows["source"][:LONG], rows["target"][:LONG]


def slip(foreign, first, rows):
    """One row is lost at `first` and one put in `rows` later: what lies between has slipped by one."""
    return [*foreign[:first], *foreign[first + 1 : first + rows], foreign[first], *foreign[first + rows :]]


def covered(runs, first, last, offset):
    """The share of rows first to last that lie in a run with that offset."""
    rows = sum(max(0, min(run.last, last) - max(run.first, first) + 1) for run in runs if run.offset == offset)
    return rows / (last - first + 1)


def misalignment(folder):
    datasets.disable_progress_bars()
    english, foreign = texts(folder, "tico19/raw_upstream_misaligned.so.jsonl.gz")
    started = time.process_time()
    runs = find_misaligned_runs(english, foreign)
    took = time.process_time() - started
    print(f"the slipped file, {len(english):,} rows, {took:.2f} processor seconds:")
    for run in runs:
        print(f"- {run}")
    outside = sum(run.last - run.first + 1 for run in runs) - sum(
        round(covered(runs, *known) * (known[1] - known[0] + 1)) for known in KNOWN
    )
    print(
        f"- recall of the known rows {[round(covered(runs, *known), 4) for known in KNOWN]}, rows outside them {outside}"
    )
    repaired = [texts(folder, f"tico19/{part}.so.repaired.jsonl.gz") for part in ("test", "dev")]
    sides = [[*first, *second] for first, second in zip(*repaired, strict=True)]
    print(f"the repaired file, {len(sides[0]):,} rows: runs {find_misaligned_runs(*sides)}\n")

    print("Rows lost in a clean file: share of the slipped rows found with their offset, by the length of the run.\n")
    print(
        "| file | rows | false alarms | 10 | 30 | 100 | 300 | 300, by lengths alone |\n|---|---|---|---|---|---|---|---|"
    )
    tokens = finder._tokens
    for label, name in CLEAN.items():
        english, foreign = texts(folder, name)
        alarms = find_misaligned_runs(english, foreign)
        first = len(english) // 3
        shares = []
        for rows in (10, 30, 100, 300):
            found = find_misaligned_runs(english, slip(foreign, first, rows))
            shares.append(covered(found, first + 1, first + rows - 1, -1))
        finder._tokens = lambda text: set()
        found = find_misaligned_runs(english, slip(foreign, first, 300))
        finder._tokens = tokens
        shares.append(covered(found, first + 1, first + 299, -1))
        told = " | ".join(f"{share:.0%}" for share in shares)
        print(f"| {label} | {len(english):,} | {len(alarms)} | {told} |", flush=True)


def entities_parser(images):
    """Scenes written as a release, read as rows and into a table, beside the standard library's XML on the same files."""
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as folder:
        release = export_flickr30k_entities(generate_scenes(images), Path(folder) / "release", images=False)
        splits = {split: split_ids(split, release, None) for split in ("train", "val", "test")}

        def xml_only():
            return sum(len(ElementTree.parse(path).findall("object")) for path in (release / "Annotations").iterdir())

        def rows():
            return sum(1 for ids in splits.values() for _ in phrase_rows(Release(str(release)), ids))

        def table():
            tables = (load_flickr30k_entities(release, split, cache_dir=folder) for split in splits)
            return sum(len(phrases) for phrases in tables)

        print(f"{images:,} annotation files and {images:,} sentence files of five captions\n")
        print("| what | found | processor s | wall s | peak MiB of the process so far |\n|---|---|---|---|---|")
        for what, run in (
            ("annotations by xml.etree, unchecked", xml_only),
            ("both parsed and checked, rows", rows),
            ("both parsed, the table in the cache", table),
        ):
            wall, cpu = time.perf_counter(), time.process_time()
            found = run()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"| {what} | {found:,} | {cpu:.1f} | {wall:.1f} | {peak:.0f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sections = parser.add_subparsers(dest="section", required=True)
    sections.add_parser("load").add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    sections.add_parser("entities").add_argument("--images", type=int, default=30_000)
    sections.add_parser("misalignment").add_argument("data", type=Path)
    options = parser.parse_args()
    print(f"datasets {datasets.__version__}, Python {platform.python_version()}, {platform.machine()}\n")
    if options.section == "load":
        load(options.rows)
    elif options.section == "entities":
        entities_parser(options.images)
    else:
        misalignment(options.data)
