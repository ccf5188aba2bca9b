"""What cannot be meant is one line on the standard error and status 2, in every verb, before anything is read."""

from pathlib import Path

import pytest
from cli.test_cli import run

from optical_hf import __version__

STUDENT = ["--teacher", "T", "--student", "S"]
ALIGN = ["align", *STUDENT, "--bitext", "so=x.tsv", "--output", "out"]
EVALUATE = ["evaluate", *STUDENT, "--queries", "so=x.tsv"]
TRANSLATE = ["data", "translate", "--to", "so", "--output", "out", "--model", "M"]
WRONG = {
    "unknown verb": (["fly"], "fly"),
    "unknown option of the command": (["--fly"], "--fly"),
    "demo, unknown option": (["demo", "--fly"], "--fly"),
    "demo, no value": (["demo", "--seed"], "--seed"),
    "demo, no number": (["demo", "--seed", "x"], "integer"),
    "align, required option": (["align"], "--teacher"),
    "align, unknown option": ([*ALIGN, "--fly"], "--fly"),
    "align, method": ([*ALIGN, "--method", "foo"], "ridge"),
    "align, kind": ([*ALIGN, "--kind", "foo"], "late_interaction"),
    "align, rounds": ([*ALIGN, "--rounds", "0"], "--rounds"),
    "align, pairs": ([*ALIGN, "--pairs", "0"], "--pairs"),
    "align, held out": ([*ALIGN, "--held-out", "-1"], "--held-out"),
    "align, bad rows": ([*ALIGN, "--on-bad-row", "foo"], "drop"),
    "align, tokens": ([*ALIGN, "--max-seq-length", "0"], "--max-seq-length"),
    "align, epsilon": ([*ALIGN, "--epsilon", "0"], "epsilon is 0.0"),
    "align, epsilon that is no number": ([*ALIGN, "--epsilon", "nan"], "epsilon is nan"),
    "align, share": ([*ALIGN, "--document-share", "2"], "document_share is 2.0"),
    "align, documents": ([*ALIGN, "--max-documents", "0"], "--max-documents"),
    "align, steps": ([*ALIGN, "--steps", "0"], "--steps"),
    "align, start": ([*ALIGN, "--start", "zero"], "ridge"),
    "align, shift": ([*ALIGN, "--pseudo-foreign", "nan"], "pseudo_foreign is nan"),
    "align, penalty": ([*ALIGN, "--regularisation", "-1"], "regularisation is -1.0"),
    "align, layers": ([*ALIGN, "--layers", "1", "x"], "'x'"),
    "train, required option": (["train", "--teacher", "T"], "--student"),
    "train, no such file": (["train", "/nowhere.yaml"], "/nowhere.yaml"),
    "evaluate, required option": (["evaluate", "--teacher", "T"], "--queries"),
    "evaluate, search": ([*EVALUATE, "--search", "cosine"], "maxsim"),
    "evaluate, system": ([*EVALUATE, "--system", "foo"], "teacher_english"),
    "evaluate, tokens": ([*EVALUATE, "--max-seq-length", "0"], "--max-seq-length"),
    "evaluate, batch": ([*EVALUATE, "--batch-size", "0"], "--batch-size"),
    "evaluate, limit": ([*EVALUATE, "--limit", "0"], "--limit"),
    "evaluate, language": ([*EVALUATE, "--low", "xqq"], "xqq"),
    "evaluate, pairs": ([*EVALUATE, "--pairs", "so"], "so=5101"),
    "evaluate, translator of two": ([*EVALUATE, "--translator", "a", "--translator", "b"], "language of each"),
    "evaluate, two of one name": ([*EVALUATE, "--other", "a=x", "--other", "a=y"], "'a'"),
    "evaluate, compare and more": ([*EVALUATE, "--compare", "a", "b"], "--compare"),
    "study, no file": (["study"], "config"),
    "study, set": (["study", "s.yaml", "--set", "x"], "NAME=VALUE"),
    "study, limit": (["study", "s.yaml", "--limit", "0"], "--limit"),
    "app, no student": (["app", "--index", "x"], "student"),
    "app, no index": (["app", "S"], "--index"),
    "app, language": (["app", "S", "--index", "x", "--language", "xqq"], "xqq"),
    "app, documents": (["app", "S", "--index", "x", "--top", "21"], "--top"),
    "app, port": (["app", "S", "--index", "x", "--port", "0"], "--port"),
    "app, translator of nobody": (["app", "S", "--index", "x", "--translator", "T"], "--teacher"),
    "card, no student": (["card"], "student"),
    "card, Space without an index": (["card", "S", "--space", "me/try", "--hub-id", "me/s"], "--index"),
    "card, Space of no student": (["card", "S", "--space", "me/try", "--index", "x"], "--hub-id"),
    "card, Space": (["card", "S", "--space", "a b", "--index", "x", "--hub-id", "me/s"], "owner/name"),
    "card, index without a Space": (["card", "S", "--index", "x"], "--space"),
    "card, pairs": (["card", "S", "--bitext", "mr"], "so=5101"),
    "card, loss": (["card", "S", "--losses", "transprt=1"], "transport"),
    "card, repository": (["card", "S", "--push-to", "a b"], "owner/name"),
    "card, both towers": (["card", "S", "--with-teacher"], "--push-to"),
    "convert, layout": (["convert", "S", "OUT", "--to", "onx"], "onnx"),
    "convert, full folder": (["convert", "S", str(Path(__file__).parent)], "not an empty folder"),
    "data, unknown verb": (["data", "fly"], "fly"),
    "data check, no file": (["data", "check"], "bitext"),
    "data check, rule": (["data", "check", "so=x.tsv", "--drop", "foo", "--output", "out"], "duplicate"),
    "data check, drop without output": (["data", "check", "so=x.tsv", "--drop", "copy"], "--output"),
    "data check, leak of nothing": (["data", "check", "x", "--drop", "leak", "--output", "out"], "--evaluation"),
    "data translate, nothing": ([*TRANSLATE], "--documents"),
    "data translate, English": ([*TRANSLATE, "--to", "en", "--documents", "x"], "besides English"),
    "data translate, unknown language": ([*TRANSLATE, "--to", "xqq", "--documents", "x"], "xqq"),
    "data translate, models": ([*TRANSLATE, "--model", "so=N", "--documents", "x"], "language of each"),
    "data translate, model twice": ([*TRANSLATE[:-2], "--model", "so=M,so=N", "--documents", "x"], "twice"),
    "data translate, limit": ([*TRANSLATE, "--limit", "0", "--documents", "x"], "--limit"),
    "data scenes, nowhere to write": (["data", "scenes"], "--output"),
    "data scenes, count": (["data", "scenes", "--count", "0", "--output", "out"], "--count"),
    "data scenes, language": (["data", "scenes", "--languages", "xx", "--output", "out"], "so"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_is_one_line_and_status_2(tmp_path, monkeypatch, capsys, case):
    words, told = WRONG[case]
    monkeypatch.chdir(tmp_path)
    code, out, err = run(monkeypatch, capsys, *words)
    assert code == 2
    assert not out
    assert len(err.splitlines()) == 1
    assert err.startswith("optical-hf: error: ")
    assert told in err
    assert " --help` lists the options" in err
    assert not list(tmp_path.iterdir())


def test_a_command_without_a_verb_prints_its_help(monkeypatch, capsys):
    for words in ([], ["data"]):
        code, out, err = run(monkeypatch, capsys, *words)
        assert code == 2
        assert "Usage" in out + err
        assert "Check" in out + err


@pytest.mark.parametrize("words", [["--version"], ["--version", "demo"]])
def test_the_version(monkeypatch, capsys, words):
    assert run(monkeypatch, capsys, *words) == (0, f"optical-hf {__version__}\n", "")


VERBS = [
    ["demo"],
    ["align"],
    ["check"],
    ["train"],
    ["evaluate"],
    ["study"],
    ["card"],
    ["convert"],
    ["data"],
    ["data", "check"],
    ["data", "scenes"],
]


@pytest.mark.parametrize("verb", [[], *VERBS])
def test_help_of_every_verb(monkeypatch, capsys, verb):
    code, out, _ = run(monkeypatch, capsys, *verb, "--help")
    assert code == 0
    assert "Usage" in out
    assert 8 < len(out.splitlines()) < 240


def test_help_lists_the_choices(monkeypatch, capsys):
    monkeypatch.setattr("typer.rich_utils.FORCE_TERMINAL", False)  # a terminal of a CI is forced, and then 80 wide
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 200)
    for verb, choices in (
        (["align"], ["ridge|transport|contrastive", "vector|late_interaction"]),
        (["evaluate"], ["vector|maxsim"]),
        (["data", "check"], ["empty, duplicate, copy"]),
    ):
        _, out, _ = run(monkeypatch, capsys, *verb, "--help")
        for choice in choices:
            assert choice in out


def test_what_nobody_foresaw_is_one_line_with_its_kind_and_the_traceback_on_request(monkeypatch, capsys):
    def broken(*_, **__):
        raise RuntimeError("out of\nmemory")

    monkeypatch.setattr("optical_hf.cli.model_card.load_teacher", broken)
    code, _, err = run(monkeypatch, capsys, "card", ".")
    assert code == 1
    assert err == "optical-hf: error: RuntimeError: out of memory; OPTICAL_HF_TRACEBACK=1 shows where\n"
    monkeypatch.setenv("OPTICAL_HF_TRACEBACK", "1")
    code, _, err = run(monkeypatch, capsys, "card", ".")
    assert code == 1
    assert "Traceback" in err


def test_of_several_processes_one_says_what_was_not_understood(monkeypatch, capsys):
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert run(monkeypatch, capsys, "train", "--fly") == (2, "", "")
