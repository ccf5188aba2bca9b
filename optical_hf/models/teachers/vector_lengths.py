"""Whether the vectors of an index are of unit length, so that it is said how they are compared.

Shapes: N rows.
"""

import numpy as np

UNIT = 0.01
"""How far from 1 the length of a normalised vector may be: half precision moves it by less."""


def is_unit(length_N: np.ndarray, normalize: bool | None) -> bool:
    """Whether vectors are taken at unit length.

    Args:
        length_N: the lengths of all vectors.
        normalize: True divides each by its length; False keeps them as they are; None wants them to be of unit length.

    Raises:
        ValueError: they are not, and nobody said what to do.

    Example:
        >>> is_unit(np.array([1.0, 1.001]), None), is_unit(np.array([3.0, 4.0]), False)
        (True, False)
    """
    if normalize is not None:
        return normalize
    unit_N = np.abs(length_N - 1) <= UNIT
    if unit_N.all():
        return True
    least, middle, most = np.quantile(length_N[~unit_N], [0, 0.5, 1])
    found = f"lengths of {least:.3g} to {most:.3g}, median {middle:.3g}"
    if unit_N.any():
        found = (
            f"{int(unit_N.sum()):,} of them are of unit length and {int((~unit_N).sum()):,} have {found}: normalised and other "
            "vectors were mixed"
        )
    raise ValueError(
        f"the vectors are not of unit length, {found}. If the index compares by cosine, pass normalize=True: each is divided by "
        "its length. If by inner product, pass normalize=False: they stay as they are"
    )
