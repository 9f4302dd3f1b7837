"""The one score that every detector of the course is held to: average precision, computed by torchmetrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan

from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics.detection import MeanAveragePrecision

from d2lhelpers.detection.detector import Detection, Detector

__all__ = ["Scores", "evaluate", "score", "truths_of"]

# COCO calls a box small below 32 x 32 pixels and large from 96 x 96, in pictures of some 640 x 480. Ours are smaller:
# boxes are measured as if the picture were this wide, so that small is below 1/8 of its side and large from 3/8.
SIZE_SCALE = 256


@dataclass(frozen=True)
class Scores:
    """Average precision over a set of pictures; NaN where there is no object to be found.

    Attributes:
        ap50: at an IoU of 0.5, the mean over classes.
        ap: the mean over IoU 0.50, 0.55, ..., 0.95, and over classes.
        small, medium, large: as `ap`, of objects whose side (the root of the area) is below 1/8 of the picture's,
            from 1/8 to 3/8, and above.
        per_class: as `ap`, of each class, by name; classes without an object in the set are left out.
        per_class50: as `ap50`, likewise.
    """

    ap50: float
    ap: float
    small: float
    medium: float
    large: float
    per_class: dict[str, float]
    per_class50: dict[str, float]

    def __str__(self) -> str:
        return f"AP50 {self.ap50:.3f}, AP {self.ap:.3f}, of small objects {self.small:.3f}"


def truths_of(labels: Tensor, height: int, width: int) -> list[dict[str, Tensor]]:
    """Labels of a batch in the form of detections: padding left out, corners in pixels.

    Args:
        labels: (B, G, 5), rows (class, x1, y1, x2, y2), corners in fractions; class -1 is padding.
        height, width: of the pictures in pixels.
    Returns:
        for each picture boxes (K, 4) float32 and labels (K,) int64.
    """
    scale = labels.new_tensor([width, height, width, height])
    real = [rows[rows[:, 0] >= 0] for rows in labels]
    return [{"boxes": rows[:, 1:] * scale, "labels": rows[:, 0].long()} for rows in real]


def score(
    detections: Iterable[Detection],
    truths: Iterable[dict[str, Tensor]],
    classes: Sequence[str],
    side: float,
) -> Scores:
    """Score detections against the truth.

    Args:
        detections: one for each picture, corners in pixels.
        truths: as from `truths_of`, in the same order.
        classes: names; index k is class k.
        side: of the pictures in pixels, which says what small is.
    Raises:
        ValueError: not as many detections as truths.
    Source: Lin et al. 2014 and COCO's evaluation server. Taught in chapter 03.
    """
    return _scores(_add(_metric(), detections, truths, side), classes)


def evaluate(detector: Detector, loader: DataLoader, classes: Sequence[str]) -> Scores:
    """Score a detector on all pictures of a loader.

    Args:
        detector: left in evaluation mode.
        loader: batches (images, labels, ...), as those of `datasets.boxed`.
        classes: names; index k is class k.
    Raises:
        ValueError: the loader has no batches.
    """
    metric, count = _metric(), 0
    for images, labels, *_ in loader:
        height, width = images.shape[-2:]
        found = [
            {name: value.cpu() for name, value in one.items()} for one in detector.predict(images)
        ]
        _add(metric, found, truths_of(labels, height, width), max(height, width))
        count += len(images)
    if count == 0:
        raise ValueError("loader has no batches: is its dataset empty?")
    return _scores(metric, classes)


def _metric() -> MeanAveragePrecision:
    metric = MeanAveragePrecision(class_metrics=True, extended_summary=True)
    metric.warn_on_many_detections = False  # more than a hundred a picture are not asked for
    return metric


def _add(
    metric: MeanAveragePrecision,
    detections: Iterable[Detection],
    truths: Iterable[dict[str, Tensor]],
    side: float,
) -> MeanAveragePrecision:
    detections, truths = list(detections), list(truths)
    if len(detections) != len(truths):
        raise ValueError(
            f"there must be one detection for each picture, got {len(detections)} for {len(truths)} pictures"
        )
    scale = SIZE_SCALE / side
    metric.update(
        [{**one, "boxes": one["boxes"] * scale} for one in detections],
        [{**one, "boxes": one["boxes"] * scale} for one in truths],
    )
    return metric


def _scores(metric: MeanAveragePrecision, classes: Sequence[str]) -> Scores:
    result = metric.compute()
    # precision: (IoU thresholds, recalls, classes, sizes, most detections); -1 where nothing is to be found
    precision = result["precision"][:, :, :, 0, -1]
    names = [classes[int(k)] for k in result["classes"].reshape(-1)]
    each = {name: precision[:, :, i] for i, name in enumerate(names) if (precision[:, :, i] >= 0).any()}  # fmt: skip
    return Scores(
        **{
            ours: _known(result[theirs])
            for ours, theirs in (
                ("ap50", "map_50"), ("ap", "map"), ("small", "map_small"), ("medium", "map_medium"),
                ("large", "map_large"),
            )
        },
        per_class={name: float(table.mean()) for name, table in each.items()},
        per_class50={name: float(table[0].mean()) for name, table in each.items()},
    )  # fmt: skip


def _known(value: Tensor) -> float:
    """pycocotools says -1 where there is nothing to be found."""
    return float(value) if value >= 0 else nan
