"""Write a student where others load it, and read its weights back from a checkpoint.

The layout is that of sentence-transformers, adapters included, in the order of modules that servers read (standard_layout.py).
Nothing here is a format of ours.
"""

import copy
import json
import logging
import os
import re
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from sentence_transformers.sentence_transformer.modules import WeightedLayerPooling
from torch import Tensor

from optical_hf.files import expand_path
from optical_hf.models import Encoder, backbone, kind_of
from optical_hf.models.known_languages import write_languages
from optical_hf.models.layers import check_same_layers, keep_hidden_states
from optical_hf.models.standard_layout import standard_obstacle, tokens_first, write_standard
from optical_hf.models.student_folder import student_folder
from optical_hf.training.adapters import ADAPTER_CONFIG, ADAPTER_WEIGHTS, has_adapter, load_adapter, merged

logger = logging.getLogger(__name__)


def merge_and_save(model: Encoder, folder: str | Path) -> None:
    """Save a student with its adapter (LoRA, DoRA, rsLoRA) folded into the backbone: it loads without PEFT.

    The student in memory keeps its adapter. One whose backbone was quantised (QLoRA) is merged into the quantised weights, as PEFT
    does it; to merge without that loss, load the backbone whole and put the saved adapter on it.

    Args:
        model: the student, not wrapped; without an adapter it is saved as it is.
        folder: where to, see `save_student`.

    Example:
        >>> merge_and_save(student, "students/so")                                        # doctest: +SKIP
    """
    save_student(merged(model), folder)


def save_student(model: Encoder, folder: str | Path, state_dict: dict[str, Tensor] | None = None) -> None:
    """Save a student as sentence-transformers and servers read it: complete, or not at all.

    A one-vector student is saved in the order Transformer, 1_Pooling, 2_Dense, 3_Normalize; one whose vectors would be others there
    (a teacher that pools by max, averaged layers) is saved as it is, with a warning.

    It is written beside its place, and the folders then change names. A full disk or a kill leaves the student that was there, or
    the new one, whole.

    Args:
        model: the student, not wrapped; with an adapter, the adapter is what is saved for the backbone.
        folder: where to; made where it is missing, files that are none of a student's stay.
        state_dict: weights gathered from many devices to save in place of the model's own.

    Raises:
        OSError: where it cannot be written: a full disk, a read-only folder.
    """
    student_folder(folder).write(lambda beside: write_student(model, beside, state_dict))


def write_student(
    model: Encoder, folder: Path, state_dict: dict[str, Tensor] | None = None, *, card: bool = True
) -> None:
    """Write the files of a student one by one; see `save_student`.

    Args:
        model: as there.
        folder: as there.
        state_dict: as there.
        card: write a model card too.

    Raises:
        OSError: where they cannot be written, also where safetensors does not say so.
    """
    if state_dict is not None:
        model = copy.deepcopy(model)
        model.load_state_dict(state_dict)
    try:
        model.save_pretrained(str(folder), create_model_card=card)
    except SafetensorError as error:  # it says in its text only what the disk answered
        answered = re.search(r"os error (\d+)", str(error))
        if answered is None:
            raise
        number = int(answered[1])
        raise OSError(
            number, f"{os.strerror(number)}: the student could not be written; what was there is as it was"
        ) from error
    write_languages(model, folder)
    if (folder / ADAPTER_CONFIG).exists():
        # With it, transformers takes the folder for a whole model and looks for the backbone's weights in it.
        (folder / "config.json").unlink(missing_ok=True)
        keep_hidden_states(folder)
    if kind_of(model) == "vector":
        obstacle = standard_obstacle(folder)
        if obstacle is None:
            write_standard(folder)
        elif card:
            logger.warning("servers such as text-embeddings-inference would misread this student: %s", obstacle)


def load_weights(model: Encoder, folder: str | Path) -> None:
    """Put the weights of a folder that `save_student` wrote into a student of the same shape.

    Raises:
        ValueError: where the folder is not such a checkpoint or its shapes differ, naming the first difference.
    """
    folder = expand_path(folder)
    modules = folder / "modules.json"
    if not modules.exists():
        raise ValueError(
            f"{str(folder)!r} is not a checkpoint of a student: it has no modules.json; give a checkpoint-N folder"
        )
    entries = tokens_first(json.loads(modules.read_text(encoding="utf-8")))
    saved, own = [entry["type"].rsplit(".", 1)[-1] for entry in entries], [type(module).__name__ for module in model]
    if saved != own:
        raise ValueError(
            f"the checkpoint {str(folder)!r} is made of {', '.join(saved)}, the student of {', '.join(own)}: its weights would "
            "mean nothing; load the student with the layers that the checkpoint was trained with"
        )
    averages_first = sorted(
        zip(entries, model, strict=True), key=lambda part: not isinstance(part[1], WeightedLayerPooling)
    )
    for entry, module in averages_first:  # where they differ, nothing is loaded
        place = folder / entry["path"]
        try:
            if isinstance(module, WeightedLayerPooling):  # its weights are chosen, not learnt
                kept = WeightedLayerPooling.load(str(folder), subfolder=entry["path"], local_files_only=True)
                check_same_layers(model, kept, folder)
            elif module is backbone(model):
                _load_backbone(model, folder)
            elif module.state_dict():
                module.load_state_dict(load_file(place / "model.safetensors"))
        except ValueError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise ValueError(f"cannot read the weights in {str(place)!r}: {reason}") from error


def _load_backbone(model: Encoder, folder: Path) -> None:
    """Through transformers, which knows the names it gave the weights: 5.0 writes BERT's LayerNorm.weight as gamma."""
    if has_adapter(model) or (folder / ADAPTER_WEIGHTS).exists():
        load_adapter(model, folder)
        return
    module = backbone(model).model
    loaded, report = type(module).from_pretrained(folder, output_loading_info=True)
    if report["missing_keys"] or report["unexpected_keys"]:
        raise KeyError(f"missing {report['missing_keys']}, not expected {report['unexpected_keys']}")
    module.load_state_dict(loaded.state_dict())
