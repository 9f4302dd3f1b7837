"""The one way in which the course's detectors are trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.lr_scheduler import OneCycleLR

from d2lhelpers.datasets import BoxedPictures, loader
from d2lhelpers.detection.detector import Detector
from d2lhelpers.history import History
from d2lhelpers.train import train

__all__ = ["fit"]

WEIGHT_DECAY = 0.02
WARM_UP = 0.1  # of all steps: heads start from nothing, and a large step through them would spoil the backbone


def fit(
    detector: Detector,
    pictures: BoxedPictures,
    epochs: int,
    *,
    learning_rate: float = 3e-3,
    batch_size: int = 32,
    transform: Callable[..., tuple[Tensor, ...]] | None = None,
    seed: int = 0,
    checkpoint: Path | None = None,
    show: bool = True,
) -> History:
    """Train a detector: AdamW and one cycle of the learning rate, as for every detector of the course.

    Args:
        detector: trained in place, left in evaluation mode.
        pictures: to train on.
        epochs: passes over them.
        learning_rate: at the cycle's top.
        batch_size: pictures, over all devices together.
        transform: of batches, as those of `augment_boxes`.
        seed, checkpoint, show: as for `train`.
    Raises:
        ValueError: no pictures, no epochs, or a checkpoint of another training.
    Taught in chapter 06.
    """
    if len(pictures) == 0:
        raise ValueError("pictures is empty: there is nothing to train on")
    batches = loader(pictures, batch_size, shuffle=True, transform=transform)
    optimizer = torch.optim.AdamW(
        detector.parameters(), learning_rate, weight_decay=WEIGHT_DECAY, fused=True
    )
    total = max(1, epochs * len(batches))  # `train` says what is wrong with none
    scheduler = OneCycleLR(optimizer, learning_rate, total_steps=total, pct_start=WARM_UP)
    return train(
        detector, batches, None, None, optimizer, epochs, scheduler=scheduler, seed=seed,
        checkpoint=checkpoint, show=show,
    )  # fmt: skip
