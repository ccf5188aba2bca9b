"""What training minimises: transport, and the losses it must beat. Losses see tensors and masks, never models."""

from optical_hf.losses.contrastive import Contrastive
from optical_hf.losses.contrastive_maxsim import ContrastiveMaxSim
from optical_hf.losses.kl_dot import KLDot
from optical_hf.losses.kl_maxsim import KLMaxSim
from optical_hf.losses.loss import Loss, MaxSimLoss, SearchLoss
from optical_hf.losses.pair_tensors import PairTensors, TextBank, WholeBatch
from optical_hf.losses.parsing import LOSSES, check_weights, loss_names, loss_terms, losses_text, parse_losses
from optical_hf.losses.pooled_cosine import PooledCosine
from optical_hf.losses.pooled_mse import PooledMSE
from optical_hf.losses.transport_loss import Transport

__all__ = [
    "LOSSES",
    "Contrastive",
    "ContrastiveMaxSim",
    "KLDot",
    "KLMaxSim",
    "Loss",
    "MaxSimLoss",
    "PairTensors",
    "PooledCosine",
    "PooledMSE",
    "SearchLoss",
    "TextBank",
    "Transport",
    "WholeBatch",
    "check_weights",
    "loss_names",
    "loss_terms",
    "losses_text",
    "parse_losses",
]
