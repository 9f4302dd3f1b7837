"""The exercises' solutions, as a learner might write them. Their source is what `.solution()` shows.

In a module of their own because here `box_iou` and `nms` are the package's functions, as in a learner's
notebook.
"""

import torch

from d2lhelpers import box_center_to_corner, box_corner_to_center, box_iou, nms


def my_box_iou(boxes1, boxes2):
    # One box of boxes1 a row, one of boxes2 a column: (N, 1) against (M,) broadcasts to (N, M).
    left = torch.maximum(boxes1[:, None, 0], boxes2[:, 0])
    top = torch.maximum(boxes1[:, None, 1], boxes2[:, 1])
    right = torch.minimum(boxes1[:, None, 2], boxes2[:, 2])
    bottom = torch.minimum(boxes1[:, None, 3], boxes2[:, 3])
    intersection = (right - left).clamp(min=0) * (bottom - top).clamp(min=0)

    area1 = (boxes1[:, 2] - boxes1[:, 0]) * (boxes1[:, 3] - boxes1[:, 1])
    area2 = (boxes2[:, 2] - boxes2[:, 0]) * (boxes2[:, 3] - boxes2[:, 1])
    union = area1[:, None] + area2 - intersection
    # Where the union is 0 so is the intersection, and 0 / 1 is 0.
    return intersection / torch.where(union == 0, 1, union)


def my_offset_boxes(anchors, assigned_bb):
    anchor = box_corner_to_center(anchors)
    box = box_corner_to_center(assigned_bb)
    # How far to go, in sizes of the anchor; how much to grow, as a logarithm.
    centre = 10 * (box[:, :2] - anchor[:, :2]) / anchor[:, 2:]
    size = 5 * torch.log(box[:, 2:] / anchor[:, 2:])
    return torch.cat((centre, size), dim=1)


def my_offset_inverse(anchors, offset_preds):
    anchor = box_corner_to_center(anchors)
    # Each step of the encoding undone, in the opposite order.
    centre = offset_preds[:, :2] / 10 * anchor[:, 2:] + anchor[:, :2]
    size = torch.exp(offset_preds[:, 2:] / 5) * anchor[:, 2:]
    return box_center_to_corner(torch.cat((centre, size), dim=1))


def my_anchor_size(height, width, size, ratio):
    # In heights of the picture first; a fraction of the width is that times height / width.
    w = size * ratio**0.5 * height / width
    h = size / ratio**0.5
    return w, h


def my_assign_labels(labels, anchors):
    real = (labels[:, 0] >= 0).nonzero()[:, 0]  # rows that are not padding
    assigned = torch.full((len(anchors),), -1)
    if len(real) == 0:
        return assigned
    iou = box_iou(anchors, labels[real, 1:])  # (anchors, real boxes)

    # First pass: every anchor takes its best box, if that is good enough.
    best, box = iou.max(dim=1)
    fits = best >= 0.5
    assigned[fits] = real[box[fits]]

    # Second pass: every box takes an anchor, best pair first; then neither is free any more.
    for _ in range(min(iou.shape)):
        flat = iou.argmax()
        anchor, box = flat // len(real), flat % len(real)
        assigned[anchor] = real[box]
        iou[anchor, :] = -1
        iou[:, box] = -1
    return assigned


def my_flat_to_pair(flat_index, num_boxes):
    # Whole-number division: exact up to 2**63. `/` would go through float32, which is not above 2**24.
    return flat_index // num_boxes, flat_index % num_boxes


def my_nms(boxes, scores, iou_threshold):
    order = scores.argsort(descending=True)
    kept = []
    while len(order) > 0:
        best, order = order[0], order[1:]
        kept.append(best)
        # Only a box that is kept may suppress; what it overlaps too much leaves the queue.
        iou = box_iou(boxes[best][None], boxes[order])[0]
        order = order[iou <= iou_threshold]
    return torch.stack(kept) if kept else order


def my_nms_per_class(boxes, scores, classes, iou_threshold):
    kept = [classes.new_zeros(0)]
    for label in classes.unique():
        rows = (classes == label).nonzero()[:, 0]
        kept.append(rows[nms(boxes[rows], scores[rows], iou_threshold)])
    kept = torch.cat(kept)
    # The classes come one after the other; the result is by score.
    return kept[scores[kept].argsort(descending=True)]
