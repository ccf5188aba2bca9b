"""`own_index`: what a user would do instead of keeping the teacher's index. The student's checkpoint reads the documents too.

Which checkpoint that is, and with which prompts it reads. No trained weights are read, and no projection is added.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from sentence_transformers.util.file_io import load_file_path

from optical_hf.files import expand_name
from optical_hf.models.loading import load_teacher, stated_base_models
from optical_hf.models.prompt_families import PromptFamily, family_of
from optical_hf.models.prompts import prompt_of, set_prompts
from optical_hf.models.tokens import Encoder
from optical_hf.models.views import token_projection

Checkpoint = Encoder | str | Path


class Reading(NamedTuple):
    """What goes in front of a query and of a document; "" where nothing does."""

    query: str
    document: str


def untrained_checkpoint(untrained: Checkpoint | None, student: Encoder | None) -> Checkpoint | None:
    """The checkpoint that a student was made from; None where nobody says which.

    Args:
        untrained: the checkpoint, where the user names it.
        student: with a projection to the teacher's width. It was made from what its backbone was loaded from. Where that
            is a saved student, the `base_model` of its card counts.
    """
    if untrained is not None or student is None:
        return untrained
    place = _loaded_from(student)
    if place is None or token_projection(student) is None or (Path(place).is_absolute() and not Path(place).is_dir()):
        return None
    return checkpoint_behind(place)


def checkpoint_behind(place: str) -> str | None:
    """The untrained checkpoint of a hub id or folder: itself, or the `base_model` of a saved student's card, if it has one."""
    if not _is_student(place):
        return place
    card = _file(place, "README.md")
    return next(iter(stated_base_models(card.parent)), None) if card is not None else None


def own_index_encoder(untrained: Checkpoint | None, student: Encoder | None, device: str | None = None) -> Encoder:
    """The untrained checkpoint as it is, to read queries and documents.

    Raises:
        ValueError: where nobody says which checkpoint it is, or it is a trained student.
    """
    checkpoint = untrained_checkpoint(untrained, student)
    if checkpoint is None:
        raise ValueError(
            "the system 'own_index' needs the checkpoint that the student was made from, and neither untrained= nor the "
            "student's card names it: give untrained='intfloat/multilingual-e5-small', or a folder, or a model"
        )
    if not isinstance(checkpoint, str | Path):
        if student is not None and checkpoint[0] is student[0]:
            raise ValueError(
                "untrained= is the student itself, or shares its weights: an index of its own would be read with trained "
                "weights; give the name of the checkpoint it was made from"
            )
        return checkpoint
    checkpoint = expand_name(checkpoint)
    family = _family([str(checkpoint), *stated_base_models(checkpoint)])
    prompt = (
        None if family is None or _states_prompt(checkpoint) else family.query
    )  # said here, so that no warning asks for it
    model = load_teacher(checkpoint, device=device, role="student", query_prompt=prompt)
    if token_projection(model) is not None:
        raise ValueError(
            f"{checkpoint} has a projection, as a trained student has: its index would be shown as one without training; "
            "name the checkpoint it was made from: untrained='intfloat/multilingual-e5-small'"
        )
    return model


def readings(model: Encoder, student: Encoder | None = None) -> list[Reading]:
    """The prompts to try: those of the checkpoint or its family, and the query's in front of documents too.

    Args:
        model: the untrained checkpoint.
        student: whose query prompt is taken where the checkpoint and its family have none.

    Example:
        >>> from optical_hf.models.prompts import set_prompts
        >>> from optical_hf.models.tiny import tiny_encoder
        >>> model = tiny_encoder(["a dog"], width=16, vocabulary_size=30)
        >>> set_prompts(model, query="query: ", document="passage: ")
        >>> readings(model)
        [Reading(query='query: ', document='passage: '), Reading(query='query: ', document='query: ')]
    """
    family = _family(encoder_names(model))
    query = prompt_of(model, "query") or (family.query if family else None)
    query = query or (prompt_of(student, "query") if student is not None else None) or ""
    document = prompt_of(model, "document") or (family.document if family else "")
    alike = query if document or family is None else document  # a family may say that documents have none
    return [Reading(query, text) for text in dict.fromkeys((document, alike))]


@contextmanager
def reading_with(model: Encoder, reading: Reading) -> Iterator[None]:
    """A context in which a model puts these prompts in front of queries and documents."""
    before = model.prompts
    set_prompts(model, *reading)
    try:
        yield
    finally:
        model.prompts = before


def checkpoint_name(model: Encoder) -> str | None:
    """A hub id, or the name of a folder without its place on this machine; None where it was never loaded."""
    name = next(iter(encoder_names(model)), None)
    return Path(name).name if name is not None and Path(name).is_absolute() else name


def encoder_names(model: Encoder) -> list[str]:
    """What a model, and the one that it was made from, is called."""
    place = _loaded_from(model)
    named = (model.model_card_data.base_model, place, *([] if place is None else stated_base_models(place)))
    return [name for name in named if name]


def _family(names: Iterable[str]) -> PromptFamily | None:
    return next((found for found in map(family_of, names) if found is not None), None)


def _states_prompt(checkpoint: str | Path) -> bool:
    file = _file(str(checkpoint), "config_sentence_transformers.json")
    return file is not None and bool(json.loads(file.read_text(encoding="utf-8")).get("prompts", {}).get("query"))


def _loaded_from(model: Encoder) -> str | None:
    """The hub id or folder that the weights of a model's first module were read from."""
    return getattr(getattr(model[0], "config", None), "_name_or_path", None) or None


def _is_student(place: str) -> bool:
    """Whether a folder or hub id holds a model with a linear layer on its tokens or behind its pooling, as saved students do."""
    modules = _file(place, "modules.json")
    listed = [] if modules is None else json.loads(modules.read_text(encoding="utf-8"))
    own = [module for module in listed if module["type"].startswith("sentence_transformers.")]
    files = [_file(place, f"{module['path']}/config.json") for module in own if module["type"].endswith("Dense")]
    dense = [json.loads(file.read_text(encoding="utf-8")) for file in files if file is not None]
    on_tokens = any(settings.get("module_input_name") == "token_embeddings" for settings in dense)
    return on_tokens or (len(dense) == 1 and str(dense[0].get("activation_function")).endswith(".Identity"))


def _file(place: str, name: str) -> Path | None:
    """A file of a folder or of a hub id; None where there is none, or the hub cannot be reached."""
    with suppress(OSError):
        found = load_file_path(place, name)
        return None if found is None else Path(found)
    return None
