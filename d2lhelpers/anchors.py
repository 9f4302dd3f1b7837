"""Anchor boxes: making them, matching them to the truth, and encoding the difference.

Anchors and ground truth are corners (x1, y1, x2, y2) in fractions of the picture, so that one set of
anchors serves every size: x is divided by the picture's width and y by its height.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from d2lhelpers.boxes import (
    box_center_to_corner,
    box_corner_to_center,
    pairwise_iou,
    require_boxes,
    require_four_columns,
)
from d2lhelpers.devices import require_same_device

__all__ = [
    "assign_anchor_to_bbox",
    "multibox_prior",
    "multibox_target",
    "offset_boxes",
    "offset_inverse",
]

# The offsets of a well-matched anchor are small, about 0.1 for the centre and 0.2 for the logarithm of the
# size. Divided by these "variances" of the SSD authors' code they have about unit scale.
CENTRE_SCALE, SIZE_SCALE = 10, 5

# Pairs of anchor and box whose overlap is held at once, 16 MiB of float32: a larger batch is matched in parts.
MAX_PAIRS = 2**22


def multibox_prior(data: Tensor, sizes: Sequence[float], ratios: Sequence[float]) -> Tensor:
    """Anchor boxes of several sizes and shapes around the middle of every pixel.

    For a size s and a ratio r, the box is H s / sqrt(r) pixels high and H s sqrt(r) pixels wide, H being the
    height of `data`: both sides are measured in heights, so r is the box's true width over height. Only the
    pairs (s, ratios[0]) and (sizes[0], r) are made: n + m - 1 boxes a pixel, not n m.

    Args:
        data: (..., height, width); only its size, device and (if floating) dtype count.
        sizes: n values > 0, box side in picture heights (the side of the square for r = 1).
        ratios: m values > 0, width over height in pixels.
    Returns:
        (1, height * width * (n + m - 1), 4), corners in fractions of width and height. Pixels run row by
        row, boxes of a pixel side by side. Boxes may reach outside [0, 1].
    Raises:
        ValueError: data without height and width, no sizes or ratios, or one that is not positive.
    Source: Liu et al. 2016 (SSD), section 2.2; d2l, section 14.4.1. Taught in chapter 04.
    """
    if data.ndim < 2 or 0 in data.shape[-2:]:
        raise ValueError(
            f"data must end in a height and a width of at least 1, got {tuple(data.shape)}"
        )
    for name, values in (("sizes", sizes), ("ratios", ratios)):
        if len(values) == 0 or min(values) <= 0:
            raise ValueError(
                f"{name} must hold at least one number, all greater than 0, got {list(values)}"
            )
    height, width = data.shape[-2:]
    kind = {
        "device": data.device,
        "dtype": data.dtype if data.is_floating_point() else torch.float32,
    }
    size, ratio = torch.tensor(sizes, **kind), torch.tensor(ratios, **kind)
    # x is a fraction of the width while sizes count in heights: hence height / width.
    w = torch.cat((size * ratio[0].sqrt(), sizes[0] * ratio[1:].sqrt())) * height / width
    h = torch.cat((size / ratio[0].sqrt(), sizes[0] / ratio[1:].sqrt()))
    cx = (torch.arange(width, **kind) + 0.5) * (1 / width)  # 0.5: the middle of a pixel of side 1
    cy = (torch.arange(height, **kind) + 0.5) * (1 / height)
    # One row of pixels with y = 0, then that row at every height: only the result is full size.
    left, right = cx[:, None] - w / 2, cx[:, None] + w / 2  # [width, n + m - 1]
    along_row = torch.stack(torch.broadcast_tensors(left, -h / 2, right, h / 2), dim=-1)
    down = torch.stack((torch.zeros_like(cy), cy), dim=1).repeat(1, 2)  # [height, 4]
    anchors = along_row + down[:, None, None]
    return anchors.reshape(1, -1, 4)


def assign_anchor_to_bbox(
    ground_truth: Tensor,
    anchors: Tensor,
    device: torch.device | str | None = None,
    iou_threshold: float = 0.5,
) -> Tensor:
    """Give each anchor the ground-truth box it should predict, or none.

    First every anchor takes the box it overlaps most, if by at least `iou_threshold`. Then every box takes
    its best anchor, best pair first, so that no box is left without one while there are anchors.

    Args:
        ground_truth: (G, 4), corners in the anchors' unit. G may be 0.
        anchors: (A, 4), corners.
        device: kept for d2l's signature; the result is always on the anchors' device.
        iou_threshold: in [0, 1].
    Returns:
        (A,) int64, the row of `ground_truth`, or -1 for background.
    Raises:
        ValueError: bad boxes, two devices, or a threshold outside [0, 1].
    Source: Liu et al. 2016 (SSD), section 2.2; d2l, section 14.4.3.1. Taught in chapter 04.
    """
    del device
    require_same_device(ground_truth=ground_truth, anchors=anchors)
    require_boxes(ground_truth, "ground_truth")
    require_boxes(anchors, "anchors")
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"iou_threshold must lie in [0, 1], got {iou_threshold}")
    real = torch.ones(1, len(ground_truth), dtype=torch.bool, device=anchors.device)
    return _match(pairwise_iou(ground_truth[None], anchors), real, iou_threshold)[0]


def offset_boxes(anchors: Tensor, assigned_bb: Tensor, eps: float = 1e-6) -> Tensor:
    """Encode boxes as offsets from their anchors: what a detector is trained to predict.

    Args:
        anchors: (..., 4), corners, with a width and height above 0.
        assigned_bb: (..., 4), corners in the same unit, one box for each anchor.
        eps: keeps the logarithm finite for a box without area.
    Returns:
        (..., 4): 10 (cx_b - cx_a) / w_a, 10 (cy_b - cy_a) / h_a, 5 log(w_b / w_a), 5 log(h_b / h_a).
    Raises:
        ValueError: a last dimension other than 4, or two devices.
    Source: Girshick et al. 2014, appendix C; d2l, section 14.4.3.2. Taught in chapter 04.
    """
    require_same_device(anchors=anchors, assigned_bb=assigned_bb)
    anchor, box = box_corner_to_center(anchors), box_corner_to_center(assigned_bb)
    centre = CENTRE_SCALE * (box[..., :2] - anchor[..., :2]) / anchor[..., 2:]
    size = SIZE_SCALE * torch.log(eps + box[..., 2:] / anchor[..., 2:])
    return torch.cat((centre, size), dim=-1)


def offset_inverse(anchors: Tensor, offset_preds: Tensor) -> Tensor:
    """Decode predicted offsets to boxes, the inverse of `offset_boxes`.

    Args:
        anchors: (..., 4), corners.
        offset_preds: (..., 4), offsets as `offset_boxes` makes them, one for each anchor.
    Returns:
        (..., 4), corners in the anchors' unit; they may reach outside the picture.
    Raises:
        ValueError: a last dimension other than 4, or two devices.
    Source: Girshick et al. 2014, appendix C; d2l, section 14.4.4. Taught in chapter 04.
    """
    require_same_device(anchors=anchors, offset_preds=offset_preds)
    require_four_columns(offset_preds, "offset_preds")
    anchor = box_corner_to_center(anchors)
    centre = (offset_preds[..., :2] * anchor[..., 2:] / CENTRE_SCALE) + anchor[..., :2]
    size = torch.exp(offset_preds[..., 2:] / SIZE_SCALE) * anchor[..., 2:]
    return box_center_to_corner(torch.cat((centre, size), dim=-1))


def multibox_target(anchors: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Label every anchor of every picture: its class, and the offsets to its box.

    Args:
        anchors: (1, A, 4), corners in fractions, shared by the batch.
        labels: (B, G, 5), rows (class, x1, y1, x2, y2), classes counted from 0; a row of class -1 is padding
            and is ignored. G may be 0.
    Returns:
        offsets (B, 4 A), 0 where there is no box; mask (B, 4 A), 1 where there is one and 0 elsewhere;
        classes (B, A) int64, 0 for background and class + 1 otherwise.
    Raises:
        ValueError: shapes other than these, bad boxes, or two devices.
    Source: d2l, section 14.4.3.2. Taught in chapter 04.
    """
    require_same_device(anchors=anchors, labels=labels)
    if labels.ndim != 3 or labels.shape[-1] != 5:
        raise ValueError(
            f"labels must be (batch, boxes, 5), rows (class, x1, y1, x2, y2), got {tuple(labels.shape)}"
        )
    if anchors.ndim != 3 or len(anchors) != 1:
        raise ValueError(f"anchors must be (1, number of anchors, 4), got {tuple(anchors.shape)}")
    anchors = anchors[0]
    require_boxes(anchors, "anchors")
    real = labels[..., 0] >= 0  # [B, G]
    # Padding may hold anything; as empty boxes at the origin it is at least valid.
    boxes = torch.where(real[..., None], labels[..., 1:], 0)
    require_boxes(boxes, "labels[..., 1:]")
    step = max(1, MAX_PAIRS // max(1, boxes.shape[1] * len(anchors)))
    assigned = torch.cat(
        [
            _match(pairwise_iou(some_boxes, anchors), some_real, iou_threshold=0.5)
            for some_boxes, some_real in zip(boxes.split(step), real.split(step), strict=True)
        ]
    )  # [B, A]

    picture, anchor = (assigned >= 0).nonzero(as_tuple=True)
    row = assigned[picture, anchor]
    batch_size, num_anchors = assigned.shape
    classes = torch.zeros(batch_size, num_anchors, dtype=torch.int64, device=anchors.device)
    classes[picture, anchor] = labels[picture, row, 0].long() + 1
    # Offsets only where there is a box: most anchors are background, and their offsets would be thrown away.
    offsets = torch.zeros(batch_size, num_anchors, 4, dtype=anchors.dtype, device=anchors.device)
    offsets[picture, anchor] = offset_boxes(anchors[anchor], boxes[picture, row]).to(anchors.dtype)
    mask = (assigned >= 0).float()[..., None].expand(-1, -1, 4)
    return offsets.flatten(1), mask.flatten(1), classes


def _match(iou: Tensor, real: Tensor, iou_threshold: float) -> Tensor:
    """The two passes of `assign_anchor_to_bbox`, for a batch: iou (B, G, A), real (B, G) bool -> (B, A) int64.

    Uses `iou` up: rows of padding and anchors already taken are overwritten with -1.

    The second pass keeps only each box's best free anchor. When a box takes an anchor, the few other boxes
    that wanted the same one look for their next best: the whole table is never searched again.
    """
    batch_size, num_boxes, num_anchors = iou.shape
    if iou.numel() == 0:
        return torch.full((batch_size, num_anchors), -1, device=iou.device)
    if not real.all():
        iou.masked_fill_(~real[..., None], -1)
    best_iou, best_box = iou.max(dim=1)  # [B, A]
    assigned = torch.where(best_iou >= iou_threshold, best_box, -1)

    best_iou, best_anchor = iou.max(dim=2)  # [B, G]
    waiting = real.clone()
    picture = torch.arange(batch_size, device=iou.device)
    rows = torch.arange(num_boxes, device=iou.device)
    for _ in range(min(int(real.sum(1).max()), num_anchors)):
        best_iou = best_iou.masked_fill(~waiting, -1)
        # Best pair first; among equals the lowest anchor, then the lowest box. All in whole numbers:
        # d2l finds the anchor by dividing floats, which is wrong from 2**24 pairs on.
        tied = best_iou == best_iou.max(dim=1, keepdim=True).values
        box = torch.where(tied, best_anchor * num_boxes + rows, num_anchors * num_boxes).argmin(
            dim=1
        )
        served = picture[waiting[picture, box]]
        box = box[served]
        anchor = best_anchor[served, box]
        assigned[served, anchor] = box
        waiting[served, box] = False
        iou[served, :, anchor] = -1
        taken = torch.full_like(picture, -1).index_put((served,), anchor)
        late, row = (waiting & (best_anchor == taken[:, None])).nonzero(as_tuple=True)
        best_iou[late, row], best_anchor[late, row] = iou[late, row].max(dim=-1)
    return assigned
