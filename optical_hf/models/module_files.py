"""The files of a saved model: which there are, and which is missing or holds a pickle instead of weights. Nothing is loaded."""

import json
from collections.abc import Collection
from pathlib import Path
from pickle import UnpicklingError

from safetensors import SafetensorError

UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, SafetensorError, UnpicklingError)
"""What the libraries raise for a checkpoint that is not whole."""
CONFIGURED = ("Dense", "Pooling", "WeightedLayerPooling")
"""Modules that cannot be made without their config.json."""
WITH_WEIGHTS = ("Dense", "WeightedLayerPooling")


def missing_module_file(folder: Path) -> str | None:
    """The first file that a module of a saved model needs and does not have, as a sentence; None where all are there.

    Args:
        folder: with a modules.json, as sentence-transformers writes it; of anything else nothing is known.
    """
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        parts = [(str(entry["type"]).rsplit(".", 1)[-1], folder / entry["path"]) for entry in modules]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    for kind, place in parts:
        if kind in CONFIGURED and not (place / "config.json").is_file():
            return f"its module {kind} has no {place.name}/config.json: copy the whole folder of the model, or save it again"
        if kind in WITH_WEIGHTS and not (place / "model.safetensors").is_file():
            pickled = (place / "pytorch_model.bin").is_file()
            found = ", but a pickle, and what it holds is more than weights" if pickled else ""
            return f"its module {kind} has no {place.name}/model.safetensors{found}: save the model again with save_pretrained"
    return None


def module_files(folder: Path, suffixes: Collection[str], without: Collection[str]) -> list[Path]:
    """The files of a model's folder and of the folders of its modules, so none of checkpoints beside them.

    Args:
        folder: of the model; modules.json names its modules, and router_config.json those of both towers.
        suffixes: endings of the files wanted.
        without: names of files that are left out, beside hidden ones.
    """
    modules = folder / "modules.json"
    listed = json.loads(modules.read_text(encoding="utf-8")) if modules.is_file() else []
    router = folder / "router_config.json"
    routed = json.loads(router.read_text(encoding="utf-8"))["types"] if router.is_file() else {}
    parts = [*(module["path"] for module in listed if module["path"]), *routed]
    inside = (path for part in parts for path in (folder / part).rglob("*"))
    found = [path for path in (*folder.iterdir(), *inside) if path.suffix in suffixes and path.is_file()]
    return [path for path in found if path.name not in without and path.name[0] != "."]
