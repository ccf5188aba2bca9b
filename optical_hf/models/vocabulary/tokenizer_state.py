"""A fast tokenizer as plain data, and back: the JSON of the `tokenizers` library, with pieces taken out or put in.

For Unigram (XLM-R and its kin) and WordPiece (BERT and its kin), the two whose pieces stand for themselves: BPE's
depend on the merges before them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

State: TypeAlias = dict[str, Any]
SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


def read_state(tokenizer: PreTrainedTokenizerBase) -> State:
    """The tokenizer as plain data, without the padding and truncation of its last call.

    Raises:
        ValueError: for a tokenizer that is not fast, or neither Unigram nor WordPiece.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ValueError(f"{type(tokenizer).__name__} is not a fast tokenizer: its vocabulary cannot be changed here")
    state: State = json.loads(backend.to_str())
    if state["model"]["type"] not in ("Unigram", "WordPiece"):
        raise ValueError(
            f"the tokenizer is a {state['model']['type']}: expected Unigram (XLM-R) or WordPiece (BERT), whose pieces "
            "stand for themselves; take another backbone"
        )
    return state | {"padding": None, "truncation": None}


def runnable(state: State) -> Tokenizer:
    """The tokenizer that a state describes, which pads and cuts nothing."""
    return Tokenizer.from_str(json.dumps(state))


def rebuilt(tokenizer: PreTrainedTokenizerBase, state: State) -> PreTrainedTokenizerFast:
    """A tokenizer of the new state with the special tokens, limits and habits of the old one.

    It is of the library's general class, which reads `tokenizer.json` and nothing else; a class of one model may build
    itself from other files.
    """
    special = {name: token for name in SPECIAL if (token := getattr(tokenizer, name, None)) is not None}
    return PreTrainedTokenizerFast(
        tokenizer_object=runnable(state),
        model_max_length=tokenizer.model_max_length,
        padding_side=tokenizer.padding_side,
        truncation_side=tokenizer.truncation_side,
        model_input_names=list(tokenizer.model_input_names),
        **special,
    )


def pieces(state: State) -> dict[str, int]:
    """Every piece with its id, added tokens included."""
    vocabulary = state["model"]["vocab"]
    found = (
        dict(vocabulary) if isinstance(vocabulary, Mapping) else {piece: i for i, (piece, _) in enumerate(vocabulary)}
    )
    return found | {token["content"]: token["id"] for token in state["added_tokens"]}


def select(state: State, kept: Sequence[int]) -> State:
    """The state with the pieces of these ids only, numbered anew in their order.

    Args:
        state: of `read_state`.
        kept: ids in ascending order, those of the added tokens among them.
    """
    new_id = {old: new for new, old in enumerate(kept)}
    model = dict(state["model"])
    if model["type"] == "Unigram":
        model["vocab"] = [entry for old, entry in enumerate(model["vocab"]) if old in new_id]
        model["unk_id"] = new_id[model["unk_id"]] if model["unk_id"] is not None else None
    else:
        model["vocab"] = {piece: new_id[old] for piece, old in model["vocab"].items() if old in new_id}
    return state | {
        "model": model,
        "added_tokens": [token | {"id": new_id[token["id"]]} for token in state["added_tokens"]],
        "post_processor": _renumbered(state["post_processor"], new_id),
    }


def extended(state: State, learnt: Mapping[str, float]) -> State:
    """The state with more pieces, behind those it has; what it has already keeps its id and score.

    Args:
        state: of `read_state`.
        learnt: pieces with their Unigram scores, which WordPiece passes over.
    """
    known = pieces(state)
    new = [piece for piece in learnt if piece not in known]
    model = dict(state["model"])
    if model["type"] == "Unigram":
        # Ids are places in the list: added tokens behind its end get an entry each, as XLM-R's mask has.
        behind = sorted((i, piece) for piece, i in known.items() if i >= len(model["vocab"]))
        model["vocab"] = [
            *model["vocab"],
            *([piece, 0.0] for _, piece in behind),
            *([piece, learnt[piece]] for piece in new),
        ]
    else:
        first = max(known.values()) + 1
        model["vocab"] = model["vocab"] | {piece: first + i for i, piece in enumerate(new)}
    return state | {"model": model}


def pieces_within(state: State, texts: Sequence[str]) -> set[int]:
    """Every piece that is a part of a word of the texts: all that any segmentation of them could be made of."""
    known, tokenizer = pieces(state), runnable(state)
    prefix = state["model"].get("continuing_subword_prefix", "")
    longest = max(map(len, known))
    found: set[int] = set()
    for text in texts:
        for word in _words(tokenizer, text):
            for begin in range(len(word)):
                for end in range(begin + 1, min(begin + longest, len(word)) + 1):
                    part = word[begin:end]
                    found.update(known[name] for name in (part, prefix + part) if name in known)
    return found


def _words(tokenizer: Tokenizer, text: str) -> Iterator[str]:
    normal = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer is not None else text
    if tokenizer.pre_tokenizer is None:
        yield normal
    else:
        yield from (word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal))


def _renumbered(processor: Any, new_id: Mapping[int, int]) -> Any:
    """A post-processor with its special tokens' ids replaced."""
    if processor is None:
        return None
    kind = processor["type"]
    if kind == "Sequence":
        return processor | {"processors": [_renumbered(part, new_id) for part in processor["processors"]]}
    if kind == "TemplateProcessing":
        special = {
            name: token | {"ids": [new_id[old] for old in token["ids"]]}
            for name, token in processor["special_tokens"].items()
        }
        return processor | {"special_tokens": special}
    ends = {name: [processor[name][0], new_id[processor[name][1]]] for name in ("sep", "cls") if name in processor}
    return processor | ends
