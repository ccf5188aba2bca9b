"""Add a language to an encoder that does not know it, from bitext alone: new pieces, a closed form, a saved student.

python examples/extend_vocabulary.py sentence-transformers/all-MiniLM-L6-v2 train.de.gz de students/minilm-de
"""

import argparse

from optical_hf import fit_alignment, load_bitext, load_student, load_teacher
from optical_hf.models.alignment.held_out import held_out_score
from optical_hf.models.vocabulary import extend_vocabulary, trim_vocabulary
from optical_hf.training import save_student

HELD_OUT = 200

parser = argparse.ArgumentParser()
parser.add_argument("model", help="teacher, and backbone of the student")
parser.add_argument("bitext", help="a file of translated pairs, English on one side")
parser.add_argument("language", help="code of the other language")
parser.add_argument("output", help="folder of the student")
parser.add_argument("--size", type=int, default=8000, help="pieces to write the language with")
parser.add_argument("--trim", action="store_true", help="then forget the pieces that the bitext does not use")
options = parser.parse_args()

pairs = load_bitext(options.bitext, languages=[options.language]).train_test_split(HELD_OUT, seed=0)
teacher = load_teacher(options.model)
student = load_student(options.model, teacher)

extension = extend_vocabulary(student, pairs["train"], options.language, size=options.size)
print(
    f"{extension.length_before:.1f} -> {extension.length_after:.1f} pieces a text, {extension.aligned} new ones aligned"
)

before = held_out_score(student, teacher, list(pairs["test"]))
fit_alignment(student, teacher, pairs["train"], method="transport")
after = held_out_score(student, teacher, list(pairs["test"]))
print(f"R@1 among pairs that taught neither pieces nor projection: {before} -> {after}")

if options.trim:
    trimmed = trim_vocabulary(student, pairs["train"])
    print(f"{trimmed.pieces_before} -> {trimmed.pieces_after} pieces, {trimmed.bytes_after / 1e6:.0f} MB of weights")
save_student(student, options.output)
