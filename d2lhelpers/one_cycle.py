"""How the course's detectors and segmenters are optimised: AdamW, and one cycle of the learning rate."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR

__all__ = ["one_cycle"]

WEIGHT_DECAY = 0.02
WARM_UP = 0.1  # of all steps: heads start from nothing, and a large step through them would spoil the backbone


def one_cycle(net: nn.Module, learning_rate: float, steps: int) -> tuple[AdamW, OneCycleLR]:
    """An optimizer for all of a network, and the schedule that `train` steps after each batch.

    Args:
        net: whose parameters are optimised.
        learning_rate: at the cycle's top, after a tenth of the steps; it starts at a 25th and ends near 0.
        steps: batches in the whole training.
    Source: Smith and Topin 2018; Loshchilov and Hutter 2019 for AdamW. Taught in chapter 02.
    """
    optimizer = torch.optim.AdamW(
        net.parameters(), learning_rate, weight_decay=WEIGHT_DECAY, fused=True
    )
    # torch divides by zero where warming up, or what follows it, is a single step
    steps = max(3, steps)
    warm_up = max(WARM_UP, 2 / steps)
    return optimizer, OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=warm_up)
