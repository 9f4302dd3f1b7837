"""The helper package of the course. Functions that d2l has keep d2l's name and are importable from here."""

from d2lhelpers.anchors import (
    assign_anchor_to_bbox,
    multibox_prior,
    multibox_target,
    offset_boxes,
    offset_inverse,
)
from d2lhelpers.boxes import (
    box_area,
    box_center_to_corner,
    box_corner_to_center,
    box_iou,
    clip_boxes,
)
from d2lhelpers.detection import multibox_detection, nms, soft_nms
from d2lhelpers.plot import bbox_to_rect, show_bboxes

__all__ = [
    "assign_anchor_to_bbox",
    "bbox_to_rect",
    "box_area",
    "box_center_to_corner",
    "box_corner_to_center",
    "box_iou",
    "clip_boxes",
    "multibox_detection",
    "multibox_prior",
    "multibox_target",
    "nms",
    "offset_boxes",
    "offset_inverse",
    "show_bboxes",
    "soft_nms",
]
