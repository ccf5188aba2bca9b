"""Which weights of a student never move, whatever the objectives. Knows nothing about the training loop."""

from optical_hf.models import Encoder, backbone


def freeze(student: Encoder, embeddings: bool) -> None:
    """Keep out of the optimizer what gets no gradient, and the word embeddings if wanted.

    A pooler of BERT's kind feeds next-sentence prediction only; a student pools its tokens. With a gradient asked for and none
    given, it has no optimizer state, and FSDP refuses to go on from such a checkpoint.
    """
    model = backbone(student).model
    pooler = getattr(model, "pooler", None)
    if pooler is not None:
        pooler.requires_grad_(False)
    if embeddings:
        model.get_input_embeddings().requires_grad_(False)
