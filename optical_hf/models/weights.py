"""Checks of a model's weights before they are used: all of them finite, and a student's in full precision."""

import torch

from optical_hf.models.views import Encoder, backbone

HALF = (torch.float16, torch.bfloat16)


def check_finite(model: Encoder, who: str) -> None:
    """Refuse weights with NaN or infinity.

    Args:
        model: as it was loaded.
        who: whose weights they are, for the message.

    Raises:
        ValueError: naming the first weights and how many there are.
    """
    weights = {name: weight for name, weight in model.named_parameters() if weight.is_floating_point()}
    bad = [name for name, weight in weights.items() if not bool(torch.isfinite(weight.detach()).all())]
    if bad:
        raise ValueError(
            f"{who} has weights with NaN or infinity: {', '.join(bad[:3])}{', ...' if len(bad) > 3 else ''} "
            f"({len(bad)} of {len(weights)} tensors): all it reads would be NaN; take another checkpoint, or download it again"
        )


def check_full_precision(student: Encoder) -> None:
    """Refuse a student whose backbone is in half precision and not quantised.

    Raises:
        ValueError: saying how to load it.
    """
    model = backbone(student).model
    half = {weight.dtype for weight in model.parameters()} & set(HALF)
    if half and not getattr(model, "is_quantized", False):
        names = ", ".join(sorted(str(dtype) for dtype in half))
        raise ValueError(
            f"the student's weights are in half precision ({names}): small steps would be lost in them; load it with load_student, "
            "or make it full with student.float(), and train in half precision with the arguments fp16=True or bf16=True"
        )
