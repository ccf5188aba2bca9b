"""How many tokens of a text a model keeps: setting the limit, and checking it against the backbone's positions.

A limit above the backbone's positions would end a run at the first long text.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from optical_hf.models.views import Encoder

logger = logging.getLogger(__name__)

BY_TASK = ("query_length", "document_length")  # limits of late-interaction models, which go before the general one


def positions_of(model: Encoder) -> int | None:
    """Tokens that a model's backbone has positions for, None where nothing bounds them.

    RoBERTa and its kin (XLM-R, MPNet) number positions from behind the padding's: 514 of them are 512 tokens.
    """
    config = getattr(model[0], "config", None)
    if config is None:
        return None
    count = getattr(config.get_text_config(), "max_position_embeddings", None)
    if not isinstance(count, int) or count < 1:  # XLNet says -1: none
        return None
    tables = (getattr(module, "position_embeddings", None) for module in model[0].modules())
    padding = next((i for i in (getattr(table, "padding_idx", None) for table in tables) if i is not None), -1)
    return count - padding - 1


def check_length(tokens: int, model: Encoder | None = None) -> None:
    """Refuse a number of tokens that cannot be kept of a text.

    Args:
        tokens: the number wanted.
        model: whose backbone must have so many positions; None looks at the number alone.

    Raises:
        ValueError: a number below 1, or above the backbone's positions.
    """
    if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 1:
        raise ValueError(
            f"max_seq_length is {tokens!r}: expected a whole number of tokens from 1 up; leave it out for the model's limit"
        )
    most = None if model is None else positions_of(model)
    if most is not None and tokens > most:
        raise ValueError(
            f"max_seq_length is {tokens}, but the backbone ({type(model[0].model).__name__}) has positions for {most} tokens: a "  # type: ignore[index]
            f"longer text would end the run; give {most} at most"
        )


def set_max_seq_length(model: Encoder, tokens: int) -> None:
    """Keep so many tokens of a text, of queries and of documents.

    Args:
        model: a student or a teacher.
        tokens: with those that the tokenizer adds.

    Raises:
        ValueError: a number below 1, or above the backbone's positions.

    Example:
        >>> from optical_hf.models.tiny import tiny_encoder
        >>> model = tiny_encoder(["a dog"], width=16, vocabulary_size=30)
        >>> set_max_seq_length(model, 8)
        >>> model.max_seq_length
        8
    """
    check_length(tokens, model)
    model.max_seq_length = tokens
    for name in BY_TASK:
        expanded = name == "query_length" and getattr(model[0], "query_expansion", None) is not None
        if getattr(model[0], name, None) is not None and not expanded:
            setattr(model[0], name, tokens)


@contextmanager
def text_length(model: Encoder, tokens: int | None) -> Iterator[None]:
    """A context in which a model keeps at most `tokens` tokens of a text; None changes nothing.

    Raises:
        ValueError: as `set_max_seq_length`.
    """
    if tokens is None:
        yield
        return
    before = model.max_seq_length, {name: getattr(model[0], name, None) for name in BY_TASK}
    set_max_seq_length(model, tokens)
    try:
        yield
    finally:
        model.max_seq_length = before[0]
        for name, limit in before[1].items():
            if limit is not None:
                setattr(model[0], name, limit)


def keep_within_positions(model: Encoder, who: str) -> None:
    """Lower the limits that a checkpoint states to its backbone's positions, with a warning.

    Args:
        model: as it was loaded.
        who: whose limit it is, for the warning.
    """
    most = positions_of(model)
    stated = {name: getattr(model[0], name, None) for name in ("max_seq_length", *BY_TASK)}
    above = {name: limit for name, limit in stated.items() if limit is not None and most is not None and limit > most}
    for name in above:
        setattr(model[0], name, most)
    if above:
        logger.warning(
            "%s keeps %d tokens of a text, but its backbone has positions for %d: longer texts are cut there",
            who,
            max(above.values()),
            most,
        )
