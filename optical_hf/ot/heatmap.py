"""A picture of one plan: source tokens down, target tokens across, the darker the more mass.

Needs matplotlib, which is an extra.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from optical_hf.extras import import_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def alignment_heatmap(
    plan_NM: torch.Tensor, source_tokens: Sequence[str], target_tokens: Sequence[str], *, ax: "Axes | None" = None
) -> "Axes":
    """Draw the share of each source token's mass that goes to each target token.

    `share_ij = P_ij / sum_k P_ik`

    Args:
        plan_NM: (N, M) plan of one pair; rows and columns beyond the tokens given are padding and not drawn.
        source_tokens: the source tokens, at most N.
        target_tokens: the target tokens, at most M.
        ax: axes to draw on; `None`: a new figure.

    Returns:
        The axes; save with `ax.figure.savefig(path)`.

    Raises:
        ImportError: without matplotlib.
        ValueError: a plan that is not (N, M), or more tokens than it has.

    Example:
        >>> ax = alignment_heatmap(torch.eye(2) / 2, ["ein", "Hund"], ["a", "dog"])
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['ein', 'Hund']
    """
    rows, columns = len(source_tokens), len(target_tokens)
    if plan_NM.dim() != 2 or rows > plan_NM.shape[0] or columns > plan_NM.shape[1]:
        raise ValueError(
            f"plan_NM: expected (N, M) with N >= {rows} and M >= {columns} tokens, got {tuple(plan_NM.shape)}. To fix "
            "this, pass plan[pair] of one pair and its tokens without padding."
        )
    moved_NM = plan_NM.detach().float().cpu()[:rows, :columns]
    total_N1 = moved_NM.sum(dim=1, keepdim=True)
    share_NM = moved_NM / torch.where(total_N1 > 0, total_N1, 1.0)
    if ax is None:
        size = (2 + 0.35 * columns, 1.5 + 0.35 * rows)
        figure = import_extra("matplotlib.figure", "viz", "alignment_heatmap")
        ax = figure.Figure(figsize=size, layout="constrained").add_subplot()
    ax.imshow(share_NM, cmap="Blues", vmin=0.0, vmax=1.0)
    ax.set_xticks(range(columns), target_tokens, rotation=60, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(rows), source_tokens)
    ax.set_xlabel("target")
    ax.set_ylabel("source")
    return ax
