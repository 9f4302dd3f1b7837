"""What an SSD's class loss should count, what anchors of the wrong size cost, and bananas: the tables of chapter 06."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2lhelpers.anchors import multibox_target
from d2lhelpers.augment_boxes import RandomBoxCrop, RandomBoxFlip
from d2lhelpers.datasets import BoxedPictures, load_boxes, loader
from d2lhelpers.detection import evaluate, fit
from d2lhelpers.experiments.detectors import scores_on_scenes
from d2lhelpers.experiments.runner import Experiment, Row
from d2lhelpers.models import TinySSD
from d2lhelpers.models.ssd import RARE, SCENES_SIZES, SIZES

__all__ = [
    "BANANAS",
    "BANANA_EPOCHS",
    "EPOCHS",
    "SSD",
    "flip_and_crop",
    "half_size",
    "training_errors",
]

EPOCHS = 2  # so few that the chapter can train one of them again
BANANA_EPOCHS = 20
BANANA_BATCH = 16

fitted = partial(TinySSD, sizes=SCENES_SIZES)


def without_prior(num_classes: int) -> TinySSD:
    """Focal loss on a network that at first knows nothing, not even that most anchors are background."""
    net = fitted(num_classes, class_loss="focal")
    for head in net.class_heads:
        nn.init.zeros_(head.bias)
    return net


def _variant(make: Callable[[int], TinySSD]) -> Callable[[int], Row]:
    return partial(scores_on_scenes, make, epochs=EPOCHS)


SSD = Experiment(
    name="ssd",
    question="Which anchors should count in the class loss, and what do anchors of the wrong size cost?",
    settings={
        "data": "scenes",
        "epochs": EPOCHS,
        "batch size": 32,
        "learning rate": 0.003,
        "prior": RARE,
        "sizes": SCENES_SIZES,
        "d2l's sizes": SIZES,
    },
    variants={
        "hard negatives": _variant(fitted),
        "focal loss": _variant(partial(fitted, class_loss="focal")),
        "all anchors alike": _variant(partial(fitted, class_loss="all")),
        "focal loss, no prior": _variant(without_prior),
        "d2l's sizes": _variant(TinySSD),
    },
)


def half_size(pictures: BoxedPictures) -> BoxedPictures:
    """Half as high and wide, each pixel the mean of four; boxes are in fractions and stay as they are."""
    images = F.avg_pool2d(pictures.images.float(), 2).round().to(torch.uint8)
    return replace(pictures, images=images)


def flip_and_crop(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Half of a batch mirrored, and of each picture a window, from 0.8 to 1.2 of its side, in place of it."""
    return RandomBoxCrop((0.8, 1.2))(*RandomBoxFlip()(images, labels))


@torch.inference_mode()
def training_errors(detector: TinySSD, pictures: BoxedPictures) -> tuple[float, float]:
    """What d2l reports in place of AP: the share of the anchors with a wrong class, and the mean error of the offsets.

    Both are means over all anchors, background included.

    Source: d2l, section 14.7.2. Taught in chapter 06.
    """
    device = next(detector.parameters()).device
    wrong, error, count = 0, 0.0, 0
    for images, labels in loader(pictures, 50, shuffle=False):
        anchors, logits, offsets = detector.outputs(images.to(device))
        targets, mask, classes = multibox_target(anchors, labels.to(device))
        wrong += int((logits.argmax(dim=-1) != classes).sum())
        error += float((mask * (offsets.flatten(1) - targets)).abs().sum())
        count += classes.numel()
    return wrong / count, error / (4 * count)


def find_bananas(transform: Callable[..., tuple[Tensor, ...]], seed: int) -> Row:
    """Train an SSD on bananas in half their size; the command that runs experiments pins the mini tier.

    Returns:
        "ap50" and "ap" on unseen pictures; "class error" and "offset error", times 1,000, on those it was trained on.
    """
    data = load_boxes("banana-detection")
    train, test = half_size(data.train), half_size(data.test)
    torch.manual_seed(seed)
    detector = TinySSD(1)
    fit(
        detector,
        train,
        BANANA_EPOCHS,
        batch_size=BANANA_BATCH,
        transform=transform,
        seed=seed,
        show=False,
    )
    scores = evaluate(detector, loader(test, 50, shuffle=False), test.classes)
    class_error, offset_error = training_errors(detector, train)
    return {
        "ap50": scores.ap50,
        "ap": scores.ap,
        "class error": 1000 * class_error,
        "offset error": 1000 * offset_error,
    }


BANANAS = Experiment(
    name="bananas",
    question="How well does an SSD find bananas on photographs that it has not seen, and does its training error tell?",
    settings={
        "data": "banana-detection, mini tier, 128 pixels",
        "epochs": BANANA_EPOCHS,
        "batch size": BANANA_BATCH,
        "learning rate": 0.003,
        "prior": RARE,
    },
    variants={
        "flips": partial(find_bananas, RandomBoxFlip()),
        "flips and crops": partial(find_bananas, flip_and_crop),
    },
)
