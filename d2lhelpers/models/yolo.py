"""TinyYOLO: each cell of a grid says which object it answers for, and where that object's edges are. No anchors."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2lhelpers.boxes import box_center_to_corner, pairwise_iou
from d2lhelpers.detection.assignment import (
    aligned_values,
    assign_aligned,
    assign_centre_area,
    assign_centre_cell,
    cell_middles,
)
from d2lhelpers.detection.detector import Detector
from d2lhelpers.detection.losses import ciou_loss, giou_loss, squared_loss
from d2lhelpers.models.backbones import backbone

__all__ = ["TinyYOLO", "decode"]

CHANNELS = 128
USUAL_SIDE = 3.0  # cells; what an untrained network says
RARE = 0.01  # an untrained network's probability of an object: nearly all cells are background
BOX_WEIGHT = 3.0

ASSIGNMENTS = ("centre cell", "centre area", "aligned")
BOX_LOSSES = {"squared": squared_loss, "giou": giou_loss, "ciou": ciou_loss}


class TinyYOLO(Detector):
    """A one-stage detector on the shipped backbone, with the choices that YOLO's versions made.

    Args:
        num_classes: of objects.
        assignment: which cells answer for an object: the one that holds its middle (version 1), those around its
            middle (X), or those that already do best at it (8).
        box_loss: squared error of centre and root of the sides (1), GIoU or CIoU of the boxes (4).
        objectness: each cell also says whether there is an object at all, and its classes only say which, if there is
            one (most versions before 8).
        pretrained: start from the shipped weights.
    Raises:
        ValueError: an unknown assignment or box loss.
    Source: Redmon et al. 2016; Ge et al. 2021 (YOLOX); Jocher et al. 2023 (YOLOv8). Taught in chapter 07.
    """

    def __init__(
        self,
        num_classes: int,
        assignment: Literal["centre cell", "centre area", "aligned"] = "aligned",
        box_loss: Literal["squared", "giou", "ciou"] = "giou",
        objectness: bool = False,
        pretrained: bool = True,
    ) -> None:
        super().__init__()
        for name, value, known in (
            ("assignment", assignment, ASSIGNMENTS), ("box_loss", box_loss, BOX_LOSSES),
        ):  # fmt: skip
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")
        self.assignment, self.box_loss, self.objectness = assignment, box_loss, objectness
        net = backbone("s32", pretrained=pretrained)
        self.features, self.stride = net.features, net.stride
        self.wide = nn.Sequential(convolution(stride=2), convolution(), convolution())
        self.class_branch = branch(num_classes + objectness)
        self.box_branch = branch(4)
        nn.init.zeros_(self.box_branch[-1].weight)
        # where there is an objectness, the classes need not know that objects are rare
        biases = self.class_branch[-1].bias[: 1 if objectness else num_classes]
        nn.init.constant_(biases, math.log(RARE / (1 - RARE)))

    def outputs(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the network says of each cell.

        Args:
            images: (B, 3, height, width).
        Returns:
            the cells' middles (A, 2) in pixels; logits (B, A, classes), the objectness before them where there is one;
            and boxes (B, A, 4), corners in pixels.
        """
        fine = self.features(images)
        # cells at twice the distance see farther; what they saw is added to all that they cover
        x = fine + F.interpolate(self.wide(fine), fine.shape[-2:])
        logits = self.class_branch(x).flatten(2).mT.float()
        raw = self.box_branch(x).flatten(2).mT.float()
        points = cell_middles(*fine.shape[-2:], self.stride, images.device)
        return points, logits, decode(raw, points, self.stride)

    def scores(self, logits: Tensor) -> Tensor:
        """(B, A, classes) in [0, 1]: how probable each class is, be it as a product with the objectness."""
        p = logits.sigmoid()
        return p[..., :1] * p[..., 1:] if self.objectness else p

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        points, logits, boxes = self.outputs(images)
        height, width = images.shape[-2:]
        truth = labels[..., 1:] * labels.new_tensor([width, height] * 2)
        classes = labels[..., 0].long()
        with torch.no_grad():
            row, value = self.targets(points, truth, classes, self.scores(logits), boxes)
        picture, cell = (row >= 0).nonzero(as_tuple=True)
        mine, value = row[picture, cell], value[picture, cell]
        of_class = self.class_losses(logits, picture, cell, classes[picture, mine], value)
        # in cells, because the squared error depends on the unit
        pairs = boxes[picture, cell] / self.stride, truth[picture, mine] / self.stride
        weight = self.cell_weights(picture, mine, truth.shape[1])
        of_box = (weight * BOX_LOSSES[self.box_loss](*pairs)).sum()
        # pictures without objects still have their empty cells to get right
        parts = {name: part / value.sum().clamp(min=1) for name, part in of_class.items()}
        return parts | {"box": BOX_WEIGHT * of_box / weight.sum().clamp(min=1)}

    def cell_weights(self, picture: Tensor, mine: Tensor, num_objects: int) -> Tensor:
        """How much the box of each cell counts: each object as much as any other, however many cells it has.

        Picture and object of each cell are (K,) int64, the result is (K,); `num_objects` counts padding.
        """
        owner = num_objects * picture + mine
        return 1 / owner.bincount()[owner]

    def class_losses(
        self, logits: Tensor, picture: Tensor, cell: Tensor, classes: Tensor, value: Tensor
    ) -> dict[str, Tensor]:
        """Sums of cross-entropies, given which cells (K,) have an object, of which class, and how sure they should be.

        With objectness a cell of the background has nothing to say of classes; without, it says no to each of them.
        """
        entropy = F.binary_cross_entropy_with_logits
        if not self.objectness:
            target = torch.zeros_like(logits)
            target[picture, cell, classes] = value
            return {"class": entropy(logits, target, reduction="sum")}
        there = torch.zeros_like(logits[..., 0])
        there[picture, cell] = value
        of_object = entropy(logits[..., 0], there, reduction="sum")
        one_hot = F.one_hot(classes, logits.shape[-1] - 1).float()
        of_class = entropy(logits[picture, cell, 1:], one_hot, reduction="sum")
        return {"object": of_object, "class": of_class}

    def targets(
        self, points: Tensor, truth: Tensor, classes: Tensor, scores: Tensor, boxes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Which object each cell answers for, (B, A), -1 for none; and how sure it should be of it, (B, A) in [0, 1].

        Args:
            points: (A, 2), the cells' middles in pixels.
            truth: (B, G, 4), corners in pixels.
            classes: (B, G) int64, -1 for padding.
            scores, boxes: what the network says now.
        """
        real = classes >= 0
        if self.assignment == "aligned":
            iou = pairwise_iou(truth, boxes)  # [B, G, A]
            index = classes.clamp(min=0)[..., None].expand(-1, -1, len(points))
            quality = scores.mT.gather(1, index).sqrt() * iou**3
            row = assign_aligned(points, truth, real, self.stride, quality)
            return row, aligned_values(row, quality, iou)
        assign = assign_centre_cell if self.assignment == "centre cell" else assign_centre_area
        row = assign(points, truth, real, self.stride)
        return row, (row >= 0).float()

    def candidates(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        _, logits, boxes = self.outputs(images)
        return list(zip(boxes, self.scores(logits), strict=True))


def convolution(stride: int = 1) -> nn.Sequential:
    """A 3 x 3 convolution with its normalisation."""
    return nn.Sequential(
        nn.Conv2d(CHANNELS, CHANNELS, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(CHANNELS),
        nn.SiLU(inplace=True),
    )


def branch(num_outputs: int) -> nn.Sequential:
    """What becomes of the features for one of the two questions, which and where."""
    last = nn.Conv2d(CHANNELS, num_outputs, 1)
    nn.init.zeros_(last.bias)
    return nn.Sequential(convolution(), last)


def decode(raw: Tensor, points: Tensor, stride: int) -> Tensor:
    """From what a cell says to a box: the way from its middle to the box's, in cells, and the logs of the sides.

    Args:
        raw: (B, A, 4), rows (dx, dy, log of width, log of height); sides are counted in USUAL_SIDE cells.
        points: (A, 2), the cells' middles in pixels.
    Returns:
        (B, A, 4), corners in pixels.
    """
    middle = points + stride * raw[..., :2]
    # no object is e**4 times as large as usual, and exp must not overflow while nothing is learnt yet
    sides = stride * USUAL_SIDE * raw[..., 2:].clamp(max=4).exp()
    return box_center_to_corner(torch.cat((middle, sides), dim=-1))
