"""From a network's predictions to a list of objects."""

import torch
import torchvision
from torch import Tensor

from d2lhelpers.anchors import offset_inverse
from d2lhelpers.boxes import pairwise_iou, require_boxes
from d2lhelpers.devices import require_same_device

__all__ = ["multibox_detection", "nms", "soft_nms"]

# Boxes that `nms` settles at a time on a CPU: 64 to 256 are equally good for thousands of boxes, 256 for few.
CPU_BLOCK = 256


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Non-maximum suppression: keep a box, drop all that overlap it too much, go on with the next best.

    On a CPU it goes in blocks: torchvision settles the best few boxes among themselves, then one table of
    overlaps removes all that they suppress. That is twice as fast as torchvision on all boxes at once.

    Args:
        boxes: (N, 4), corners in any one unit. N may be 0.
        scores: (N,), higher is better, no NaN.
        iou_threshold: in [0, 1]; boxes that overlap a kept one by more are dropped.
    Returns:
        (K,) int64, rows of the boxes kept, by falling score (the first of equals first).
    Raises:
        ValueError: bad boxes, scores of another length, NaN, two devices, or a threshold outside [0, 1].
    Source: Felzenszwalb et al. 2010, section 4.4; d2l, section 14.4.4. Taught in chapter 04.
    """
    _require_scored_boxes(boxes, scores)
    _require_fraction("iou_threshold", iou_threshold)
    if boxes.dtype not in (torch.float32, torch.float64):
        boxes = boxes.float()
    # torchvision compares in float64, PyTorch in the boxes' own type. Rounding the threshold to that type
    # lets an overlap of "exactly 0.3" survive a threshold of 0.3 here as it does in d2l.
    iou_threshold = torch.tensor(iou_threshold, dtype=boxes.dtype).item()
    scores = scores.to(boxes.dtype)
    order = scores.argsort(descending=True, stable=True)
    # A GPU settles all boxes in one kernel; there each further block would only cost a wait.
    block = CPU_BLOCK if boxes.device.type == "cpu" else max(1, len(boxes))
    kept = [order[:0]]
    while len(order) > 0:
        first, order = order[:block], order[block:]
        best = first[torchvision.ops.nms(boxes[first], scores[first], iou_threshold)]
        kept.append(best)
        order = order[(pairwise_iou(boxes[best], boxes[order]) <= iou_threshold).all(dim=0)]
    return torch.cat(kept)


def soft_nms(
    boxes: Tensor, scores: Tensor, sigma: float = 0.5, score_threshold: float = 0.001
) -> tuple[Tensor, Tensor]:
    """Suppression by degrees: a box that overlaps a better one loses score instead of its life.

    Args:
        boxes: (N, 4), corners in any one unit. N may be 0.
        scores: (N,), in [0, 1].
        sigma: > 0; a score is multiplied by exp(-IoU**2 / sigma) for each better box: the smaller, the harsher.
        score_threshold: in [0, 1]; boxes that fall below it are dropped.
    Returns:
        (K,) int64, rows of the boxes kept, in the order in which they were chosen; and (K,) their new scores,
        which never rise from one to the next.
    Raises:
        ValueError: bad boxes, scores of another length, NaN, two devices, or a parameter out of range.
    Source: Bodla et al. 2017, equation 3. Taught in chapter 04.
    """
    _require_scored_boxes(boxes, scores)
    _require_fraction("score_threshold", score_threshold)
    if sigma <= 0:
        raise ValueError(f"sigma must be greater than 0, got {sigma}")
    scores, candidate = scores.clone(), torch.ones_like(scores, dtype=torch.bool)
    kept, kept_scores = [], []
    while candidate.any():
        best = torch.where(candidate, scores, -1).argmax()
        if scores[best] < score_threshold:
            break
        kept.append(best)
        kept_scores.append(scores[best].clone())
        candidate[best] = False
        overlap = pairwise_iou(boxes[best, None], boxes)[0]
        scores = torch.where(candidate, scores * torch.exp(-(overlap**2) / sigma), scores)
    if not kept:
        return torch.zeros(0, dtype=torch.int64, device=boxes.device), scores[:0]
    return torch.stack(kept), torch.stack(kept_scores)


def multibox_detection(
    cls_probs: Tensor,
    offset_preds: Tensor,
    anchors: Tensor,
    nms_threshold: float = 0.5,
    pos_threshold: float = 0.009999999,
    *,
    per_class: bool = True,
    background_wins: bool = True,
) -> Tensor:
    """Turn predicted classes and offsets into detections.

    Args:
        cls_probs: (B, C + 1, A), probabilities; row 0 of a picture is background.
        offset_preds: (B, 4 A), as `offset_boxes` encodes them.
        anchors: (1, A, 4), corners.
        nms_threshold: in [0, 1], see `nms`.
        pos_threshold: in [0, 1]; a detection less likely than this is turned into background.
        per_class: a box suppresses only boxes of its own class. False: of every class, as in d2l.
        background_wins: an anchor whose likeliest class is background is no detection. False: it is reported
            under its likeliest object class however unlikely, as in d2l.
    Returns:
        (B, A, 6), rows (class from 0, score, x1, y1, x2, y2). First the detections by falling score, then all
        other anchors in their order, with class -1. A row below `pos_threshold` carries 1 - score, as in d2l.
    Raises:
        ValueError: shapes that do not fit together, two devices, or a threshold outside [0, 1].
    Source: d2l, section 14.4.4. Taught in chapter 04.
    """
    require_same_device(cls_probs=cls_probs, offset_preds=offset_preds, anchors=anchors)
    _require_fraction("nms_threshold", nms_threshold)
    _require_fraction("pos_threshold", pos_threshold)
    if cls_probs.ndim != 3 or cls_probs.shape[1] < 2:
        raise ValueError(
            "cls_probs must be (batch, classes + 1, anchors), row 0 being background, "
            f"with at least one class, got {tuple(cls_probs.shape)}"
        )
    batch_size, _, num_anchors = cls_probs.shape
    if anchors.shape != (1, num_anchors, 4):
        raise ValueError(
            f"anchors must be (1, {num_anchors}, 4) to fit cls_probs, got {tuple(anchors.shape)}"
        )
    if offset_preds.shape != (batch_size, 4 * num_anchors):
        raise ValueError(
            f"offset_preds must be ({batch_size}, {4 * num_anchors}) to fit cls_probs, got {tuple(offset_preds.shape)}"
        )
    boxes = offset_inverse(anchors, offset_preds.reshape(batch_size, num_anchors, 4))
    scores, classes = cls_probs[:, 1:].max(dim=1)  # [B, A]
    candidates = (
        scores > cls_probs[:, 0] if background_wins else torch.ones_like(scores, dtype=torch.bool)
    )

    detections = []
    for box, score, label, candidate in zip(boxes, scores, classes, candidates, strict=True):
        # Only candidates can be kept or suppress, so only they enter the suppression: on real predictions
        # background is likeliest for nearly all anchors, and this is where the time is won.
        index = candidate.nonzero().squeeze(1)
        groups = label[index] if per_class else torch.zeros_like(index)
        kept = index[nms_in_groups(box[index], score[index], groups, nms_threshold)]
        is_kept = torch.zeros_like(candidate).index_fill(0, kept, True)
        order = torch.cat((kept, (~is_kept).nonzero().squeeze(1)))
        unlikely = score < pos_threshold
        label = torch.where(is_kept & ~unlikely, label, -1)
        score = torch.where(unlikely, 1 - score, score)
        detections.append(torch.cat((label[:, None], score[:, None], box), dim=1)[order])
    return torch.stack(detections) if detections else boxes.new_zeros(0, num_anchors, 6)


def nms_in_groups(boxes: Tensor, scores: Tensor, groups: Tensor, iou_threshold: float) -> Tensor:
    """Rows that survive `nms` among the boxes of their own group, by falling score over all groups.

    Args:
        boxes: (N, 4), corners in any one unit. N may be 0.
        scores: (N,), no NaN.
        groups: (N,) int64, usually classes.
        iou_threshold: in [0, 1].
    Returns:
        (K,) int64.
    Raises:
        ValueError: as `nms`.
    """
    survivors = [groups.new_zeros(0)]
    for group in groups.unique():
        rows = (groups == group).nonzero().squeeze(1)
        survivors.append(rows[nms(boxes[rows], scores[rows], iou_threshold)])
    kept = torch.cat(survivors)
    return kept[scores[kept].argsort(descending=True, stable=True)]


def _require_scored_boxes(boxes: Tensor, scores: Tensor) -> None:
    require_same_device(boxes=boxes, scores=scores)
    if boxes.ndim != 2:
        raise ValueError(f"boxes must be (number of boxes, 4), got {tuple(boxes.shape)}")
    require_boxes(boxes)
    if scores.shape != boxes.shape[:1]:
        raise ValueError(
            f"scores must be ({len(boxes)},), one for each box, got {tuple(scores.shape)}"
        )
    if scores.isnan().any():
        raise ValueError(
            f"scores must not be NaN, but scores[{int(scores.isnan().nonzero()[0])}] is"
        )


def _require_fraction(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must lie in [0, 1], got {value}")
