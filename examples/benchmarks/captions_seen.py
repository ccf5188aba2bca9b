"""Does the student of independent_captions.py know its training images better than others?

Searched are 800 training images and 800 validation images, drawn at random, in the same way: the German caption that translates
one of the image's English captions finds caption 1, and caption 5, of its image; images where that is the translated one are left
out. The teacher reads the translated English caption: by its model card it was trained on captions of Flickr30k without a split,
so its row says how much harder one part is than the other.

OMP_NUM_THREADS=1 python examples/benchmarks/captions_seen.py DATA MODELS STUDENT
"""

import argparse
import random
from pathlib import Path

from optical_hf import RetrievalCollection, evaluate_retrieval
from optical_hf.data.collections import captions_to_captions
from optical_hf.data.collections.collection_files import read_lines
from optical_hf.evaluation.report.report_tables import percent
from optical_hf.models import load_student, load_teacher

IMAGES = 800
SYSTEMS = {"student": "the student reads German", "teacher_english": "the teacher reads English"}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", type=Path)
parser.add_argument("models", type=Path)
parser.add_argument("student", type=Path, help="the folder that independent_captions.py --output kept")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()


def collection(part: str, number: int, captions: Path) -> RetrievalCollection:
    """German translations of English captions into caption `number` of the same image."""
    translated = options.data / "multi30k"
    columns = [
        list(read_lines(path)) for path in (translated / f"{part}.de.gz", translated / f"{part}.en.gz", captions)
    ]
    _, translated_from, searched_for = columns
    others = [i for i, text in enumerate(searched_for) if text != translated_from[i]]
    images = random.Random(options.seed).sample(others, IMAGES)
    german, english, answers = ({str(i): [column[i]] for i in images} for column in columns)
    return captions_to_captions(f"{part} images, caption {number}", {"de": german}, answers, english=english)


searched = [
    collection(part, number, options.data / folder / f"{part}.{number}.en.gz")
    for part, folder in (("train", "flickr30k_captions_train"), ("val", "multi30k_task2"))
    for number in (1, 5)
]
teacher = load_teacher(str(options.models / "all-MiniLM-L6-v2"), device="cpu")
student = load_student(options.student, teacher, device="cpu")
print(f"| | {' | '.join(entry.name for entry in searched)} |\n|---|{'---|' * len(searched)}")
reports = [evaluate_retrieval(student, teacher, entry, systems=tuple(SYSTEMS), progress=False) for entry in searched]
for system, name in SYSTEMS.items():
    levels = [report.systems[system].languages["de"].recall_at_1 for report in reports]
    print(f"| {name} | {' | '.join(percent(level.value, level.low, level.high) for level in levels)} |")
