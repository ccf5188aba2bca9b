"""Add a language to an encoder that does not know it, from bitext alone: new pieces, a closed form, a saved student.

    python examples/extend_vocabulary.py --teacher sentence-transformers/all-MiniLM-L6-v2 --bitext train.de.gz --language de \\
        --output_dir students/minilm-de

The teacher is the backbone of the student, too. R@1 among held-out pairs is printed before and after the fit.
"""

from argparse import RawDescriptionHelpFormatter
from dataclasses import dataclass

from transformers import HfArgumentParser
from transformers.hf_argparser import HfArg

from optical_hf import fit_alignment, load_bitext, load_student, load_teacher
from optical_hf.models.alignment.held_out import held_out_score
from optical_hf.models.vocabulary import extend_vocabulary, trim_vocabulary
from optical_hf.training import save_student

HELD_OUT = 200


@dataclass
class ScriptArguments:
    teacher: str = HfArg(help="English encoder to start from: a hub id or a folder.")
    bitext: list[str] = HfArg(help="Files of translated pairs, such as mar-eng.tsv.gz, or a hub id.")
    language: str = HfArg(help="Code of the language to add, such as mr.")
    output_dir: str = HfArg(help="Folder for the student.")
    size: int = HfArg(default=8000, help="Pieces to write the language with (%(default)s).")
    trim: bool = HfArg(default=False, help="Then forget the pieces that the bitext does not use.")


parser = HfArgumentParser(ScriptArguments, description=__doc__, formatter_class=RawDescriptionHelpFormatter)
(options,) = parser.parse_args_into_dataclasses()

pairs = load_bitext(options.bitext, languages=[options.language]).train_test_split(HELD_OUT, seed=0)
teacher = load_teacher(options.teacher)
student = load_student(options.teacher, teacher)

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
save_student(student, options.output_dir)
