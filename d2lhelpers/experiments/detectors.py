"""The course's detectors, trained and measured alike: the table that chapter 07 ends with."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch

from d2lhelpers.augment_boxes import RandomBoxFlip
from d2lhelpers.datasets import BoxedPictures, load_boxes, loader
from d2lhelpers.detection import Detector, evaluate, fit
from d2lhelpers.experiments.runner import Experiment, Row
from d2lhelpers.models import RCNN, FasterRCNN, FastRCNN, TinySSD, TinyYOLO
from d2lhelpers.models.ssd import SCENES_SIZES
from d2lhelpers.proposals import Remembered

__all__ = ["DETECTORS", "milliseconds_an_image", "scores_on_scenes", "searching", "train_and_score"]

EPOCHS = 3
TIMED = 20  # pictures, one at a time; the median is kept


def train_and_score(
    make: Callable[[int], Detector],
    seed: int,
    train: BoxedPictures,
    test: BoxedPictures,
    epochs: int = EPOCHS,
) -> tuple[Detector, Row]:
    """Train a detector and measure it on pictures that it has not seen.

    Args:
        make: from the number of classes to an untrained detector.
        seed: of its first weights and of the training.
        train: half of them are mirrored in each epoch.
        test: with the same classes.
        epochs: passes over `train`.
    Returns:
        the detector, and "ap50", "ap", "small", the AP of small objects, "ms" a picture, "minutes" of training.
    """
    torch.manual_seed(seed)
    detector = make(len(train.classes))
    history = fit(detector, train, epochs, transform=RandomBoxFlip(), seed=seed, show=False)
    # first of all: a detector that remembers what it searched in a picture shall not have seen it before
    ms = milliseconds_an_image(detector, test.images)
    scores = evaluate(detector, loader(test.without_instances(), 50, shuffle=False), test.classes)
    row = {"ap50": scores.ap50, "ap": scores.ap, "small": scores.small}
    return detector, row | {"ms": ms, "minutes": sum(history.seconds) / 60}


def scores_on_scenes(make: Callable[[int], Detector], seed: int, epochs: int = EPOCHS) -> Row:
    """The row of `train_and_score` on all scenes, and the number of "parameters"; see there for the arguments."""
    data = load_boxes("scenes")
    detector, row = train_and_score(make, seed, data.train.without_instances(), data.test, epochs)
    return row | {"parameters": sum(p.numel() for p in detector.parameters())}


def searching(make: Callable[..., RCNN]) -> Callable[[int], RCNN]:
    """R-CNN or Fast R-CNN with a memory of its own for what it has searched, so that each run pays for its searches."""
    return lambda num_classes: make(num_classes, propose=Remembered())


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
        "R-CNN": partial(scores_on_scenes, searching(RCNN)),
        "Fast R-CNN": partial(scores_on_scenes, searching(FastRCNN)),
        "Faster R-CNN": partial(scores_on_scenes, FasterRCNN),
        "SSD": partial(scores_on_scenes, partial(TinySSD, sizes=SCENES_SIZES)),
        "YOLO": partial(scores_on_scenes, TinyYOLO),
    },
)
