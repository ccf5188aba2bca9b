"""Single wrong pairs in a bitext: precision and recall at known shares, shares of clean files, speed.

    python examples/benchmarks/mismatched_pairs.py DATA [--only mixed clean speed]

Wrong pairs are made: the translations of randomly chosen rows change places among each other. DATA is a folder with tico19/,
multi30k/, tatoeba_train/, lafand_mt/, hornmt/, globalvoices_id/, ... as upstream. `mixed` prints first the files on which the
method was made, then files on which it was only run.
"""

import argparse
import resource
import time
from pathlib import Path

import datasets
import numpy as np
from data import CLEAN, texts

from optical_hf import load_bitext
from optical_hf.data.quality.mismatch import ALARM, FEWEST, find_mismatched_pairs

SHARES = (0.01, 0.05, 0.10)
MADE_ON = {
    "tatoeba train tgl": "tatoeba_train/tgl-eng.tsv.gz",
    "tico19 so, repaired": "tico19/test.so.repaired.jsonl.gz",
    "lafand ibo": "lafand_mt/ibo-eng.train.tsv.gz",
    "hornmt so": "hornmt",
}
RUN_ON = {
    "tatoeba train mar": "tatoeba_train/mar-eng.tsv.gz",
    "tatoeba train fin": "tatoeba_train/fin-eng.tsv.gz",
    "lafand swa": "lafand_mt/swa-eng.train.tsv.gz",
    "lafand hau": "lafand_mt/hau-eng.train.tsv.gz",
    "multi30k de": "multi30k/train.de.gz",
    "globalvoices id": "globalvoices_id/ind-eng.train.tsv.gz",
    "tico19 ha": "tico19/test.ha.jsonl.gz",
    "flores swh": "flores200_devtest/swh_Latn.txt.gz",
}


def sides(folder: Path, name: str, rows: int) -> tuple[list[str], list[str]]:
    if name == "hornmt":
        table = load_bitext({"so": [(str(folder / "hornmt/som.txt.gz"), str(folder / "hornmt/eng.txt.gz"))]})
        return table["source"][:rows], table["target"][:rows]
    english, foreign = texts(folder, name)
    return english[:rows], foreign[:rows]


def mixed_up(foreign: list[str], share: float) -> tuple[list[str], np.ndarray]:
    """Rows of which a share has changed places, and which rows are wrong now."""
    chosen = np.random.default_rng(0).permutation(len(foreign))[: round(share * len(foreign))]
    given = list(foreign)
    for row, other in zip(chosen, np.roll(chosen, 1), strict=True):
        given[row] = foreign[other]
    return given, np.array([one != other for one, other in zip(given, foreign, strict=True)])


def mixed(folder: Path, rows: int) -> None:
    print(
        "| file | rows | wrong | estimated share (95 %) | named | precision | recall |\n|---|---|---|---|---|---|---|"
    )
    for label, name in (MADE_ON | RUN_ON).items():
        english, foreign = sides(folder, name, rows)
        for share in SHARES:
            given, wrong = mixed_up(foreign, share)
            found = find_mismatched_pairs(english, given)
            hits = int(wrong[[row - 1 for row in found.rows]].sum())
            precision = f"{hits / len(found.rows):.2f}" if found.rows else "-"
            print(
                f"| {label} | {len(english):,} | {share:.0%} | {found.share:.1%} ({found.low:.1%} to {found.high:.1%}) | "
                f"{len(found.rows):,} | {precision} | {hits / wrong.sum():.2f} |",
                flush=True,
            )


def clean(folder: Path, rows: int) -> None:
    print(f"\nFiles that pass for clean, of {FEWEST} rows or more; an alarm is a share above {ALARM:.1%}.\n")
    print("| file | rows | estimated share (95 %) | named |\n|---|---|---|---|")
    for label, name in (CLEAN | MADE_ON | RUN_ON).items():
        english, foreign = sides(folder, name, rows)
        if len(english) >= FEWEST:
            found = find_mismatched_pairs(english, foreign)
            told = f"{found.share:.2%} ({found.low:.2%} to {found.high:.2%})"
            print(f"| {label} | {len(english):,} | {told} | {len(found.rows):,} |", flush=True)


def speed(folder: Path, rows: int) -> None:
    table = load_bitext([str(folder / f"lafand_mt/{code}-eng.train.tsv.gz") for code in ("swa", "ibo", "yor")])
    english, foreign = ((table[side][:] * 3)[:100_000] for side in ("source", "target"))
    print("\n| rows | processor s | MiB of the process at most |\n|---|---|---|")
    for count in (50_000, 100_000):
        begun = time.process_time()
        find_mismatched_pairs(english[:count], foreign[:count])
        took = time.process_time() - begun
        print(
            f"| {count:,} | {took:.0f} | {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} |", flush=True
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="+", default=["mixed", "clean", "speed"])
    parser.add_argument("--rows", type=int, default=10_000, help="of each file at most")
    options = parser.parse_args()
    datasets.disable_progress_bars()
    for part in options.only:
        globals()[part](options.data, options.rows)
