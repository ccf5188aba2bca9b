"""Write a student in the layout of PyLate (lightonai/pylate), to search with that library.

The layout: a plain Transformer and a PyLate Dense in modules.json, masking and normalisation left to PyLate, and its settings in
config_sentence_transformers.json. PyLate pins older versions of the libraries it shares with us, so nothing newer than they
know is written. sentence-transformers reads the layout too.
"""

import json
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from optical_hf.files import write_text, write_whole
from optical_hf.models.export.export_check import check_export
from optical_hf.models.loading import new_projection
from optical_hf.models.standard_layout import rename_general_class
from optical_hf.models.student_folder import student_folder
from optical_hf.models.tokens import Encoder
from optical_hf.models.views import backbone, token_projection

DENSE = "1_Dense"
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": DENSE, "type": "pylate.models.Dense.Dense"},
]


def save_pylate(model: Encoder, folder: str | PathLike[str], *, document_length: int | None = None) -> None:
    """Save a student or a teacher so that `pylate.models.ColBERT(folder)` reads it.

    Queries are neither expanded nor prefixed and no words are skipped, as the model was trained; prompts are kept. A model
    without a projection gets the identity, in the place where PyLate would put a random one.

    Args:
        model: of either kind; its tokens are what is searched.
        folder: where to; must not exist, or be empty.
        document_length: tokens of a document at most; None takes the model's limit.

    Raises:
        ValueError: for a folder with something in it, a backbone with an adapter, or one whose layers are averaged.

    Example:
        >>> save_pylate(student, "student-pylate")                                            # doctest: +SKIP
    """
    (body, place), module = check_export(model, folder, "PyLate"), backbone(model)
    width, limit = module.get_embedding_dimension(), model.max_seq_length
    projection = token_projection(model) or new_projection(width, width)

    def write(staging: Path) -> None:
        body.save_pretrained(staging)
        model.tokenizer.save_pretrained(staging)
        rename_general_class(staging / "tokenizer_config.json")
        _write(staging / "modules.json", MODULES)
        _write(staging / "sentence_bert_config.json", {"max_seq_length": limit, "do_lower_case": False})
        _write(staging / "config_sentence_transformers.json", _settings(model, document_length or limit))
        (staging / DENSE).mkdir()
        weights = {name: tensor.detach().contiguous() for name, tensor in projection.state_dict().items()}
        write_whole(staging / DENSE / "model.safetensors", partial(save_file, weights))
        _write(staging / DENSE / "config.json", _dense(projection))

    student_folder(place).write(write)


def _settings(model: Encoder, document_length: int | None) -> dict[str, Any]:
    return {
        "model_type": "ColBERT",
        "similarity_fn_name": "MaxSim",
        "prompts": {name: prompt for name, prompt in (model.prompts or {}).items() if prompt},
        "default_prompt_name": model.default_prompt_name,
        "query_prefix": "",
        "document_prefix": "",
        "query_length": model.max_seq_length,
        "document_length": document_length,
        "do_query_expansion": False,
        "attend_to_expansion_tokens": False,
        "skiplist_words": [],
    }


def _dense(projection: Any) -> dict[str, Any]:
    kind = type(projection.activation_function)
    return {
        "in_features": projection.in_features,
        "out_features": projection.out_features,
        "bias": projection.linear.bias is not None,
        "activation_function": f"{kind.__module__}.{kind.__name__}",
    }


def _write(place: Path, content: Any) -> None:
    write_text(place, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
