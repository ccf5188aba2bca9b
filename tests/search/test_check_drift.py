"""`optical-hf check --student --new`: drift on the command line."""

import json

import pytest
import tiny_pairs

from optical_hf.cli import main
from optical_hf.training import save_student


@pytest.mark.slow
def test_drift_is_printed_and_written(searched, tmp_path, own_cache, monkeypatch, capsys):
    student, table = searched
    save_student(student, tmp_path / "student")
    tiny_pairs.teacher().save_pretrained(str(tmp_path / "teacher"))
    table.to_parquet(tmp_path / "index.parquet")
    (tmp_path / "new.txt").write_text("\n".join(table["text"][:20]) + "\n")
    words = [
        "check",
        "--index",
        tmp_path / "index.parquet",
        "--teacher",
        tmp_path / "teacher",
        "--json",
        tmp_path / "x.json",
    ]

    def run(*more):
        monkeypatch.setattr("sys.argv", ["optical-hf", *map(str, (*words, *more))])
        try:
            return main()
        except SystemExit as end:
            return end.code

    assert not run("--student", tmp_path / "student", "--new", tmp_path / "new.txt", "--sample", "20")
    assert "retrieve their own vector" in capsys.readouterr().out
    assert json.loads((tmp_path / "x.json").read_text())["drift"]["documents"] == [20, 20]
    assert run("--new", tmp_path / "new.txt")
    assert "belong together" in capsys.readouterr().err
