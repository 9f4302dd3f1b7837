"""Which cells of a grid answer for which object: three answers from YOLO's history, without anchors.

A cell answers for at most one object. Arguments are the same in all three:

- points: (A, 2), the cells' middles (x, y) in pixels, as `cell_middles` gives them.
- boxes: (B, G, 4), the objects' corners in pixels; a row that is padding may hold anything. G may be 0.
- real: (B, G) bool, False for padding.
- stride: pixels a cell, along each side.

The result is (B, A) int64, the row of the object or -1 for background.
"""

from __future__ import annotations

import torch
from torch import Tensor

from d2lhelpers.boxes import require_four_columns

__all__ = [
    "aligned_values",
    "assign_aligned",
    "assign_centre_area",
    "assign_centre_cell",
    "cell_middles",
]


def cell_middles(
    height: int, width: int, stride: int, device: torch.device | None = None
) -> Tensor:
    """The middles of a grid's cells, row by row.

    Args:
        height, width: of the grid, in cells.
        stride: pixels a cell, along each side.
        device: to put them on.
    Returns:
        (height * width, 2) float32, (x, y) in pixels.
    Taught in chapter 07.
    """
    y, x = torch.meshgrid(
        torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij"
    )
    return stride * (torch.stack((x, y), dim=-1).flatten(0, 1) + 0.5)


def assign_centre_cell(points: Tensor, boxes: Tensor, real: Tensor, stride: int) -> Tensor:
    """The one cell that holds the middle of the object. Of two objects in a cell the smaller has it.

    Raises:
        ValueError: shapes that do not fit together.
    Source: Redmon et al. 2016 (YOLO), section 2. Taught in chapter 07.
    """
    _require_fit(points, boxes, real)
    return _smallest(_holds_middle(points, boxes, stride), boxes, real)


def assign_centre_area(
    points: Tensor, boxes: Tensor, real: Tensor, stride: int, radius: float = 1.5
) -> Tensor:
    """All cells inside the object and near its middle, and in any case the one that holds it.

    Args:
        radius: how far from the object's middle a cell's may be, in cells, along each axis.
    Raises:
        ValueError: shapes that do not fit together.
    Source: Tian et al. 2019 (FCOS); Ge et al. 2021 (YOLOX), section 2.1. Taught in chapter 07.
    """
    _require_fit(points, boxes, real)
    away = (points - _middles(boxes)).abs().amax(-1)  # [B, G, A]
    near = (away <= radius * stride) & _inside(points, boxes)
    return _smallest(near | _holds_middle(points, boxes, stride), boxes, real)


def assign_aligned(
    points: Tensor, boxes: Tensor, real: Tensor, stride: int, quality: Tensor, most: int = 4
) -> Tensor:
    """Of the cells inside the object, and the one that holds its middle, those that already do best at it.

    A cell that two objects want goes to the one at which it is better.

    Args:
        quality: (B, G, A), how good each cell's prediction is for each object, >= 0.
        most: cells for an object. TOOD takes 13 and YOLOv8 10, of several maps of larger pictures.
    Raises:
        ValueError: shapes that do not fit together.
    Source: Feng et al. 2021 (TOOD), section 3.2; used since YOLOv8. Taught in chapter 07.
    """
    _require_fit(points, boxes, real)
    if quality.shape != (*boxes.shape[:2], len(points)):
        raise ValueError(
            f"quality must be {(*boxes.shape[:2], len(points))}, (pictures, objects, cells), "
            f"got {tuple(quality.shape)}"
        )
    allowed = _inside(points, boxes) | _holds_middle(points, boxes, stride)
    quality = torch.where(allowed & real[..., None], quality, -1)
    best = quality.topk(min(most, len(points)), dim=-1).indices
    chosen = torch.full_like(quality, -1).scatter(-1, best, quality.gather(-1, best))
    return _row_of_largest(chosen, -1)


def aligned_values(row: Tensor, quality: Tensor, iou: Tensor) -> Tensor:
    """How sure each cell should be: the best one of an object as sure as its box is good, the others in proportion.

    Args:
        row: (B, A), as from `assign_aligned`.
        quality: (B, G, A), as it was given.
        iou: (B, G, A), of each cell's box with each object, in [0, 1].
    Returns:
        (B, A) in [0, 1], 0 for background.
    Source: Feng et al. 2021 (TOOD), section 3.2.1. Taught in chapter 07.
    """
    own = row[:, None] == torch.arange(quality.shape[1], device=row.device)[:, None]  # [B, G, A]
    quality, iou = torch.where(own, quality, 0), torch.where(own, iou, 0)
    share = quality / quality.amax(-1, keepdim=True).clamp(min=1e-9)
    return (share * iou.amax(-1, keepdim=True)).sum(1)


def _require_fit(points: Tensor, boxes: Tensor, real: Tensor) -> None:
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points must be (cells, 2), rows (x, y), got {tuple(points.shape)}")
    require_four_columns(boxes)
    if boxes.ndim != 3:
        raise ValueError(f"boxes must be (pictures, objects, 4), got {tuple(boxes.shape)}")
    if real.shape != boxes.shape[:2]:
        raise ValueError(
            f"real must be {tuple(boxes.shape[:2])}, one for each of the boxes, got {tuple(real.shape)}"
        )


def _middles(boxes: Tensor) -> Tensor:
    """(B, G, 1, 2)."""
    return ((boxes[..., :2] + boxes[..., 2:]) / 2)[:, :, None]


def _holds_middle(points: Tensor, boxes: Tensor, stride: int) -> Tensor:
    """(B, G, A) bool: one cell for each object.

    A middle on the border of two cells belongs to the right or lower one, as rounding down has it; one outside the
    grid, at a picture's edge, to the nearest cell.
    """
    cell = stride * ((_middles(boxes) / stride).floor() + 0.5)
    cell = torch.minimum(torch.maximum(cell, points.amin(0)), points.amax(0))
    return (points == cell).all(-1)


def _inside(points: Tensor, boxes: Tensor) -> Tensor:
    """(B, G, A) bool: the cells whose middle lies in the object's box."""
    return ((points > boxes[:, :, None, :2]) & (points < boxes[:, :, None, 2:])).all(-1)


def _smallest(chosen: Tensor, boxes: Tensor, real: Tensor) -> Tensor:
    """(B, G, A) bool -> (B, A): of the objects that chose a cell, the smallest, of equals the first."""
    area = (boxes[..., 2:] - boxes[..., :2]).prod(-1)[..., None]
    return _row_of_largest(torch.where(chosen & real[..., None], -area, -torch.inf), -torch.inf)


def _row_of_largest(values: Tensor, nothing: float) -> Tensor:
    """(B, G, A) -> (B, A): the row of the largest value, -1 where there is none above `nothing`."""
    if values.shape[1] == 0:
        return values.new_full((len(values), values.shape[2]), -1, dtype=torch.int64)
    value, row = values.max(dim=1)
    return torch.where(value > nothing, row, -1)
