"""Reach and replace the two parts of a student's vocabulary: the tokenizer and the embedding matrix."""

import torch
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from optical_hf.models.tokens import Encoder
from optical_hf.models.views import backbone


def plain_model(student: Encoder) -> PreTrainedModel:
    """The transformers model of a student, refused where an adapter is wrapped around it."""
    model = backbone(student).model
    if not isinstance(model, PreTrainedModel):
        raise ValueError(
            f"the backbone is wrapped in a {type(model).__name__}: its embeddings cannot be replaced under an adapter; "
            "merge it first (model.merge_and_unload), or change the vocabulary before the adapter is added"
        )
    return model


def embedding(model: PreTrainedModel) -> torch.nn.Embedding:
    """The matrix of piece embeddings."""
    matrix = model.get_input_embeddings()
    assert isinstance(matrix, torch.nn.Embedding)
    return matrix


def replace_tokenizer(student: Encoder, tokenizer: PreTrainedTokenizerBase) -> None:
    """Give a student another tokenizer, and let the modules that hold ids of the old one look them up again."""
    backbone(student).processor = tokenizer
    for module in student:
        if isinstance(module, MultiVectorMask):
            module.resolve_with_tokenizer(tokenizer)
