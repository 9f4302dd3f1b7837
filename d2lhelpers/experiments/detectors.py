"""The course's detectors, trained and measured alike: the table that chapter 07 ends with."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch

from d2lhelpers.augment_boxes import RandomBoxFlip
from d2lhelpers.datasets import BoxedSplit, load_boxes, loader
from d2lhelpers.detection import Detector, evaluate, fit
from d2lhelpers.experiments.runner import Experiment, Row
from d2lhelpers.models import TinySSD, TinyYOLO
from d2lhelpers.models.ssd import SCENES_SIZES

__all__ = ["DETECTORS", "milliseconds_an_image", "table_row", "train_and_score"]

EPOCHS = 3
TIMED = 20  # pictures, one at a time; the median is kept


def train_and_score(
    make: Callable[[int], Detector], seed: int, data: BoxedSplit | None = None, epochs: int = EPOCHS
) -> Row:
    """Train a detector on scenes and measure it on unseen ones.

    Args:
        make: from the number of classes to an untrained detector.
        seed: of its first weights and of the training.
        data: other pictures than the course's scenes.
        epochs: passes over them.
    Returns:
        "ap50", "ap", and "small", the AP of small objects.
    """
    data = data or load_boxes("scenes")
    return _trained(make, seed, data, epochs)[1]


def table_row(make: Callable[[int], Detector], seed: int, epochs: int = EPOCHS) -> Row:
    """As `train_and_score`, with what it costs.

    Returns:
        also "parameters", "ms" a picture on the device, and "minutes" of training.
    """
    data = load_boxes("scenes")
    detector, row, minutes = _trained(make, seed, data, epochs)
    parameters = sum(p.numel() for p in detector.parameters())
    ms = milliseconds_an_image(detector, data.test.images)
    return row | {"parameters": parameters, "ms": ms, "minutes": minutes}


def _trained(
    make: Callable[[int], Detector], seed: int, data: BoxedSplit, epochs: int
) -> tuple[Detector, Row, float]:
    train, test = data.train.without_instances(), data.test.without_instances()
    torch.manual_seed(seed)
    detector = make(len(train.classes))
    history = fit(detector, train, epochs, transform=RandomBoxFlip(), seed=seed, show=False)
    scores = evaluate(detector, loader(test, 50, shuffle=False), test.classes)
    row = {"ap50": scores.ap50, "ap": scores.ap, "small": scores.small}
    return detector, row, sum(history.seconds) / 60


def milliseconds_an_image(detector: Detector, images: torch.Tensor) -> float:
    """How long a detector looks at one picture, the median over TIMED of them after two to warm up."""
    times = []
    for image in images[: TIMED + 2]:
        start = time.perf_counter()
        for one in detector.predict(image[None]):
            one["scores"].cpu()  # waits for a GPU
        times.append(time.perf_counter() - start)
    return 1000 * sorted(times[2:])[TIMED // 2]


DETECTORS = Experiment(
    name="detectors",
    question="Which detector finds how much of what, how fast, after how much training?",
    settings={"data": "scenes", "epochs": EPOCHS, "batch size": 32, "learning rate": 0.003},
    variants={
        "SSD": partial(table_row, partial(TinySSD, sizes=SCENES_SIZES)),
        "YOLO": partial(table_row, TinyYOLO),
    },
)
