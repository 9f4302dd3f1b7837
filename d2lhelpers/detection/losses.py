"""The losses of one-stage detectors: for classes of which nearly all are background, and for boxes."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from d2lhelpers.boxes import box_corner_to_center, require_four_columns

__all__ = ["ciou_loss", "focal_loss", "giou_loss", "hard_negatives", "squared_loss"]

EPS = 1e-7  # in denominators, as in torchvision: boxes without any area give no NaN


def hard_negatives(losses: Tensor, positive: Tensor, ratio: int = 3) -> Tensor:
    """Choose the anchors that count: all positives and, of each picture, the negatives with the largest losses.

    Args:
        losses: (B, A), of each anchor's class; no gradient flows through the choice.
        positive: (B, A) bool, anchors that belong to an object.
        ratio: negatives for each positive; a picture without objects gives `ratio` of them. 0 chooses none.
    Returns:
        (B, A) bool.
    Raises:
        ValueError: two shapes, a mask that is not bool, or a ratio below 0.
    Source: Liu et al. 2016 (SSD), section 2.2. Taught in chapter 06.
    """
    if losses.ndim != 2 or positive.shape != losses.shape or positive.dtype != torch.bool:
        raise ValueError(
            "losses must be (batch, anchors) and positive a bool of that shape, "
            f"got {tuple(losses.shape)}, and {tuple(positive.shape)} {positive.dtype}"
        )
    if ratio < 0:
        raise ValueError(f"ratio must be at least 0, got {ratio}")
    negative_losses = losses.detach().masked_fill(positive, -math.inf)
    # the place of each anchor when the losses are sorted, largest first
    rank = negative_losses.argsort(dim=1, descending=True).argsort(dim=1)
    wanted = ratio * positive.sum(dim=1, keepdim=True).clamp(min=1)
    return positive | (rank < wanted)


def focal_loss(logits: Tensor, classes: Tensor, gamma: float = 2.0) -> Tensor:
    """Cross-entropy that forgets what is easy: -(1 - p)**gamma log p, p being the true class's probability.

    Args:
        logits: (..., C).
        classes: (...) int64, in 0..C - 1.
        gamma: 0 is cross-entropy; the larger, the less an anchor counts that is nearly right. Between 0 and 1 the
            gradient is not finite where p is 1.
    Returns:
        (...), one loss each.
    Raises:
        ValueError: shapes that do not fit together, or a gamma that is neither 0 nor at least 1.
    Source: Lin et al. 2017 (RetinaNet), equation 4. Taught in chapter 06.
    """
    if logits.ndim == 0 or classes.shape != logits.shape[:-1]:
        raise ValueError(
            f"classes must be {tuple(logits.shape[:-1])} to fit logits, got {tuple(classes.shape)}"
        )
    if 0 < gamma < 1 or gamma < 0:
        raise ValueError(f"gamma must be 0 or at least 1, got {gamma}")
    log_p = F.log_softmax(logits, dim=-1).gather(-1, classes[..., None]).squeeze(-1)
    return -((1 - log_p.exp()) ** gamma) * log_p


def squared_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """Squared errors of the centre, and of the roots of the sides, so that an error counts more on a small box.

    Args:
        boxes, targets: (..., 4), corners in any one unit; the loss is in terms of that unit.
    Returns:
        (...), 0 for equal boxes, without a bound.
    Raises:
        ValueError: two shapes, or a last dimension other than 4.
    Source: Redmon et al. 2016 (YOLO), equation 3. Taught in chapter 07.
    """
    _require_pairs(boxes, targets)
    of, to = box_corner_to_center(boxes), box_corner_to_center(targets)
    centre = (of[..., :2] - to[..., :2]).square().sum(-1)
    # the root has no slope at 0
    of, to = (sides[..., 2:].clamp(min=EPS).sqrt() for sides in (of, to))
    return centre + (of - to).square().sum(-1)


def giou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """1 - GIoU of each pair: the overlap, less the part of their hull that neither covers.

    Unlike the IoU it tells two boxes that are apart how far apart they are.

    Args:
        boxes, targets: (..., 4), corners in any one unit in which areas are far above 1e-7: pixels or cells.
    Returns:
        (...) in [0, 2], 0 for equal boxes of some area.
    Raises:
        ValueError: two shapes, or a last dimension other than 4.
    Source: Rezatofighi et al. 2019. Taught in chapter 07.
    """
    _require_pairs(boxes, targets)
    iou, union = _overlap(boxes, targets)
    hull = _hull_sides(boxes, targets).prod(-1)
    return 1 - iou + (hull - union) / (hull + EPS)


def ciou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """1 - CIoU of each pair: the overlap, less the distance of the centres and the difference in shape.

    Args:
        boxes, targets: as for `giou_loss`.
    Returns:
        (...), 0 for equal boxes of some area.
    Raises:
        ValueError: two shapes, or a last dimension other than 4.
    Source: Zheng et al. 2020, equations 7 to 11. Taught in chapter 07.
    """
    _require_pairs(boxes, targets)
    iou, _ = _overlap(boxes, targets)
    diagonal = _hull_sides(boxes, targets).square().sum(-1)
    centres = (boxes[..., :2] + boxes[..., 2:] - targets[..., :2] - targets[..., 2:]) / 2
    distance = centres.square().sum(-1) / (diagonal + EPS)
    shape = (4 / math.pi**2) * (_angle(targets) - _angle(boxes)).square()
    # how much the shape matters: little while there is little overlap. It is not itself to be learnt
    weight = (shape / (1 - iou + shape + EPS)).detach()
    return 1 - iou + distance + weight * shape


def _require_pairs(boxes: Tensor, targets: Tensor) -> None:
    # what the numbers are is not looked at: on a GPU, asking would make every step of a training wait
    require_four_columns(boxes)
    if boxes.shape != targets.shape:
        raise ValueError(
            f"targets must be {tuple(boxes.shape)}, one for each of the boxes, got {tuple(targets.shape)}"
        )


def _overlap(boxes: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and union of each pair."""
    corner = torch.maximum(boxes[..., :2], targets[..., :2])
    far_corner = torch.minimum(boxes[..., 2:], targets[..., 2:])
    # relu: its slope at 0 is 0, so that boxes that only touch count as apart, as they do in torchvision
    intersection = torch.relu(far_corner - corner).prod(-1)
    areas = ((pair[..., 2:] - pair[..., :2]).prod(-1) for pair in (boxes, targets))
    union = sum(areas) - intersection
    return intersection / (union + EPS), union


def _hull_sides(boxes: Tensor, targets: Tensor) -> Tensor:
    """(..., 2), width and height of the smallest box around each pair."""
    corner = torch.minimum(boxes[..., :2], targets[..., :2])
    return torch.maximum(boxes[..., 2:], targets[..., 2:]) - corner


def _angle(boxes: Tensor) -> Tensor:
    """(...), of the diagonal from the vertical: the arc tangent of width / height, also where the height is 0."""
    width, height = (boxes[..., 2:] - boxes[..., :2]).unbind(-1)
    return torch.atan2(width, height)
