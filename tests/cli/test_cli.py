"""The command line: the main job end to end on tiny models, and every kind of bad input."""

import gzip
import json
import sys

import pytest
import tiny_pairs
from datasets import load_from_disk
from hub_server import LocalHub
from huggingface_hub import ModelCard, constants
from sentence_transformers import SentenceTransformer

from optical_hf.cli import main
from optical_hf.models import averaged_layers
from optical_hf.scenes import scenes_bitext


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A teacher, a student and two bitext files on disk."""
    root = tmp_path_factory.mktemp("cli")
    tiny_pairs.teacher().save_pretrained(str(root / "teacher"))
    tiny_pairs.backbone().save_pretrained(str(root / "student"))
    for code, name in (("mr", "mar-eng.tsv.gz"), ("de", "deu-eng.tsv.gz")):
        rows = scenes_bitext({code: 60}, seed=3)
        with gzip.open(root / name, "wt", encoding="utf-8") as file:
            file.writelines(f"{row['target']}\t{row['source']}\n" for row in rows)
    return root


def run(monkeypatch, capsys, *arguments) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["optical-hf", *map(str, arguments)])
    code = 0
    try:
        main()
    except SystemExit as stopped:
        code = stopped.code or 0
    told = capsys.readouterr()
    return code, told.out, told.err


def train_arguments(folder, output):
    return [
        "train", "--teacher", folder / "teacher", "--student", folder / "student", "--bitext", folder / "mar-eng.tsv.gz",
        folder / "deu-eng.tsv.gz", "--output", output, "--max_steps", 2, "--per_device_train_batch_size", 8,
        "--report_to", "none", "--use_cpu", "true",
    ]  # fmt: skip


@pytest.mark.slow
def test_train_then_evaluate(folder, tmp_path, monkeypatch, capsys):
    output = tmp_path / "out"
    code, out, err = run(
        monkeypatch, capsys, *train_arguments(folder, output), "--evaluate", folder / "mar-eng.tsv.gz",
        "--eval_strategy", "steps", "--eval_steps", 1,
    )  # fmt: skip
    assert code == 0, err
    assert "The student is in" in out
    assert SentenceTransformer(str(output)).encode(["x"]).shape == (1, 32)
    code, out, err = run(
        monkeypatch, capsys, "evaluate", "--teacher", folder / "teacher", "--student", output, "--queries",
        folder / "mar-eng.tsv.gz", "--queries", folder / "deu-eng.tsv.gz", "--json", tmp_path / "r.json", "--markdown",
        tmp_path / "r.md",
    )  # fmt: skip
    assert code == 0, err
    report = json.loads((tmp_path / "r.json").read_text())
    assert set(report["systems"]["student"]["languages"]) == {"mr", "de"}
    assert "mr" in (tmp_path / "r.md").read_text()
    code, out, err = run(
        monkeypatch, capsys, "card", output, "--report", tmp_path / "r.json", "--teacher", "org/teacher", "--bitext",
        "mr=60", "--bitext", "de=60", "--losses", "transport=1.0", "--license", "apache-2.0",
    )  # fmt: skip
    assert code == 0, err
    card = ModelCard.load(output / "README.md")
    assert card.data.license == "apache-2.0"
    assert card.data.eval_results
    assert "| Marathi (mr) | 60 |" in card.text


def test_card_pushes_the_student_with_it(folder, tmp_path, monkeypatch, capsys):
    student = tmp_path / "student"
    SentenceTransformer(str(folder / "student")).save_pretrained(str(student))
    with LocalHub("hf_" + "AnyTokenOfAUser") as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", "hf_" + "AnyTokenOfAUser")
        code, _, err = run(monkeypatch, capsys, "card", student, "--push-to", "tester/tiny")
        assert code == 0, err
        assert hub.files("tester/tiny", "main")["README.md"] == (student / "README.md").read_bytes()
    code, _, err = run(monkeypatch, capsys, "card", student, "--bitext", "mr")
    assert code == 2
    assert "as in so=5101" in err


@pytest.mark.slow
def test_align(folder, tmp_path, monkeypatch, capsys):
    code, out, err = run(
        monkeypatch, capsys, "align", "--teacher", folder / "teacher", "--student", folder / "student", "--bitext",
        folder / "mar-eng.tsv.gz", "--output", tmp_path / "aligned",
    )  # fmt: skip
    assert code == 0, err
    assert "held-out pairs" in out
    assert json.loads((tmp_path / "aligned" / "alignment.json").read_text())["pairs"] == 54
    assert SentenceTransformer(str(tmp_path / "aligned")).encode(["x"]).shape == (1, 32)
    code, out, err = run(
        monkeypatch, capsys, "align", "--teacher", folder / "teacher", "--student", folder / "student", "--bitext",
        folder / "mar-eng.tsv.gz", "--output", tmp_path / "contrast", "--method", "contrastive", "--steps", "20",
    )  # fmt: skip
    assert code == 0, err
    assert "contrastive loss" in out
    assert len(json.loads((tmp_path / "contrast" / "alignment.json").read_text())["loss"]) == 10


@pytest.mark.slow
def test_train_from_a_yaml_file_where_the_command_line_wins(folder, tmp_path, monkeypatch, capsys):
    config = tmp_path / "config.yaml"
    config.write_text(
        f"teacher: {folder / 'teacher'}\nstudent: {folder / 'student'}\nbitext:\n- {folder / 'mar-eng.tsv.gz'}\n"
        f"output: {tmp_path / 'out'}\nmax_steps: 50\nlosses: pooled_mse=1.0\nalignment: none\nreport_to: none\nuse_cpu: true\n"
        "layers: [1, 2]\n"
    )
    code, _, err = run(monkeypatch, capsys, "train", config, "--max_steps", 1)
    assert code == 0, err
    assert averaged_layers(SentenceTransformer(str(tmp_path / "out"))) == {1: 0.5, 2: 0.5}
    written = json.loads((tmp_path / "out" / "training_args.json").read_text())
    assert written["max_steps"] == 1
    assert written["losses"] == "pooled_mse=1.0"


BAD_OPTIONS = {
    "unknown option": (["--learning_rat", "1"], "did you mean 'learning_rate'"),
    "unknown loss": (["--losses", "transprt=1"], "did you mean 'transport'"),
    "not a number": (["--max_steps", "many"], "max_steps"),
    "no such kind": (["--kind", "vectors"], "vectors"),
    "no such search": (["--search", "cosine"], "maxsim"),
    "nothing to do with a bad row": (["--on_bad_row", "foo"], "drop"),
    "no tokens": (["--max_seq_length", "0"], "expected 1 or more"),
    "no pairs": (["--evaluate_limit", "0"], "expected 1 or more"),
    "an adapter of no rank": (["--lora_rank", "0"], "expected 1 or more"),
    "no such solver": (["--losses", "transport(solver=sinkhron)"], "sinkhorn"),
    "a value is missing": (["--seed"], "expected one argument"),
    "a stray word": (["--bf16", "false", "stray"], "stray"),
}
BAD_INPUT = {
    "no such bitext": (["--bitext", "/nowhere/mar-eng.tsv.gz"], "no such file"),
    "unknown language": (["--bitext", "xqq=/nowhere/a.tsv"], "xqq"),
    "no such teacher": (["--teacher", "/nowhere/teacher"], "does not exist"),
}


@pytest.mark.parametrize("case", [*BAD_OPTIONS, *BAD_INPUT])
def test_bad_options_and_bad_input_are_one_line(folder, tmp_path, monkeypatch, capsys, case):
    extra, told = (BAD_OPTIONS | BAD_INPUT)[case]
    output = tmp_path / "out"
    code, _, err = run(monkeypatch, capsys, *train_arguments(folder, output), *extra)
    line = err.strip().splitlines()[-1]
    assert code == (2 if case in BAD_OPTIONS else 1)
    assert line.startswith("optical-hf: error: ")
    assert told in line
    assert "Traceback" not in err
    assert not output.exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [("", "empty"), ("one column only\n", ":1"), ("जा.\tGo.\n\tRun!\n", ":2"), ("a\tb\tc\td\n", "column")],
)
def test_bad_bitext_names_file_and_line(folder, tmp_path, monkeypatch, capsys, content, told):
    (tmp_path / "mar-eng.tsv").write_text(content, encoding="utf-8")
    output = tmp_path / "out"
    code, _, err = run(
        monkeypatch, capsys, "train", "--teacher", folder / "teacher", "--student", folder / "student", "--bitext",
        tmp_path / "mar-eng.tsv", "--output", output,
    )  # fmt: skip
    line = err.strip().splitlines()[-1]
    assert code == 1
    assert "mar-eng.tsv" in line
    assert told in line
    assert not output.exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("teachr: x\n", "did you mean 'teacher'"),
        ("- a\n- b\n", "key: value"),
        ("a: [\n", "not readable as YAML"),
        ("teacher: x\n", "student"),
    ],
)
def test_bad_configuration_names_the_key(tmp_path, monkeypatch, capsys, content, told):
    (tmp_path / "c.yaml").write_text(content)
    code, _, err = run(monkeypatch, capsys, "train", tmp_path / "c.yaml")
    assert code == 2
    assert told in err
    assert "Traceback" not in err


def test_help_all_lists_the_training_arguments(monkeypatch, capsys):
    code, out, _ = run(monkeypatch, capsys, "train", "--help-all")
    assert code == 0
    assert "--lr_scheduler_type" in out
    assert "--losses" in out


def test_data_check_counts_and_cleans(folder, tmp_path, monkeypatch, capsys):
    lines = ["जा.\tGo.\n"] * 3 + ["तो 7 वाजता आला.\tHe came at 7.\n"]
    (tmp_path / "mar-eng.tsv").write_text("".join(lines), encoding="utf-8")
    code, out, err = run(
        monkeypatch, capsys, "data", "check", tmp_path / "mar-eng.tsv", "--json", tmp_path / "q.json", "--drop", "duplicate",
        "--output", tmp_path / "clean",
    )  # fmt: skip
    assert code == 0, err
    assert json.loads((tmp_path / "q.json").read_text())["broken"]["mr"]["duplicate"] == 2
    assert "2 pairs are in" in out
    assert len(load_from_disk(str(tmp_path / "clean"))) == 2


def test_data_check_lists_the_pairs_of_a_rule(folder, tmp_path, monkeypatch, capsys):
    file = tmp_path / "mar-eng.tsv"
    file.write_text("जा.\tGo.\n" * 3 + "तो 7 वाजता आला.\tHe came at 7.\n", encoding="utf-8")
    listed = tmp_path / "wrong.tsv"
    code, out, err = run(monkeypatch, capsys, "data", "check", file, "--drop", "duplicate", "--list", listed)
    assert code == 0, err
    assert "2 pairs are listed in" in out
    rows = [line.split("\t") for line in listed.read_text(encoding="utf-8").splitlines()]
    assert [(rule, english, foreign) for rule, _, english, foreign in rows] == [("duplicate", "Go.", "जा.")] * 2
    assert rows[0][1].endswith(":2")


def test_data_scenes_are_a_release(tmp_path, monkeypatch, capsys):
    code, _, err = run(monkeypatch, capsys, "data", "scenes", "--count", 4, "--output", tmp_path / "release")
    assert code == 0, err
    assert len(list((tmp_path / "release" / "images").glob("*.jpg"))) == 4
    code, _, err = run(monkeypatch, capsys, "data", "scenes")
    assert code == 2
    assert "--output" in err
