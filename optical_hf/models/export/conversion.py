"""Write a saved student in another layout: the order of servers, the Dense on tokens, ONNX."""

from os import PathLike
from pathlib import Path
from typing import Literal

from optical_hf.files import check_new_folder
from optical_hf.models.export.onnx_export import save_onnx
from optical_hf.models.known_languages import write_languages
from optical_hf.models.loading import load_teacher
from optical_hf.models.standard_layout import write_standard
from optical_hf.models.student_folder import student_folder
from optical_hf.settings_checks import check_choices

Layout = Literal["standard", "tokens", "onnx"]
LAYOUTS: tuple[Layout, ...] = ("standard", "tokens", "onnx")


def convert_student(
    student: str | Path, folder: str | PathLike[str], layout: Layout = "standard", *, device: str | None = None
) -> Path:
    """Write a saved student in another layout; its vectors stay the same.

    Args:
        student: its folder, as this version or 0.1 or sentence-transformers wrote it, or its hub id.
        folder: where to; must not exist, or be empty.
        layout: "standard", Transformer, 1_Pooling, 2_Dense, 3_Normalize, as text-embeddings-inference and vLLM read it; "tokens",
            the Dense before the pooling, as sentence-transformers writes what is in memory; "onnx" as `save_onnx` writes it.
        device: torch device; None lets sentence-transformers choose.

    Returns:
        The folder.

    Raises:
        ValueError: an unknown layout, a folder with something in it, or a student whose vectors would be others in the layout.
        ImportError: for "onnx" without the extra [onnx].

    Example:
        >>> convert_student("students/so", "served/so")                                       # doctest: +SKIP
        PosixPath('served/so')
    """
    check_choices(layout=(layout, LAYOUTS))
    place = check_new_folder(folder)
    model = load_teacher(student, device=device, role="student")
    if layout == "onnx":
        save_onnx(model, place)
    else:

        def write(staging: Path) -> None:
            model.save_pretrained(str(staging))
            write_languages(model, staging)
            if layout == "standard":
                write_standard(staging)

        student_folder(place).write(write)
    return place
