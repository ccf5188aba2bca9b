"""The folder of a Space: it runs what it names, holds the index and no path or password; and its push to a hub on the loopback."""

import json
from pathlib import Path

import pytest
import tiny_pairs
from datasets import Dataset
from hub.test_hub_push import TOKEN, hub  # noqa: F401 (a fixture)
from hub_server import LocalHub
from huggingface_hub import SpaceCard

from optical_hf.cli import main
from optical_hf.hub import push_space, write_space
from optical_hf.hub.space import GRADIO
from optical_hf.stores import open_store
from optical_hf.stores.document_store import DocumentStore

TEACHER = "sentence-transformers/all-MiniLM-L6-v2"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DocumentStore:
    """Three documents with their vectors, named by their own ids."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    rows = {
        "key": ["a", "b", "c"],
        "text": ["a dog", "a cat", "a tree"],
        "vector": [[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]],
    }
    Dataset.from_dict(rows).to_parquet(tmp_path / "x.parquet")
    return open_store(f"file://{tmp_path}/x.parquet?id=key")


def written(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir() if file.suffix != ".parquet"}


def test_the_folder_of_a_space(tmp_path, index):
    files = write_space(tmp_path / "space", "me/try-e5", "me/e5-so", index, teacher=TEACHER, license="apache-2.0")
    assert sorted(file.name for file in files) == ["README.md", "app.py", "index.parquet", "requirements.txt"]
    texts = written(tmp_path / "space")
    called = {}
    page = {
        "search_page": lambda *words, **options: called.update(words=words, **options),
        "serve": lambda page, host: 0,
    }
    code = "\n".join(line for line in texts["app.py"].splitlines() if not line.startswith("from "))
    exec(code, page)
    assert called == {"words": ("me/e5-so", "file://index.parquet?id=id"), "teacher": TEACHER}
    card = SpaceCard(texts["README.md"]).data
    assert (card.sdk, card.sdk_version, card.app_file, card.license) == ("gradio", GRADIO, "app.py", "apache-2.0")
    assert card.models == ["me/e5-so", TEACHER]
    assert "optical-hf[app]==" in texts["requirements.txt"]
    assert str(tmp_path) not in "".join(texts.values())
    (rows,) = open_store(f"file://{tmp_path}/space/index.parquet?id=id").rows()
    assert (rows.ids, rows.texts) == (["a", "b", "c"], ["a dog", "a cat", "a tree"])
    assert rows.vectors.vectors.tolist() == [pytest.approx(row) for row in ([1, 0], [0, 1], [0.6, 0.8])]


def test_the_version_of_gradio_is_the_tested_one():
    pinned = dict(line.split("==") for line in Path("constraints.txt").read_text().splitlines() if "==" in line)
    assert pinned["gradio"] == GRADIO
    assert int(pinned["pillow"].partition(".")[0]) < 13


def test_a_report_goes_in_without_the_paths_of_this_machine(tmp_path, index):
    parts = {
        "systems": {"student": {}},
        "documents": {"/home/me/test.so": 3},
        "resource_groups": None,
        "no_gap": "",
        "settings": {},
    }
    write_space(tmp_path / "space", "me/try", "me/e5-so", index, report=parts)
    texts = written(tmp_path / "space")
    assert json.loads(texts["report.json"])["documents"] == {"test.so": 3}
    assert 'report="report.json"' in texts["app.py"]


def test_of_a_server_the_space_has_the_url_without_its_password(tmp_path, index, monkeypatch):
    from optical_hf.stores.store_location import StoreLocation

    monkeypatch.setattr(
        index, "location", StoreLocation.parse("postgresql://ann:secret@db.example.org/shop?table=docs")
    )
    files = write_space(tmp_path / "space", "me/try", "me/e5-so", index)
    texts = written(tmp_path / "space")
    assert "index.parquet" not in {file.name for file in files}
    assert '"postgresql://ann@db.example.org/shop?table=docs"' in texts["app.py"]
    assert "optical-hf[app,postgresql]==" in texts["requirements.txt"]
    assert "PGPASSWORD" in texts["README.md"]
    assert "secret@" not in "".join(texts.values())


@pytest.mark.parametrize(
    ("student", "changed", "told"),
    [
        ('me/e5"); import os', {}, "not the id of a hub repository"),
        ("me/e5", {"late_interaction": True}, "one vector a token"),
    ],
)
def test_what_cannot_be_a_space(tmp_path, index, monkeypatch, student, changed, told):
    for name, value in changed.items():
        monkeypatch.setattr(index, name, value)
    with pytest.raises(ValueError, match=told):
        write_space(tmp_path / "space", "me/try", student, index)
    assert not (tmp_path / "space").exists()


def test_texts_without_vectors_need_the_teacher(tmp_path, index):
    (tmp_path / "texts.txt").write_text("a dog\na cat\n")
    texts = open_store(str(tmp_path / "texts.txt"))
    with pytest.raises(ValueError, match="teacher's hub id"):
        write_space(tmp_path / "space", "me/try", "me/e5", texts, teacher="/home/me/teacher")
    write_space(tmp_path / "space", "me/try", "me/e5", texts, teacher=TEACHER)
    assert open_store(f"{tmp_path}/space/index.parquet").width == 0


def test_only_the_files_of_a_space_go_up(hub: LocalHub, tmp_path, index):  # noqa: F811
    hub.fail("commit", 1)
    folder = tmp_path / "space"
    write_space(folder, "tester/try", "tester/e5", index)
    (folder / ".env").write_text("PGPASSWORD=secret")
    (folder / "app.log").write_text("log")
    address = push_space(folder, "tester/try", token=TOKEN, private=True)
    assert hub.repos["tester/try"].kind == "space"
    assert hub.repos["tester/try"].private
    assert set(hub.files("tester/try")) == {
        "README.md",
        "app.py",
        "index.parquet",
        "requirements.txt",
        ".gitattributes",
    }
    assert hub.files("tester/try")["index.parquet"] == (folder / "index.parquet").read_bytes()
    assert hub.repos["tester/try"].branches["main"][-1][0] in address
    assert not [asked for asked in hub.unknown if "spaces" in asked]
    (folder / "app.py").unlink()
    with pytest.raises(ValueError, match=r"it has no app\.py"):
        push_space(folder, "tester/try", token=TOKEN)


@pytest.mark.slow
def test_the_verb_writes_the_space_and_pushes_it_where_that_is_asked_for(hub, tmp_path, index, monkeypatch, capsys):  # noqa: F811
    tiny_pairs.pair()[0].save_pretrained(str(tmp_path / "e5"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    space = ["--hub-id", "tester/e5", "--space", "tester/try", "--index", f"file://{tmp_path}/x.parquet?id=key"]
    for words, pushed in ((space, []), ([*space, "--push-space"], ["tester/try"])):
        monkeypatch.setattr("sys.argv", ["optical-hf", "card", str(tmp_path / "e5"), *words])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 0
        assert list(hub.repos) == pushed
    assert "e5-space" in capsys.readouterr().out.replace("\n", "")
    assert 'SentenceTransformer("tester/e5")' in (tmp_path / "e5" / "README.md").read_text()
    assert b'"tester/e5"' in hub.files("tester/try")["app.py"]
