"""Maps that other work fits between two embedding spaces, on the same vectors as ours: what contrastive_map.py compares with.

Orthogonal Procrustes, a low-rank affine map and a residual MLP are those of Drift-Adapter (arXiv:2509.23471), which bridges a
changed English encoder. Each is fitted on unit vectors by mean squared error; the two trained ones by AdamW for 30 epochs in
batches of 256, learning rate 1e-3 along a cosine, weight decay 0.01. Written from the paper's description, not its code.

Shapes: N rows, D source width, K target width.
"""

from collections.abc import Callable

import torch
from scipy.linalg import orthogonal_procrustes
from torch import Tensor, nn
from torch.nn.functional import mse_loss, normalize

Map = Callable[[Tensor], Tensor]
EPOCHS, BATCH, RATE, DECAY = 30, 256, 1e-3, 0.01


def procrustes(source_ND: Tensor, target_NK: Tensor) -> Map:
    """The rotation of centred vectors with the smallest squared error; both widths must be equal."""
    unit_ND, unit_NK = normalize(source_ND, dim=1), normalize(target_NK, dim=1)
    mean_D, mean_K = unit_ND.mean(dim=0), unit_NK.mean(dim=0)
    rotation, _ = orthogonal_procrustes((unit_ND - mean_D).numpy(), (unit_NK - mean_K).numpy())
    rotation_DK = torch.from_numpy(rotation)
    return lambda source: (normalize(source, dim=1) - mean_D) @ rotation_DK + mean_K


class LowRankAffine(nn.Module):
    """x -> U V x + t."""

    def __init__(self, width_in: int, width_out: int, rank: int = 64) -> None:
        super().__init__()
        self.map = nn.Sequential(nn.Linear(width_in, rank, bias=False), nn.Linear(rank, width_out))

    def forward(self, source_ND: Tensor) -> Tensor:
        return self.map(source_ND)


class ResidualMLP(nn.Module):
    """x -> x + W2 gelu(W1 x + b1) + b2."""

    def __init__(self, width: int, hidden: int = 256) -> None:
        super().__init__()
        self.map = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, source_ND: Tensor) -> Tensor:
        return source_ND + self.map(source_ND)


def low_rank_affine(source_ND: Tensor, target_NK: Tensor, seed: int = 0) -> Map:
    """A map of rank 64 with an offset."""
    torch.manual_seed(seed)
    return _trained(LowRankAffine(source_ND.shape[1], target_NK.shape[1]), source_ND, target_NK, seed)


def residual_mlp(source_ND: Tensor, target_NK: Tensor, seed: int = 0) -> Map:
    """One hidden layer of 256 beside the identity; both widths must be equal."""
    torch.manual_seed(seed)
    return _trained(ResidualMLP(source_ND.shape[1]), source_ND, target_NK, seed)


def _trained(model: nn.Module, source_ND: Tensor, target_NK: Tensor, seed: int) -> Map:
    unit_ND, unit_NK = normalize(source_ND, dim=1), normalize(target_NK, dim=1)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    steps = EPOCHS * -(-len(unit_ND) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(EPOCHS):
        for row_B in torch.randperm(len(unit_ND), generator=generator).split(BATCH):
            loss = mse_loss(model(unit_ND[row_B]), unit_NK[row_B])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()

    @torch.no_grad()
    def mapped(source: Tensor) -> Tensor:
        return model(normalize(source, dim=1))

    return mapped
