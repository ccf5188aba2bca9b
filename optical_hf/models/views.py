"""The two ways to search with one set of weights: one vector a text, or one vector a token.

A `SentenceTransformer` is made of Transformer, (Dense on tokens), Pooling and Normalize. A `MultiVectorEncoder` can be made of the
same Transformer and Dense, and of what stands between them. Here one is made from the other: they share every parameter, and no
weight is copied.
"""

from itertools import islice, takewhile
from typing import Literal

from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import nn

from optical_hf.models.projection_place import denses_on_tokens

Encoder = SentenceTransformer | MultiVectorEncoder
Kind = Literal["vector", "late_interaction"]
KINDS: tuple[Kind, ...] = ("vector", "late_interaction")
# What comes behind the tokens that a projection reads.
ENDS = (Dense, Pooling, MultiVectorMask, Normalize)


def kind_of(model: Encoder) -> Kind:
    """How a model searches: "vector" or "late_interaction".

    Raises:
        ValueError: for anything that is not a sentence-transformers SentenceTransformer or MultiVectorEncoder.
    """
    if isinstance(model, MultiVectorEncoder):
        return "late_interaction"
    if isinstance(model, SentenceTransformer):
        return "vector"
    raise ValueError(
        f"expected a sentence-transformers SentenceTransformer or MultiVectorEncoder, got {type(model).__name__}; "
        "load it with optical_hf.load_teacher or optical_hf.load_student"
    )


def token_projection(model: Encoder) -> Dense | None:
    """The linear layer that takes backbone tokens to the width they are searched in, None where there is none."""
    return next((m for m in model if isinstance(m, Dense) and m.module_input_name == "token_embeddings"), None)


def backbone(model: Encoder) -> Transformer:
    """The Transformer module of a model.

    Raises:
        ValueError: where the first module is something else (a static embedding, a router).
    """
    first = model[0]
    if not isinstance(first, Transformer):
        raise ValueError(
            f"expected a model whose first module is a Transformer, got {type(first).__name__}: its tokens cannot be aligned; "
            "take a transformers checkpoint or a sentence-transformers model built on one"
        )
    return first


def before_projection(model: Encoder) -> list[nn.Module]:
    """The modules whose output the projection reads: the backbone, and the average of its layers where there is one.

    Of a model without a projection, those whose tokens are pooled or searched as they are.

    Raises:
        ValueError: where the first module is no Transformer.
    """
    return [backbone(model), *takewhile(lambda module: not isinstance(module, ENDS), islice(model, 1, None))]


def as_backbone(model: Encoder) -> SentenceTransformer:
    """The part of a model before its projection, as an encoder; the weights are shared, nothing is copied.

    Its tokens are those that the closed form maps, and that a token cache can keep while the backbone is frozen.
    """
    view = SentenceTransformer(modules=before_projection(model), prompts=prompts_of(model), device=str(model.device))
    return view.train(model.training)


def prompts_of(model: Encoder) -> dict[str, str]:
    """The prompts of a model that are set, by name."""
    return {name: prompt for name, prompt in model.prompts.items() if prompt is not None}


def as_late_interaction(model: Encoder) -> MultiVectorEncoder:
    """The model as a late-interaction encoder (MaxSim over tokens); the weights are shared, nothing is copied.

    A Dense layer behind the pooling is put on the tokens. A one-vector model without a projection keeps its own width: no random
    projection is added, as loading its folder with `MultiVectorEncoder` would.

    Raises:
        ValueError: where the Dense layer behind the pooling would give other vectors on the tokens.

    Example:
        >>> colbert = as_late_interaction(SentenceTransformer("all-MiniLM-L6-v2"))  # doctest: +SKIP
        >>> [v.shape for v in colbert.encode_query(["a red ball"])]                  # doctest: +SKIP
        [torch.Size([5, 384])]
    """
    if isinstance(model, MultiVectorEncoder):
        return model
    kind_of(model)
    modules = [
        *before_projection(model),
        *(m for m in model if isinstance(m, Dense) and m.module_input_name == "token_embeddings"),
        *denses_on_tokens(model),
    ]
    late = MultiVectorEncoder(
        modules=[*modules, MultiVectorMask(), Normalize(module_input_name="token_embeddings")],
        prompts=prompts_of(model),
        device=str(model.device),
    )
    late.model_card_data.base_model = model.model_card_data.base_model
    late.model_card_data.language = model.model_card_data.language
    return late


def as_vector(model: Encoder, pooling_mode: str = "mean") -> SentenceTransformer:
    """The model as a one-vector encoder (pooled tokens, unit length); the weights are shared, nothing is copied."""
    if isinstance(model, SentenceTransformer):
        return model
    kind_of(model)
    projection = token_projection(model)
    width = model.get_embedding_dimension() or backbone(model).get_embedding_dimension()
    modules = [*before_projection(model), *([projection] if projection is not None else [])]
    vector = SentenceTransformer(
        modules=[*modules, Pooling(width, pooling_mode), Normalize()],
        prompts=prompts_of(model),
        device=str(model.device),
    )
    vector.model_card_data.language = model.model_card_data.language
    return vector
