"""What YOLO's versions changed, one step at a time, and how far the last of them gets: the figures of chapter 07."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from d2lhelpers.experiments.detectors import scores_on_scenes
from d2lhelpers.experiments.runner import Experiment, Row
from d2lhelpers.models import TinyYOLO
from d2lhelpers.models.yolo import BOX_WEIGHT

__all__ = ["EPOCHS", "LONG_EPOCHS", "YOLO", "YOLO_LONG"]

EPOCHS = 3  # so few that the chapter can train one of them again
LONG_EPOCHS = 12  # some three minutes on two cores

SETTINGS = {"data": "scenes", "batch size": 32, "learning rate": 0.003, "box weight": BOX_WEIGHT}


class EachCellAlike(TinyYOLO):
    """As most implementations have it: an object with many cells counts more than one with few."""

    def cell_weights(self, picture: Tensor, mine: Tensor, num_objects: int) -> Tensor:
        return torch.ones_like(mine, dtype=torch.float)


def _variant(make: Callable[..., TinyYOLO], **choices: str | bool) -> Callable[[int], Row]:
    return partial(scores_on_scenes, partial(make, **choices), epochs=EPOCHS)


YOLO = Experiment(
    name="yolo",
    question="What is each step from YOLO's first version to a modern head worth?",
    settings=SETTINGS | {"epochs": EPOCHS},
    variants={
        "version 1": _variant(
            TinyYOLO, assignment="centre cell", box_loss="squared", objectness=True
        ),
        "GIoU loss": _variant(TinyYOLO, assignment="centre cell", objectness=True),
        "cells around": _variant(TinyYOLO, assignment="centre area", objectness=True),
        "no objectness": _variant(TinyYOLO, assignment="centre area"),
        "aligned": _variant(TinyYOLO),
        "CIoU loss": _variant(TinyYOLO, box_loss="ciou"),
        "aligned, cells alike": _variant(EachCellAlike),
    },
)

YOLO_LONG = Experiment(
    name="yolo-long",
    question="How far does the best of them get in four times that training?",
    settings=SETTINGS | {"epochs": LONG_EPOCHS},
    variants={"aligned": partial(scores_on_scenes, TinyYOLO, epochs=LONG_EPOCHS)},
)
