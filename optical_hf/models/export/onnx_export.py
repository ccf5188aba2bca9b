"""Write a whole student as ONNX, from token ids to its vectors, in the place of sentence-transformers' own exporter.

That exporter is optimum, and no version of it runs beside transformers 5 (docs/models.md has what was tried); torch's exporter
does. The folder holds both forms: sentence-transformers reads the weights, onnxruntime and text-embeddings-inference the graph.
"""

import json
from os import PathLike
from pathlib import Path

import torch
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from torch import Tensor, nn
from transformers import PreTrainedModel

from optical_hf.extras import import_extra
from optical_hf.files import write_text
from optical_hf.models.export.export_check import check_export
from optical_hf.models.standard_layout import rename_general_class, standard_obstacle, write_standard
from optical_hf.models.student_folder import student_folder
from optical_hf.models.tokens import Encoder, preprocess_queries
from optical_hf.models.views import kind_of

NEEDED = ("onnx", "onnxscript")
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
GRAPH = Path("onnx", "model.onnx")
# Modules that moved between versions, by the names that sentence-transformers has known since its first.
GENERAL = "sentence_transformers.models."
MOVED = ("Transformer", "Dense", "Pooling", "Normalize")


class _Whole(nn.Module):
    """A model as a function of tensors: the backbone's tokens, and what all modules make of them."""

    def __init__(self, model: Encoder, backbone: PreTrainedModel) -> None:
        super().__init__()
        self.backbone = backbone
        self.behind = nn.ModuleList(module for module in list(model)[1:] if not isinstance(module, MultiVectorMask))

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        tokens: Tensor = self.backbone(input_ids=input_ids, attention_mask=attention_mask, **types).last_hidden_state
        features = {"token_embeddings": tokens, "attention_mask": attention_mask}
        for module in self.behind:
            features = module(features)
        return tokens, features.get("sentence_embedding", features["token_embeddings"])


def save_onnx(model: Encoder, folder: str | PathLike[str]) -> Path:
    """Save a student or a teacher with `onnx/model.onnx` beside its weights.

    The graph takes `input_ids`, `attention_mask` and, where the tokenizer gives them, `token_type_ids`, of any batch and any
    length. It returns `last_hidden_state`, the backbone's tokens, and what is searched: `sentence_embedding`, the text's
    vector of unit length, or `token_embeddings`, those of its tokens.

    Args:
        model: of either kind, on a backbone without an adapter.
        folder: where to; must not exist, or be empty.

    Returns:
        The path of the graph.

    Raises:
        ImportError: without onnx and onnxscript, which come with the extra [onnx].
        ValueError: for a folder with something in it, a backbone with an adapter, or one whose layers are averaged.

    Example:
        >>> save_onnx(student, "student-onnx")                                                # doctest: +SKIP
        PosixPath('student-onnx/onnx/model.onnx')
    """
    for name in NEEDED:
        import_extra(name, "onnx", "save_onnx")
    module, place = check_export(model, folder, "the graph")

    def write(staging: Path) -> None:
        model.save_pretrained(str(staging))
        if kind_of(model) == "vector" and standard_obstacle(staging) is None:
            write_standard(staging)
        _general_names(staging / "modules.json")
        rename_general_class(staging / "tokenizer_config.json")
        (staging / GRAPH).parent.mkdir()
        _export(model, module, staging / GRAPH)

    was_training = model.training
    model.eval()
    try:
        student_folder(place).write(write)
    finally:
        model.train(was_training)
    return place / GRAPH


def _export(model: Encoder, module: PreTrainedModel, place: Path) -> None:
    features = preprocess_queries(
        model, ["a red ball", "two dogs and a cat"]
    )  # sizes of 1 would be taken for constants
    names = [name for name in INPUTS if name in features]
    searched = "sentence_embedding" if kind_of(model) == "vector" else "token_embeddings"
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with torch.no_grad():
        torch.onnx.export(
            _Whole(model, module).eval(), tuple(features[name].to(model.device) for name in names), place, input_names=names,
            output_names=["last_hidden_state", searched], dynamic_shapes=dict.fromkeys(names, free), dynamo=True,
            external_data=False, verbose=False,
        )  # fmt: skip


def _general_names(place: Path) -> None:
    """Let versions of sentence-transformers that have an ONNX backend find the modules."""
    modules = json.loads(place.read_text(encoding="utf-8"))
    for module in modules:
        name = module["type"].rsplit(".", 1)[-1]
        if name in MOVED and module["type"].startswith("sentence_transformers."):
            module["type"] = GENERAL + name
    write_text(place, json.dumps(modules, indent=2) + "\n")
