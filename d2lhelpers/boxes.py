"""Boxes: two formats, areas, overlap, clipping.

One convention throughout the package: the origin is the picture's top-left corner, x runs to the right,
y runs down, and a box is the rectangle between two corners, (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2.
Its width is x2 - x1, with no "+ 1": coordinates are positions between pixels, not pixel numbers.
"""

import torch
from torch import Tensor

from d2lhelpers.devices import require_same_device

__all__ = ["box_area", "box_center_to_corner", "box_corner_to_center", "box_iou", "clip_boxes"]


def require_boxes(boxes: Tensor, name: str = "boxes") -> None:
    """Raise the ValueError that names the argument unless `boxes` are (..., 4) valid corners."""
    require_four_columns(boxes, name)
    # The comparison is written so that NaN, for which every comparison is false, is refused too.
    ordered = (boxes[..., 2:] >= boxes[..., :2]).all(-1)
    if not ordered.all():
        first = (~ordered).nonzero()[0].tolist()
        raise ValueError(
            f"{name} must be corners (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2, but {name}{first} is "
            f"{boxes[tuple(first)].tolist()}; if it is (centre x, centre y, width, height), "
            "use box_center_to_corner first"
        )


def require_four_columns(boxes: Tensor, name: str = "boxes") -> None:
    """Raise the ValueError that names the argument unless its last dimension is 4."""
    if boxes.ndim == 0 or boxes.shape[-1] != 4:
        raise ValueError(
            f"{name} must have a last dimension of 4, one box a row, got {tuple(boxes.shape)}"
        )


def box_corner_to_center(boxes: Tensor) -> Tensor:
    """Convert corners to centre and size.

    Args:
        boxes: (..., 4), corners (x1, y1, x2, y2) in any one unit.
    Returns:
        (..., 4), (centre x, centre y, width, height) in the same unit.
    Raises:
        ValueError: a last dimension other than 4.
    Source: d2l, section 14.3. Taught in chapter 03.
    """
    require_four_columns(boxes)
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack(((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1), dim=-1)


def box_center_to_corner(boxes: Tensor) -> Tensor:
    """Convert centre and size to corners, the inverse of `box_corner_to_center`.

    Args:
        boxes: (..., 4), (centre x, centre y, width, height) in any one unit.
    Returns:
        (..., 4), corners (x1, y1, x2, y2) in the same unit.
    Raises:
        ValueError: a last dimension other than 4.
    Source: d2l, section 14.3. Taught in chapter 03.
    """
    require_four_columns(boxes)
    cx, cy, w, h = boxes.unbind(-1)
    return torch.stack((cx - 0.5 * w, cy - 0.5 * h, cx + 0.5 * w, cy + 0.5 * h), dim=-1)


def box_area(boxes: Tensor) -> Tensor:
    """Area of each box.

    Args:
        boxes: (..., 4), corners (x1, y1, x2, y2) in any one unit.
    Returns:
        (...), in that unit squared, >= 0.
    Raises:
        ValueError: a last dimension other than 4, x2 < x1, y2 < y1, or NaN.
    Source: d2l, section 14.4. Taught in chapter 04.
    """
    require_boxes(boxes)
    return _area(boxes)


def box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Pairwise intersection over union (the Jaccard index of the two sets of points).

    Args:
        boxes1: (N, 4), corners (x1, y1, x2, y2) in any one unit, origin top-left.
        boxes2: (M, 4), same unit and device.
    Returns:
        (N, M) in [0, 1], float32 for whole-number boxes; a pair whose union has no area gives 0, where d2l
        gives NaN.
    Raises:
        ValueError: a shape other than (N, 4), x2 < x1, y2 < y1, NaN, or two devices.
    Source: Everingham et al. 2010, section 4.2. Taught in chapter 04.
    """
    require_same_device(boxes1=boxes1, boxes2=boxes2)
    for name, boxes in (("boxes1", boxes1), ("boxes2", boxes2)):
        if boxes.ndim != 2:
            raise ValueError(f"{name} must be (number of boxes, 4), got {tuple(boxes.shape)}")
        require_boxes(boxes, name)
    boxes1, boxes2 = (
        boxes if boxes.is_floating_point() else boxes.float() for boxes in (boxes1, boxes2)
    )
    return pairwise_iou(boxes1, boxes2)


def pairwise_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """`box_iou` over any leading batch dimensions, (..., N, 4) and (..., M, 4), for boxes known to be valid.

    Column by column, and in place where a value is not needed again: on a CPU the time goes into memory traffic,
    and this takes half of what (..., N, M, 2) tensors do.
    """
    one = boxes1.unsqueeze(-2)  # [..., N, 1, 4]
    two = boxes2.unsqueeze(-3)  # [..., 1, M, 4]
    width = (
        torch.minimum(one[..., 2], two[..., 2])
        .sub_(torch.maximum(one[..., 0], two[..., 0]))
        .clamp_(min=0)
    )
    height = (
        torch.minimum(one[..., 3], two[..., 3])
        .sub_(torch.maximum(one[..., 1], two[..., 1]))
        .clamp_(min=0)
    )
    intersection = width.mul_(height)  # [..., N, M]
    union = (_area(one) + _area(two)).sub_(intersection)
    return intersection.div_(union.masked_fill_(union == 0, 1))


def clip_boxes(boxes: Tensor, height: float, width: float) -> Tensor:
    """Cut boxes off at the border of the picture.

    Args:
        boxes: (..., 4), corners in pixels (or in [0, 1], with height = width = 1).
        height, width: of the picture, in the unit of the boxes.
    Returns:
        (..., 4), same unit; a box wholly outside keeps no area.
    Raises:
        ValueError: a last dimension other than 4, or a negative height or width.
    Source: Girshick 2015, section 2.1. Taught in chapter 04.
    """
    require_four_columns(boxes)
    if height < 0 or width < 0:
        raise ValueError(f"height and width must not be negative, got {height} and {width}")
    x = boxes[..., 0::2].clamp(0, width)
    y = boxes[..., 1::2].clamp(0, height)
    return torch.stack((x[..., 0], y[..., 0], x[..., 1], y[..., 1]), dim=-1)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
