"""The one way in which the course's detectors are trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from d2lhelpers.datasets import BoxedPictures, loader
from d2lhelpers.detection.detector import Detector
from d2lhelpers.history import History
from d2lhelpers.one_cycle import one_cycle
from d2lhelpers.train import train

__all__ = ["fit"]


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
    optimizer, scheduler = one_cycle(detector, learning_rate, epochs * len(batches))
    return train(
        detector, batches, None, None, optimizer, epochs, scheduler=scheduler, seed=seed,
        checkpoint=checkpoint, show=show,
    )  # fmt: skip
