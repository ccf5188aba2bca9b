"""Checks of a model that is written in the layout of another library, and of the folder it is written to."""

from os import PathLike
from pathlib import Path

from transformers import PreTrainedModel

from optical_hf.files import check_new_folder
from optical_hf.models.layers import layer_average
from optical_hf.models.tokens import Encoder
from optical_hf.models.views import backbone


def check_export(model: Encoder, folder: str | PathLike[str], reader: str) -> tuple[PreTrainedModel, Path]:
    """The backbone of a model and the folder to write to.

    Args:
        model: a student or a teacher.
        folder: must not exist, or be empty.
        reader: what reads the layout, for the errors.

    Raises:
        ValueError: for a folder with something in it, a backbone with an adapter, or one whose layers are averaged.
    """
    module = backbone(model).model
    if not isinstance(module, PreTrainedModel):
        raise ValueError(f"the backbone is wrapped in an adapter, which {reader} does not read: merge it first")
    if layer_average(model) is not None:
        raise ValueError(
            f"the student's tokens are an average of hidden layers, for which {reader} has no place: it would read the last layer "
            "alone; save it with save_student, or align one on the last layer alone (layers=[12], say)"
        )
    return module, check_new_folder(folder)
