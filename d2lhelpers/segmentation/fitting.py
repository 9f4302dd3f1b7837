"""How the course trains a network that says the class of every pixel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from d2lhelpers.datasets.masked import MaskedPictures
from d2lhelpers.datasets.pictures import loader
from d2lhelpers.datasets.voc import VOID
from d2lhelpers.history import History
from d2lhelpers.one_cycle import one_cycle
from d2lhelpers.train import train

__all__ = ["fit", "pixel_loss"]


def pixel_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy, the mean over all pixels of the batch that are not void.

    Args:
        logits: (B, classes, height, width) float.
        labels: (B, height, width), any whole numbers; 255 is void.
    Returns:
        a scalar, 0 where every pixel is void: the mean of nothing would be NaN, and the weights with it.
    Taught in chapter 10.
    """
    total = F.cross_entropy(logits, labels.long(), ignore_index=VOID, reduction="sum")
    return total / (labels != VOID).sum().clamp(min=1)


def fit(
    net: nn.Module,
    pictures: MaskedPictures,
    epochs: int,
    *,
    learning_rate: float = 6e-3,
    batch_size: int = 32,
    transform: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
    seed: int = 0,
    checkpoint: Path | None = None,
    show: bool = True,
) -> History:
    """Train a network on every pixel that is not void: AdamW and one cycle of the learning rate.

    Args:
        net: images (B, 3, height, width) uint8 -> (B, classes, height, width) logits; trained in place, left in
            evaluation mode.
        pictures: to train on.
        epochs: passes over them.
        learning_rate: at the cycle's top.
        batch_size: pictures, over all devices together.
        transform: of batches, as those of `augment_masks`.
        seed, checkpoint, show: as for `train`.
    Raises:
        ValueError: no pictures, no epochs, or a checkpoint of another training.
    Taught in chapter 10.
    """
    if len(pictures) == 0:
        raise ValueError("pictures is empty: there is nothing to train on")
    batches = loader(pictures, batch_size, shuffle=True, transform=transform)
    optimizer, scheduler = one_cycle(net, learning_rate, epochs * len(batches))
    return train(
        net, batches, None, pixel_loss, optimizer, epochs, scheduler=scheduler, seed=seed,
        checkpoint=checkpoint, show=show,
    )  # fmt: skip
