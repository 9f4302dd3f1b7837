"""Which boxes a two-stage detector learns from: a few of each picture, and not nearly all of them background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from d2lhelpers.boxes import pairwise_iou, require_boxes

__all__ = ["RoISample", "sample_balanced", "sample_rois"]


@dataclass(frozen=True)
class RoISample:
    """Regions of interest of a batch, drawn to train on, and what each of them should become.

    Attributes:
        rois: (K, 5) float32, rows (image, x1, y1, x2, y2), corners in pixels.
        classes: (K,) int64, 0 for background, else class + 1.
        truths: (K, 4) float32, corners in pixels of the object; of background empty.
        rows: (K,) int64, the object's row in its picture's labels; of background G, one past the last.
    """

    rois: Tensor
    classes: Tensor
    truths: Tensor
    rows: Tensor

    def boxes(self, batch_size: int) -> list[Tensor]:
        """For each picture (K_i, 4), corners in pixels; together they are `rois`."""
        counts = self.rois[:, 0].long().bincount(minlength=batch_size)
        return list(self.rois[:, 1:].split(counts.tolist()))


def real_boxes(labels: Tensor, height: float, width: float) -> tuple[Tensor, Tensor]:
    """Labels as boxes, and which of them are not padding.

    Args:
        labels: (B, G, 5), rows (class, x1, y1, x2, y2), corners in fractions of the picture; class -1 is padding.
        height, width: of the picture, in the unit of the result.
    Returns:
        (B, G, 4), padding empty and at the origin, which may have held anything; and (B, G) bool.
    Raises:
        ValueError: another shape, or bad boxes.
    """
    if labels.ndim != 3 or labels.shape[-1] != 5:
        raise ValueError(
            f"labels must be (batch, boxes, 5), rows (class, x1, y1, x2, y2), got {tuple(labels.shape)}"
        )
    real = labels[..., 0] >= 0
    boxes = labels[..., 1:] * labels.new_tensor([width, height, width, height])
    boxes = torch.where(real[..., None], boxes, 0)
    require_boxes(boxes, "labels[..., 1:]")
    return boxes, real


def sample_balanced(
    positive: Tensor, negative: Tensor, number: int, fraction: float
) -> tuple[Tensor, Tensor]:
    """Draw from each picture so that positives are a certain part, or all there are; negatives fill up.

    Args:
        positive, negative: (B, N) bool, never both; what is neither is never drawn.
        number: to draw from each picture.
        fraction: of this number that positives may be, in [0, 1].
    Returns:
        (B, n) int64, columns, positives first, n = min(number, N); and (B, n) bool, false where there was nothing
        left to be drawn.
    Raises:
        ValueError: two shapes, a number below 1, a fraction outside [0, 1].
    Source: Girshick 2015 (Fast R-CNN), section 2.3. Taught in chapter 05.
    """
    if positive.shape != negative.shape or positive.ndim != 2:
        raise ValueError(
            "positive and negative must be (batch, N), alike, "
            f"got {tuple(positive.shape)} and {tuple(negative.shape)}"
        )
    if number < 1 or not 0 <= fraction <= 1:
        raise ValueError(
            f"number must be at least 1 and fraction in [0, 1], got {number}, {fraction}"
        )
    available = positive.shape[1]
    lot = torch.rand(positive.shape, device=positive.device)
    most = min(round(number * fraction), available)
    value, column = torch.where(positive, lot, -1).topk(most, dim=1)
    chosen = torch.zeros_like(positive).scatter(1, column, value >= 0)
    # a lot above 1 wins against all negatives, one of -1 is never drawn
    rank = torch.where(chosen, lot + 1, torch.where(negative, lot, -1))
    value, column = rank.topk(min(number, available), dim=1)
    return column, value >= 0


def sample_rois(
    proposals: Sequence[Tensor],
    labels: Tensor,
    height: int,
    width: int,
    number: int = 32,
    fraction: float = 0.25,
    iou_threshold: float = 0.5,
) -> RoISample:
    """Draw regions of interest from a batch's proposals, and say what each should become.

    The objects' own boxes count as proposals too: before the proposals are any good, they are the only positives.

    Args:
        proposals: for each picture (P_i, 4), corners in pixels. P_i may be 0.
        labels: (B, G, 5), rows (class, x1, y1, x2, y2), corners in fractions; class -1 is padding. G may be 0.
        height, width: of the pictures in pixels.
        number: to draw from each picture; there may be fewer.
        fraction: of this number that objects may be.
        iou_threshold: above 0; a proposal that overlaps no object by as much is of background,
            any other is of the object that it overlaps most.
    Raises:
        ValueError: not one tensor of proposals for each picture, or bad labels.
    Source: Girshick 2015 (Fast R-CNN), section 2.3; Ren et al. 2015 (Faster R-CNN). Taught in chapter 05.
    """
    truths, real = real_boxes(labels, height, width)
    if len(proposals) != len(labels):
        raise ValueError(
            f"proposals must be one tensor for each of {len(labels)} pictures, got {len(proposals)}"
        )
    counts = torch.tensor([len(one) for one in proposals], device=labels.device)
    stacked = pad_sequence(list(proposals), batch_first=True)  # [B, P, 4]
    there = torch.arange(stacked.shape[1], device=labels.device) < counts[:, None]
    boxes, there = torch.cat((stacked, truths), dim=1), torch.cat((there, real), dim=1)
    # one row more, the background's: of overlap 0, class 0 and an empty box. No picture is without a row then.
    iou = pairwise_iou(F.pad(truths, (0, 0, 0, 1)), boxes)  # [B, G + 1, P + G]
    classes = F.pad(torch.where(real, labels[..., 0] + 1, 0), (0, 1)).long()
    best, row = iou.max(dim=1)
    # what was filled up with is empty and overlaps nothing
    positive = best >= iou_threshold
    row = torch.where(positive, row, labels.shape[1])
    index, drawn = sample_balanced(positive, there & ~positive, number, fraction)
    picture, place = drawn.nonzero(as_tuple=True)
    index = index[picture, place]
    rows = row[picture, index]
    return RoISample(
        rois=torch.cat((picture[:, None].to(boxes.dtype), boxes[picture, index]), dim=1),
        classes=classes[picture, rows],
        truths=F.pad(truths, (0, 0, 0, 1))[picture, rows],
        rows=rows,
    )
