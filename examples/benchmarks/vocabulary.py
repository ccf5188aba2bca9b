"""German for an English-only backbone: R@1 on Multi30k by the start of the new pieces' embeddings.

The student's backbone is the teacher itself. Pieces are learnt and aligned on all training pairs, and the closed form is fitted
on the same pairs. Asked of the student: the English original of a German caption (500 of test_2018_flickr; not the first 300, which
chose the settings), before the fit and after it, and then another person's English caption of the same image
(multi30k_task2, val.2.de to val.1.en; val.2.en to val.1.en is the teacher's own score).

python examples/benchmarks/vocabulary.py all-MiniLM-L6-v2 DATA [--only transport random] [--fit 1500]
"""

import argparse
import tempfile
import time
from pathlib import Path

from optical_hf.data import load_bitext
from optical_hf.data.collections.collection_files import read_lines
from optical_hf.models import Encoder, fit_alignment, load_student, load_teacher
from optical_hf.models.alignment.held_out import held_out_score
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.models.vocabulary import extend_vocabulary

LANGUAGE, QUERIES = "de", slice(300, 800)
STARTS: dict[str, dict | None] = {
    "transport": {},
    "no new pieces": None,
    "transport, nearest piece only": {"neighbours": 1},
    "transport, 8 neighbours": {"neighbours": 8},
}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("model")
parser.add_argument("data", type=Path)
parser.add_argument("--only", nargs="+", choices=STARTS, default=list(STARTS))
parser.add_argument("--fit", type=int, help="pairs for the closed form, drawn at random; the default is all of them")
parser.add_argument("--size", type=int, default=8000)
parser.add_argument("--also-english", action="store_true", help="the fit reads the English sides too: twice as long")
options = parser.parse_args()


def captions(queries: str, documents: str) -> list[dict]:
    sides = (read_lines(options.data / "multi30k_task2" / f"val.{name}.gz") for name in (queries, documents))
    return [{"target": query, "source": document} for query, document in zip(*sides, strict=True)]


bitext = load_bitext(options.data / "multi30k" / f"train.{LANGUAGE}.gz")
fitted = bitext.shuffle(seed=0).select(range(options.fit)) if options.fit else bitext
translated = list(load_bitext(options.data / "multi30k" / f"test_2018_flickr.{LANGUAGE}.gz"))[QUERIES]
independent = captions(f"2.{LANGUAGE}", "1.en")
teacher = load_teacher(options.model, device="cpu")


def score(student: Encoder, pairs: list) -> str:
    found = held_out_score(student, teacher, pairs)
    return f"{100 * found.vector:.1f} / {100 * found.maxsim:.1f}"


print(
    f"{len(bitext)} pairs for the pieces, {len(fitted)} for the fit, {len(translated)} and {len(independent)} queries"
)
print(f"R@1, one vector / MaxSim; English to English, independent captions: {score(teacher, captions('2.en', '1.en'))}")
print("| new embeddings | pieces a text | translated, before the fit | translated | independent | seconds |")
print("|---|---|---|---|---|---|", flush=True)
with tempfile.TemporaryDirectory() as folder:
    cache = TeacherCache.build(teacher, fitted, folder)
    for name in options.only:
        student, arguments = load_student(options.model, teacher, device="cpu"), STARTS[name]
        started, pieces = time.perf_counter(), ""
        if arguments is not None:
            report = extend_vocabulary(student, bitext, LANGUAGE, size=options.size, progress=False, **arguments)
            pieces = f"{report.length_before:.1f} -> {report.length_after:.1f}"
        cells = [score(student, translated)]
        fit_alignment(student, cache, fitted, method="transport", also_english=options.also_english, progress=False)
        cells += [score(student, translated), score(student, independent)]
        seconds = time.perf_counter() - started
        print(f"| {name} | {pieces} | {' | '.join(cells)} | {seconds:.0f} |", flush=True)
