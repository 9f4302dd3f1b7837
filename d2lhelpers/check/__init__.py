"""The exercises' checkers: `check.box_iou(my_box_iou)` answers at once whether a function is right.

Each has `.hint()`, `.hint(2)`, `.hint(3)` and `.solution()`.
"""

from d2lhelpers.check.anchors import anchor_size
from d2lhelpers.check.assignment import assign_labels
from d2lhelpers.check.augmentation import adjust_contrast, flip_boxes
from d2lhelpers.check.boxes import box_iou
from d2lhelpers.check.class_suppression import nms_per_class
from d2lhelpers.check.crop_boxes import crop_boxes
from d2lhelpers.check.cutmix import cutmix
from d2lhelpers.check.decoding import offset_inverse
from d2lhelpers.check.engine import Exercise
from d2lhelpers.check.flat_index import flat_to_pair
from d2lhelpers.check.offsets import offset_boxes
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
    "box_iou",
    "crop_boxes",
    "cutmix",
    "flat_to_pair",
    "flip_boxes",
    "frozen_batchnorm",
    "learning_rates",
    "nms",
    "nms_per_class",
    "offset_boxes",
    "offset_inverse",
    "standardise",
    "trained_parameters",
    "transplant_head",
]
