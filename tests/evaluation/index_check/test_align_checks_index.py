"""`optical-hf align --documents` looks at the index before anything is learnt; its URL's secrets are written nowhere."""

import numpy as np
import pytest
import tiny_pairs
from datasets import Dataset

from optical_hf.cli import main
from optical_hf.cli.align import checked_documents

TEXTS = list(dict.fromkeys(tiny_pairs.bitext()["source"][:]))


def documents(model, **settings):
    vectors = model.encode(TEXTS, show_progress_bar=False, **settings)
    return Dataset.from_dict({"text": TEXTS, "vector": vectors.tolist()})


@pytest.fixture(scope="module")
def teacher():
    return tiny_pairs.teacher()


def test_vectors_of_the_teacher_are_kept(teacher, capsys):
    assert "vector" in checked_documents(documents(teacher), "index", teacher).column_names
    assert "Index check: This teacher made this index, as it reads now" in capsys.readouterr().out


def test_a_cut_index_is_read_anew(teacher, capsys):
    cut = documents(teacher, truncate_dim=8)
    assert checked_documents(cut, "index", teacher).column_names == ["text"]
    assert "the teacher reads its texts anew" in capsys.readouterr().out


def test_another_teachers_index_ends_the_run(teacher):
    vectors = np.random.default_rng(0).normal(size=(len(TEXTS), teacher.get_embedding_dimension()))
    other = Dataset.from_dict({"text": TEXTS, "vector": vectors.tolist()})
    with pytest.raises(ValueError, match=r"did not make this index.*--no-index-check fits on it all the same"):
        checked_documents(other, "index", teacher)


@pytest.mark.slow
def test_a_secret_of_the_url_is_written_and_printed_nowhere(tmp_path, teacher, monkeypatch, capfd, caplog):
    lancedb = pytest.importorskip("lancedb")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    table = documents(teacher)
    lancedb.connect(tmp_path / "lance").create_table("docs", table.with_format("arrow")[:])
    teacher.save_pretrained(str(tmp_path / "teacher"))
    tiny_pairs.backbone().save_pretrained(str(tmp_path / "student"))
    url = f"lancedb://{tmp_path}/lance/docs?token=hunter2"
    words = ["align", "--teacher", tmp_path / "teacher", "--student", tmp_path / "student", "--documents", url]
    words += ["--output", tmp_path / "made", "--steps", "2", "--held-out", "4"]
    monkeypatch.setattr("sys.argv", ["optical-hf", *map(str, words)])
    try:
        status = main()
    except SystemExit as end:
        status = end.code
    assert not status
    said = capfd.readouterr()
    assert "token=***" in said.out
    assert "hunter2" not in said.out + said.err + caplog.text
    written = [file for place in ("made", "cache") for file in (tmp_path / place).rglob("*") if file.is_file()]
    assert len(written) > 5
    assert not [file for file in written if b"hunter2" in file.read_bytes()]
