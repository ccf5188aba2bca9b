"""The notebooks of examples/notebooks run from top to bottom, on synthetic pairs in place of what they download."""

import json
import os
import zipfile
from pathlib import Path

import pytest

from optical_hf.models.tiny import tiny_encoder
from optical_hf.scenes import scenes_bitext

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples" / "notebooks").glob("*.ipynb"))
MODELS = Path(os.environ.get("OPTICAL_HF_MODELS", Path.home() / ".cache" / "optical-hf-models"))
HUB = {"sentence-transformers/all-MiniLM-L6-v2": "source", "intfloat/multilingual-e5-small": "target"}
ELSEWHERE = {"install", "download"}
"""Tags of cells that need the net."""


def encoders(folder: Path, texts: dict[str, list[str]]) -> dict[str, str]:
    """Folders by hub id: the real encoders where they are on disk, else small ones with random weights."""
    if (MODELS / "COMPLETE").exists():
        return {name: str(MODELS / name.split("/")[1]) for name in HUB}
    places = {name: str(folder / side) for name, side in HUB.items()}
    for name, side in HUB.items():
        tiny_encoder(texts[side], width=32, vocabulary_size=500).save(places[name])
    return places


def write_archive(place: Path, member: str, rows: list[dict]) -> None:
    """As Anki has it: English, the other language, attribution."""
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr(member, "".join(f"{row['source']}\t{row['target']}\tscenes\n" for row in rows))


@pytest.mark.slow
@pytest.mark.full
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nbclient", "ipykernel"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    import nbformat
    from nbclient import NotebookClient

    rows = {code: scenes_bitext({code: 300}).to_list() for code in ("mr", "de")}
    write_archive(tmp_path / "mar-eng.zip", "mar.txt", rows["mr"])
    write_archive(tmp_path / "deu-eng.zip", "deu.txt", rows["de"])
    texts = {side: [row[side] for part in rows.values() for row in part] for side in HUB.values()}
    folders = encoders(tmp_path, texts)
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    notebook.cells = [cell for cell in notebook.cells if not ELSEWHERE & set(cell.metadata.get("tags", []))]
    for cell in notebook.cells:
        for name, folder in folders.items():
            cell.source = cell.source.replace(name, folder)
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    )
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    pictures = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert pictures


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_what_it_printed(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code[0]["metadata"]["tags"] == ["install"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
