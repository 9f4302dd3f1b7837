"""The exercises' checkers: `check.box_iou(my_box_iou)` answers at once whether a function is right.

Each has `.hint()`, `.hint(2)`, `.hint(3)` and `.solution()`.
"""

from d2lhelpers.check.anchors import anchor_size
from d2lhelpers.check.assignment import assign_labels
from d2lhelpers.check.augmentation import adjust_contrast, flip_boxes
from d2lhelpers.check.average_precision import average_precision
from d2lhelpers.check.box_formats import coco_to_corner, fraction_labels
from d2lhelpers.check.box_labels import objects_per_class, pad_labels
from d2lhelpers.check.boxes import box_iou
from d2lhelpers.check.class_losses import focal_loss, hard_negatives
from d2lhelpers.check.class_suppression import nms_per_class
from d2lhelpers.check.crop_boxes import crop_boxes
from d2lhelpers.check.cutmix import cutmix
from d2lhelpers.check.decoding import offset_inverse
from d2lhelpers.check.engine import Exercise
from d2lhelpers.check.flat_index import flat_to_pair
from d2lhelpers.check.grid_boxes import decode_cells, giou
from d2lhelpers.check.grid_cells import class_grid, responsible_cells
from d2lhelpers.check.matching import match_picture
from d2lhelpers.check.offset_loss import offset_loss
from d2lhelpers.check.offsets import offset_boxes
from d2lhelpers.check.pyramid import count_anchors, flatten_predictions
from d2lhelpers.check.suppression import nms
from d2lhelpers.check.transfer import learning_rates, trained_parameters
from d2lhelpers.check.transfer_heads import accuracy_per_class, transplant_head
from d2lhelpers.check.transfer_inputs import frozen_batchnorm, standardise
from d2lhelpers.check.verdict import Page, Verdict

__all__ = [
    "Exercise",
    "Page",
    "Verdict",
    "accuracy_per_class",
    "adjust_contrast",
    "anchor_size",
    "assign_labels",
    "average_precision",
    "box_iou",
    "class_grid",
    "coco_to_corner",
    "count_anchors",
    "crop_boxes",
    "cutmix",
    "decode_cells",
    "flat_to_pair",
    "flatten_predictions",
    "flip_boxes",
    "focal_loss",
    "fraction_labels",
    "frozen_batchnorm",
    "giou",
    "hard_negatives",
    "learning_rates",
    "match_picture",
    "nms",
    "nms_per_class",
    "objects_per_class",
    "offset_boxes",
    "offset_inverse",
    "offset_loss",
    "pad_labels",
    "responsible_cells",
    "standardise",
    "trained_parameters",
    "transplant_head",
]
