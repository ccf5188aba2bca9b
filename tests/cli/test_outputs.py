"""An output that cannot be written is found before the work, in every verb; a full disk leaves the file that was there."""

import resource
from contextlib import contextmanager

import pytest
import tiny_pairs
import yaml
from cli.test_cli import run

from optical_hf.cli import align, data, demo, evaluate, study, train, translate
from optical_hf.cli import model_card as card
from optical_hf.cli.evaluate import write_report
from optical_hf.files import check_file, check_folder

TWO = ["--teacher", "T", "--student", "S"]
ALIGN = ["align", *TWO, "--bitext", "so=x.tsv"]
TRAIN = ["train", *TWO, "--bitext", "so=x.tsv", "--report_to", "none"]
EVALUATE = ["evaluate", *TWO, "--queries", "so=x.tsv"]
FOLDERS = {
    "align": [*ALIGN, "--output"],
    "train": [*TRAIN, "--output"],
    "evaluate, runs": [*EVALUATE, "--runs"],
    "demo": ["demo", "--output"],
    "data check": ["data", "check", "so=x.tsv", "--drop", "copy", "--output"],
    "data scenes": ["data", "scenes", "--output"],
    "data translate": ["data", "translate", "--documents", "x.txt", "--to", "so", "--model", "M", "--output"],
    "study": ["study", "s.yaml", "--set"],
}
FILES = {
    "evaluate, json": [*EVALUATE, "--json"],
    "evaluate, markdown": [*EVALUATE, "--markdown"],
    "evaluate, html": [*EVALUATE, "--html"],
    "data check, json": ["data", "check", "so=x.tsv", "--json"],
}


@pytest.fixture
def no_work(tmp_path, monkeypatch):
    """A folder to work in, where any work fails the test."""

    def began(*_, **__):
        pytest.fail("the work began")

    for verb, names in (
        (align, ["load_bitext", "load_teacher"]),
        (train, ["load_bitext", "load_teacher"]),
        (evaluate, ["collections_of", "load_teacher", "learn_dictionaries"]),
        (card, ["load_teacher"]),
        (demo, ["scenes_bitext"]),
        (data, ["load_bitext", "generate_scenes"]),
        (translate, ["load_documents", "load_translators"]),
        (study, ["launch_runs"]),
    ):
        for name in names:
            monkeypatch.setattr(verb, name, began)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("before")
    (tmp_path / "folder").mkdir()
    (tmp_path / "s.yaml").write_text(
        yaml.safe_dump(
            {
                "name": "tiny",
                "output": "${out}",
                "teachers": {"T": {"path": "T"}},
                "students": {"S": {"path": "S"}},
                "systems": {"ridge": {"alignment": "ridge"}},
                "bitext": {"de": "deu-eng.tsv"},
                "sizes": [12],
                "collections": {"lines": {"kind": "bitext", "queries": {"de": "deu-eng.tsv"}}},
            }
        )
    )
    (tmp_path / "deu-eng.tsv").write_text("ja\tyes\n")
    return tmp_path


def refused(monkeypatch, capsys, words, output, told):
    words = [*words, f"out={output}" if words[0] == "study" else output]
    code, _, err = run(monkeypatch, capsys, *words)
    line = err.strip().splitlines()[-1]
    assert code == 1, err
    assert line.startswith(f"optical-hf: error: {told}: '{output}")
    assert line.endswith("cannot be written; nothing was done yet, name another place")


@pytest.mark.parametrize("verb", FOLDERS)
def test_a_folder_that_cannot_be_written(no_work, monkeypatch, capsys, verb):
    refused(monkeypatch, capsys, FOLDERS[verb], "file", "Not a directory")
    refused(monkeypatch, capsys, FOLDERS[verb], "file/deep/out", "Not a directory")
    refused(monkeypatch, capsys, FOLDERS[verb], "/proc/nowhere/out", "No such file or directory")
    assert (no_work / "file").read_text() == "before"


@pytest.mark.parametrize("verb", FILES)
def test_a_file_that_cannot_be_written(no_work, monkeypatch, capsys, verb):
    refused(monkeypatch, capsys, FILES[verb], "folder", "Is a directory")
    refused(monkeypatch, capsys, FILES[verb], "file/r.json", "Not a directory")
    refused(monkeypatch, capsys, FILES[verb], "/proc/nowhere/r.json", "No such file or directory")
    assert not list((no_work / "folder").iterdir())


def test_a_card_whose_place_is_taken_or_whose_student_is_none(no_work, monkeypatch, capsys):
    (no_work / "folder" / "README.md").mkdir()
    code, _, err = run(monkeypatch, capsys, "card", "folder")
    assert (code, "Is a directory: 'folder/README.md'" in err) == (1, True)
    code, _, err = run(monkeypatch, capsys, "card", "nowhere")
    assert (code, "no folder 'nowhere'" in err) == (1, True)


@pytest.mark.parametrize("verb", ["data check", "data scenes", "data translate"])
def test_a_folder_with_something_in_it_is_not_mixed_with_another(no_work, monkeypatch, capsys, verb):
    (no_work / "folder" / "state.json").write_text("before")
    code, _, err = run(monkeypatch, capsys, *FOLDERS[verb], "folder")
    assert (code, "not an empty folder" in err) == (1, True)
    assert (no_work / "folder" / "state.json").read_text() == "before"


def test_what_can_be_written_is_left_alone(tmp_path):
    assert check_folder(tmp_path / "deep" / "out") == tmp_path / "deep" / "out"
    assert check_file(tmp_path / "deep" / "r.json") == tmp_path / "deep" / "r.json"
    (tmp_path / "there").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "deep")
    check_file(tmp_path / "there")
    check_folder(tmp_path / "link")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "there"]


def test_a_file_that_is_read_only(tmp_path, monkeypatch):
    (tmp_path / "r.json").write_text("x")
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write everywhere
    with pytest.raises(PermissionError, match="cannot be written"):
        check_file(tmp_path / "r.json")


@contextmanager
def no_file_above(size):
    """What a full disk or a quota looks like, without the right to mount."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_report_that_was_there(tmp_path, monkeypatch):
    monkeypatch.setattr("optical_hf.cli.evaluate.report_markdown", lambda report: "x" * 5000)
    (tmp_path / "r.md").write_text("before")
    with (
        no_file_above(500),
        pytest.raises(OSError, match=r"File too large: .*r.md' was not written; what was there is"),
    ):
        write_report(None, None, tmp_path / "r.md", None, None)
    assert (tmp_path / "r.md").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["r.md"]


def test_a_full_disk_leaves_the_card_that_was_there(tmp_path, monkeypatch, capsys):
    tiny_pairs.teacher().save_pretrained(str(tmp_path / "student"))
    before = (tmp_path / "student" / "README.md").read_bytes()
    assert len(before) > 500
    with no_file_above(500):
        code, _, err = run(monkeypatch, capsys, "card", tmp_path / "student")
    assert code == 1
    assert "README.md' was not written; what was there is as it was" in err
    assert (tmp_path / "student" / "README.md").read_bytes() == before
