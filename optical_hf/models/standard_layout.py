"""The folder of a one-vector student in the order that servers read: Transformer, 1_Pooling, 2_Dense, 3_Normalize, as LaBSE has it.

text-embeddings-inference and vLLM know modules by the names of sentence-transformers 5 and before. They read
`1_Pooling/config.json` with one boolean a pooling, and apply a Dense layer behind the pooling alone. From another folder they
take other vectors.
sentence-transformers 6 reads both. Only files are read and written here, no model.
"""

import json
import os
from pathlib import Path
from typing import Any

from optical_hf.files import write_text
from optical_hf.models.projection_place import order_obstacle

NAMES = "sentence_transformers.models."
STANDARD = ["Transformer", "Pooling", "Dense", "Normalize"]
TOKENS_FIRST = ["Transformer", "Dense", "Pooling", "Normalize"]
POOLINGS = {
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "max": "pooling_mode_max_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}
"""The booleans of `1_Pooling/config.json`, in the order of sentence-transformers."""
PLAIN_TRANSFORMER = {
    "transformer_task": "feature-extraction",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
    "module_output_name": "token_embeddings",
}
"""What sentence-transformers 6 takes where `sentence_bert_config.json` does not say it; older ones refuse these keys."""
NO_LIMIT = 10**9


def standard_obstacle(folder: Path) -> str | None:
    """Why a saved model cannot be written in the order of servers, None where it can.

    Args:
        folder: as sentence-transformers wrote it.
    """
    kinds = [_kind(entry) for entry in _read(folder / "modules.json")]
    if kinds not in (TOKENS_FIRST, STANDARD):
        return f"it is made of {', '.join(kinds)}, and servers know {', '.join(STANDARD)} alone"
    places = {_kind(entry): folder / entry["path"] for entry in _read(folder / "modules.json")}
    dense, mode = _read(places["Dense"] / "config.json"), _pooling_mode(_read(places["Pooling"] / "config.json"))
    if not isinstance(mode, str):
        return f"it pools by {' and '.join(mode)}, and the file that servers read does not keep their order"
    if kinds == STANDARD:
        return None
    return order_obstacle(mode, dense["activation_function"].endswith(".Identity"), dense["bias"])


def write_standard(folder: Path) -> None:
    """Put a saved one-vector student in the order of servers, in place; one that is in it gets their names.

    Args:
        folder: as sentence-transformers wrote it.

    Raises:
        ValueError: where the vectors would be others.
    """
    if obstacle := standard_obstacle(folder):
        raise ValueError(f"the model in {str(folder)!r} cannot be saved in the order of servers: {obstacle}")
    places = {_kind(entry): entry["path"] for entry in _read(folder / "modules.json")}
    dense, pooling = (_read(folder / places[kind] / "config.json") for kind in ("Dense", "Pooling"))
    entries = []
    for number, kind in enumerate(STANDARD):
        path = "" if kind == "Transformer" else f"{number}_{kind}"
        if places[kind] != path:
            _move(folder / places[kind], folder / path)
        entries.append({"idx": number, "name": str(number), "path": path, "type": NAMES + kind})
    behind = "module_input_name" not in dense or dense["module_input_name"] == "sentence_embedding"
    own = pooling.get("embedding_dimension", pooling.get("word_embedding_dimension"))
    mode = _pooling_mode(pooling)
    _write(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": own if behind else dense["in_features"]}
        | {key: name == mode for name, key in POOLINGS.items()}
        | {"include_prompt": pooling.get("include_prompt", True)},
    )
    for name in ("module_input_name", "module_output_name"):  # the pooled vector, where nothing is said
        dense.pop(name, None)
    _write(folder / "2_Dense" / "config.json", dense)
    _write(folder / "3_Normalize" / "config.json", {})
    _write(folder / "modules.json", entries)
    _name_limit(folder)
    _drop_empty_prompts(folder / "config_sentence_transformers.json")
    rename_general_class(folder / "tokenizer_config.json")


def tokens_first(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries of a modules.json with the Dense before the pooling, as the modules of a student stand in memory."""
    kinds = [_kind(entry) for entry in entries]
    if "Dense" not in kinds or "Pooling" not in kinds or kinds.index("Dense") < kinds.index("Pooling"):
        return entries
    moved = list(entries)
    moved.insert(kinds.index("Pooling"), moved.pop(kinds.index("Dense")))
    return moved


def rename_general_class(place: Path) -> None:
    """Give the general fast tokenizer the name that transformers 4 knows it by; transformers 5 knows both."""
    settings = _read(place)
    if settings.get("tokenizer_class") == "TokenizersBackend":
        _write(place, settings | {"tokenizer_class": "PreTrainedTokenizerFast"})


def _name_limit(folder: Path) -> None:
    """Say where servers look for it how many tokens are read."""
    place = folder / "sentence_bert_config.json"
    settings = _read(place)
    limit = _read(folder / "tokenizer_config.json").get("model_max_length") or NO_LIMIT
    named = {} if limit >= NO_LIMIT else {"max_seq_length": int(limit)}
    plain = all(settings.get(key) == value for key, value in PLAIN_TRANSFORMER.items())
    kept = {key: value for key, value in settings.items() if not (plain and key in PLAIN_TRANSFORMER)}
    _write(place, named | {"do_lower_case": False} | kept)


def _drop_empty_prompts(place: Path) -> None:
    """Servers read a prompt as a text, and an unset one as an error."""
    settings = _read(place)
    prompts = {name: prompt for name, prompt in (settings.get("prompts") or {}).items() if prompt is not None}
    _write(place, settings | {"prompts": prompts})


def _pooling_mode(config: dict[str, Any]) -> str | list[str]:
    """The name of the pooling, or of several."""
    named = config.get("pooling_mode") or [name for name, key in POOLINGS.items() if config.get(key)] or ["mean"]
    return named[0] if isinstance(named, list | tuple) and len(named) == 1 else named


def _kind(entry: dict[str, Any]) -> str:
    return str(entry["type"]).rsplit(".", 1)[-1]


def _move(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for file in source.iterdir():
        os.replace(file, target / file.name)
    source.rmdir()


def _read(place: Path) -> Any:
    return json.loads(place.read_text(encoding="utf-8"))


def _write(place: Path, content: Any) -> None:
    write_text(place, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
