"""Which weights of a student never move, whatever the losses."""

from torch import nn

from optical_hf.models import Encoder, averaged_layers, backbone, layer_average


def freeze(student: Encoder, embeddings: bool) -> None:
    """Keep out of the optimizer what gets no gradient, the weights of averaged layers, and the word embeddings if wanted.

    A pooler of BERT's kind feeds next-sentence prediction only; a student pools its tokens. With a gradient asked for and none
    given, it has no optimizer state, and FSDP refuses to go on from such a checkpoint.
    """
    model = backbone(student).model
    pooler = getattr(model, "pooler", None)
    if pooler is not None:
        pooler.requires_grad_(False)
    if embeddings:
        model.get_input_embeddings().requires_grad_(False)
    average = layer_average(student)
    if average is not None:
        average.requires_grad_(False)  # sentence-transformers loads them trainable; why they are not: models/layers.py
        _freeze_above(model, average.num_hidden_layers, max(averaged_layers(student)))


def _freeze_above(model: nn.Module, count: int, last: int) -> None:
    """Layers above the last one that is averaged: their gradient is zero, and weight decay would shrink them for nothing."""
    stack = next((m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == count), None)
    for layer in stack[last:] if stack is not None else ():
        layer.requires_grad_(False)
