"""`optical-hf train --streaming`: the languages of the files are mixed, and the student is saved."""

import sys

import pytest
import tiny_pairs
from sentence_transformers import SentenceTransformer

from optical_hf.cli import main
from optical_hf.scenes import scenes_bitext


@pytest.mark.slow
def test_train_on_a_stream(tmp_path, monkeypatch, capsys):
    tiny_pairs.teacher().save_pretrained(str(tmp_path / "teacher"))
    tiny_pairs.backbone().save_pretrained(str(tmp_path / "student"))
    files = []
    for code, name in (("mr", "mar-eng.tsv"), ("de", "deu-eng.tsv")):
        rows = scenes_bitext({code: 60}, seed=3)
        files.append(tmp_path / name)
        files[-1].write_text("".join(f"{row['target']}\t{row['source']}\n" for row in rows), encoding="utf-8")
    arguments = [
        "optical-hf", "train", "--teacher", tmp_path / "teacher", "--student", tmp_path / "student", "--bitext", *files,
        "--output", tmp_path / "out", "--max_steps", 3, "--per_device_train_batch_size", 8, "--streaming", "true",
        "--sampling_temperature", 3.0, "--report_to", "none", "--use_cpu", "true",
    ]  # fmt: skip
    monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert "The student is in" in capsys.readouterr().out
    assert SentenceTransformer(str(tmp_path / "out")).encode(["x"]).shape == (1, 32)
