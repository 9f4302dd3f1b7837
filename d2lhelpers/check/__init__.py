"""The exercises' checkers: `check.box_iou(my_box_iou)` answers at once whether a function is right.

Each has `.hint()`, `.hint(2)`, `.hint(3)` and `.solution()`.
"""

from d2lhelpers.check.anchors import anchor_size
from d2lhelpers.check.assignment import assign_labels
from d2lhelpers.check.attention_gates import gate_channels
from d2lhelpers.check.attention_maps import attention_pool, mass_on_object
from d2lhelpers.check.attention_queries import attend, split_heads
from d2lhelpers.check.augmentation import adjust_contrast, flip_boxes
from d2lhelpers.check.average_precision import average_precision
from d2lhelpers.check.box_formats import coco_to_corner, fraction_labels
from d2lhelpers.check.box_labels import objects_per_class, pad_labels
from d2lhelpers.check.boxes import box_iou
from d2lhelpers.check.class_losses import focal_loss, hard_negatives
from d2lhelpers.check.class_suppression import nms_per_class
from d2lhelpers.check.convolution_matrix import kernel2matrix
from d2lhelpers.check.crop_boxes import crop_boxes
from d2lhelpers.check.cutmix import cutmix
from d2lhelpers.check.decoding import offset_inverse
from d2lhelpers.check.engine import Exercise
from d2lhelpers.check.flat_index import flat_to_pair
from d2lhelpers.check.grid_boxes import decode_cells, giou
from d2lhelpers.check.grid_cells import class_grid, responsible_cells
from d2lhelpers.check.mask_paste import paste_cells
from d2lhelpers.check.matching import match_picture
from d2lhelpers.check.offset_loss import offset_loss
from d2lhelpers.check.offsets import offset_boxes
from d2lhelpers.check.pixel_classes import class_map, void_loss
from d2lhelpers.check.proposals import objectness_targets, proposal_recall
from d2lhelpers.check.pyramid import count_anchors, flatten_predictions
from d2lhelpers.check.roi_places import pool_region, sample_places
from d2lhelpers.check.seeing_distances import feature_distance, precision_at_k
from d2lhelpers.check.seeing_fields import receptive_field
from d2lhelpers.check.seeing_maps import grad_cam, unpool
from d2lhelpers.check.segment_labels import colours_to_classes, crop_pair, resize_labels
from d2lhelpers.check.segment_scores import background_accuracy, confusion_matrix, mean_iou
from d2lhelpers.check.shortcut_hunts import new_head, shared_histogram
from d2lhelpers.check.shortcuts import followed, paste_things, scramble_pieces
from d2lhelpers.check.style_hunts import keep_content, style_distance
from d2lhelpers.check.style_losses import gram_matrix, relative_loss, tv_loss
from d2lhelpers.check.suppression import nms
from d2lhelpers.check.transfer import learning_rates, trained_parameters
from d2lhelpers.check.transfer_heads import accuracy_per_class, transplant_head
from d2lhelpers.check.transfer_inputs import frozen_batchnorm, standardise
from d2lhelpers.check.transposed import trans_conv
from d2lhelpers.check.transposed_hunts import as_convolution, cut_border
from d2lhelpers.check.transposed_sizes import lost_rows, transposed_size
from d2lhelpers.check.upsampling import bilinear_weights, interpolate_line
from d2lhelpers.check.verdict import Page, Verdict

__all__ = [
    "Exercise",
    "Page",
    "Verdict",
    "accuracy_per_class",
    "adjust_contrast",
    "anchor_size",
    "as_convolution",
    "assign_labels",
    "attend",
    "attention_pool",
    "average_precision",
    "background_accuracy",
    "bilinear_weights",
    "box_iou",
    "class_grid",
    "class_map",
    "coco_to_corner",
    "colours_to_classes",
    "confusion_matrix",
    "count_anchors",
    "crop_boxes",
    "crop_pair",
    "cut_border",
    "cutmix",
    "decode_cells",
    "feature_distance",
    "flat_to_pair",
    "flatten_predictions",
    "flip_boxes",
    "focal_loss",
    "followed",
    "fraction_labels",
    "frozen_batchnorm",
    "gate_channels",
    "giou",
    "grad_cam",
    "gram_matrix",
    "hard_negatives",
    "interpolate_line",
    "keep_content",
    "kernel2matrix",
    "learning_rates",
    "lost_rows",
    "mass_on_object",
    "match_picture",
    "mean_iou",
    "new_head",
    "nms",
    "nms_per_class",
    "objectness_targets",
    "objects_per_class",
    "offset_boxes",
    "offset_inverse",
    "offset_loss",
    "pad_labels",
    "paste_cells",
    "paste_things",
    "pool_region",
    "precision_at_k",
    "proposal_recall",
    "receptive_field",
    "relative_loss",
    "resize_labels",
    "responsible_cells",
    "sample_places",
    "scramble_pieces",
    "shared_histogram",
    "split_heads",
    "standardise",
    "style_distance",
    "trained_parameters",
    "trans_conv",
    "transplant_head",
    "transposed_size",
    "tv_loss",
    "unpool",
    "void_loss",
]
