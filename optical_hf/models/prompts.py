"""The prompts a model puts in front of texts: the one in use, how to set it, and a warning where one is missing.

What is set is saved with the model, and `encode_query` takes it.
"""

import logging
import shlex
from collections.abc import Iterable
from typing import Literal

from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

from optical_hf.models.prompt_families import family_of
from optical_hf.models.views import Encoder, token_projection

logger = logging.getLogger(__name__)

Task = Literal["query", "document"]
Role = Literal["student", "teacher"]
NAMES: dict[Task, tuple[str, ...]] = {"query": ("query",), "document": ("document", "passage", "corpus")}
"""Where `encode_query` and `encode_document` look for their prompt; the first that is there, an empty one too."""


def prompt_of(model: Encoder, task: Task) -> str | None:
    """The prompt that `encode_query` or `encode_document` puts in front of a text, None where there is none.

    Example:
        >>> from optical_hf.models.tiny import tiny_encoder
        >>> model = tiny_encoder(["a dog"], width=16, vocabulary_size=30)
        >>> set_prompts(model, query="query: ")
        >>> prompt_of(model, "query"), prompt_of(model, "document")
        ('query: ', None)
    """
    prompts = model.prompts or {}
    name = next((name for name in NAMES[task] if name in prompts), model.default_prompt_name)
    return prompts.get(name or "") or None


def reads_alike(model: Encoder) -> bool:
    """Whether a model reads a text as a document as it reads it as a query: one prompt, one length, no marker of either."""
    first = model[0]
    lengths = {getattr(first, name, None) for name in ("query_length", "document_length")}
    masks = [module for module in model if isinstance(module, MultiVectorMask)]
    return (
        prompt_of(model, "query") == prompt_of(model, "document")
        and len(lengths) == 1
        and getattr(first, "query_expansion", None) is None
        and "message" not in (getattr(first, "modality_config", None) or {})  # a chat template may know the task
        and not any(mask.skiplist_words or mask.keep_only_token_ids for mask in masks)
    )


def set_prompts(model: Encoder, query: str | None = None, document: str | None = None) -> None:
    """Put texts in front of all queries or documents from now on, and in what is saved; "" for none, None leaves as it is."""
    for name, prompt in (("query", query), ("document", document)):
        if prompt is not None:
            model.prompts = {**(model.prompts or {}), name: prompt}


def advise_prompt(model: Encoder, role: Role, who: str, names: Iterable[str]) -> None:
    """Warn where a model is of a family that wants a prompt and states none.

    A model with a projection is passed over: a student reads as it was fitted.

    Args:
        model: as it was loaded.
        role: student or teacher: each gets its prompt in another way.
        who: for the warning.
        names: what it, and the model it was made from, is called.
    """
    family = next((found for found in map(family_of, names) if found is not None), None)
    if family is None or prompt_of(model, "query") or token_projection(model) is not None:
        return
    if role == "student":
        fix = (
            f"give query_prompt={family.query!r} (--query-prompt {_for_the_shell(family.query)}), or query_prompt='' to read them "
            "without and silence this warning"
        )
    else:
        fix = f"load it with load_teacher(..., query_prompt={family.query!r}, document_prompt={family.document!r})"
    logger.warning(
        "%s is of the family %s, whose queries begin with %r (%s), and its folder states no prompt: it reads them without; %s",
        who,
        family.name,
        family.query,
        family.source,
        fix,
    )


def _for_the_shell(prompt: str) -> str:
    return "$" + repr(prompt) if "\n" in prompt else shlex.quote(prompt)
