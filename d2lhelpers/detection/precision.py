"""Average precision written out, step by step: what `evaluation` has torchmetrics compute."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import torch
from torch import Tensor

from d2lhelpers.boxes import box_iou
from d2lhelpers.detection.detector import Detection

__all__ = ["average_precision", "match_detections", "match_picture", "precision_recall"]

# 0, 0.01, ..., 1. In float32, as torchmetrics has them: its 0.6 is a little more than 6 objects of 10.
RECALLS = torch.linspace(0, 1, 101).double()


def match_detections(
    detections: Sequence[Detection],
    truths: Sequence[dict[str, Tensor]],
    label: int,
    iou_threshold: float = 0.5,
) -> tuple[Tensor, Tensor, int]:
    """Rank the detections of one class over all pictures, and say which of them find an object.

    The surest goes first. It finds the object of its picture that it overlaps most among those that are still free,
    if by at least `iou_threshold`; that object is then taken, so that whoever finds it again is a false alarm.

    Args:
        detections: one for each picture, on the CPU, corners in pixels, in any order of scores.
        truths: as from `truths_of`, in the order of the pictures.
        label: the class.
        iou_threshold: in (0, 1].
    Returns:
        scores (N,), falling, of equals the earlier picture and row first; hits (N,) bool, whether each finds an
        object; and the number of objects of the class.
    Raises:
        ValueError: not as many detections as truths, bad boxes, NaN among the scores, or a threshold outside (0, 1].
    Source: pycocotools' rule, for any number of detections; COCO's evaluation takes the best 100 of a picture. Taught
        in chapter 03.
    """
    if len(detections) != len(truths):
        raise ValueError(
            f"detections and truths must have one entry for each picture, got {len(detections)} and {len(truths)}"
        )
    if not 0 < iou_threshold <= 1:
        raise ValueError(f"iou_threshold must lie in (0, 1], got {iou_threshold}")
    scores, hits, num_objects = [torch.zeros(0)], [torch.zeros(0, dtype=torch.bool)], 0
    for found, truth in zip(detections, truths, strict=True):
        ours, theirs = found["labels"] == label, truth["labels"] == label
        score, order = found["scores"][ours].sort(descending=True, stable=True)
        # float64, because whether an overlap reaches 0.5 should not depend on a rounding
        iou = box_iou(found["boxes"][ours][order].double(), truth["boxes"][theirs].double())
        scores.append(score)
        hits.append(match_picture(iou, iou_threshold) >= 0)
        num_objects += int(theirs.sum())
    ranked, order = torch.cat(scores).sort(descending=True, stable=True)
    if ranked.isnan().any():
        raise ValueError("detections must not have NaN among their scores: nobody could rank it")
    return ranked, torch.cat(hits)[order], num_objects


def match_picture(iou: Tensor, iou_threshold: float = 0.5) -> Tensor:
    """Which object each detection of one picture and class finds: of those still free, the one it overlaps most.

    Args:
        iou: (K, G), overlaps of K detections, by falling score, with G objects.
        iou_threshold: in (0, 1].
    Returns:
        (K,) int64, the object's column, or -1 for a false alarm; no column twice.
    Source: pycocotools. Taught in chapter 03.
    """
    found = torch.full((len(iou),), -1)
    if iou.numel() == 0:
        return found
    free = iou.flip(1)  # argmax takes the first of equal overlaps, and pycocotools the last
    for k in range(len(free)):
        best = free[k].argmax()
        if free[k, best] >= iou_threshold:
            found[k] = iou.shape[1] - 1 - best
            free[:, best] = -1
    return found


def precision_recall(hits: Tensor, num_objects: int) -> tuple[Tensor, Tensor]:
    """Precision and recall after the first, the second, ... detection of a ranking.

    Args:
        hits: (N,) bool, whether each detection finds an object, the surest first.
        num_objects: there are.
    Returns:
        precision (N,) float64, the share of the detections so far that find an object; recall (N,) float64, the share
        of the objects that are found so far, NaN where there are none.
    Raises:
        ValueError: hits of another shape, or more hits than objects.
    Source: Everingham et al. 2010, section 4.2. Taught in chapter 03.
    """
    if hits.ndim != 1:
        raise ValueError(f"hits must be (detections,), got {tuple(hits.shape)}")
    if hits.sum() > num_objects:
        raise ValueError(
            f"num_objects must be at least the number of hits, got {num_objects} for {int(hits.sum())}: "
            "an object can be found only once"
        )
    found = hits.cumsum(0).double()
    looked_at = torch.arange(1, len(hits) + 1, device=hits.device)
    return found / looked_at, found / num_objects


def average_precision(hits: Tensor, num_objects: int) -> float:
    """The mean precision over the recalls 0, 0.01, ..., 1, each the best that is had at that recall or beyond.

    Args:
        hits: (N,) bool, whether each detection finds an object, the surest first.
        num_objects: there are.
    Returns:
        in [0, 1]; a recall that is never reached counts as precision 0. NaN where there is no object to be found.
    Raises:
        ValueError: hits of another shape, or more hits than objects.
    Source: Lin et al. 2014 and COCO's evaluation server. Taught in chapter 03.
    """
    precision, recall = precision_recall(hits, num_objects)
    if num_objects == 0:
        return nan
    envelope = precision.flip(0).cummax(0).values.flip(0)
    envelope = torch.cat((envelope, envelope.new_zeros(1)))  # beyond the last recall
    reached = torch.searchsorted(recall, RECALLS.to(recall.device))
    return envelope[reached].mean().item()
