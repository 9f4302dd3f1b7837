"""The exercise on matching anchors with boxes: who predicts whom."""

import torch
from torch import Tensor

from d2lhelpers.anchors import assign_anchor_to_bbox
from d2lhelpers.boxes import pairwise_iou
from d2lhelpers.check import anchor_pictures as drawn
from d2lhelpers.check import solutions
from d2lhelpers.check.cases import Case, Mistake, random_boxes, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["assign_labels"]


def _assign_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(8)
    labels = lambda *values: rows(*values, columns=5)  # noqa: E731
    padding, far, below = (-1, 0, 0, 0, 0), (4, 1, 6, 3), (0, 4, 2, 6)
    cases = [
        Case("one box, an anchor on it and one far away", (labels((3, 0, 0, 2, 2)), rows((0, 0, 2, 2), far))),
        Case("two boxes and their anchors, the other way round",
             (labels((1, 0, 0, 2, 2), (4, *far)), rows(far, (0, 0, 2, 2), below))),
        Case("two anchors fit one box, the second with an IoU of exactly 0.5",
             (labels((2, 0, 0, 2, 2)), rows((0, 0, 2, 2), (0, 0, 2, 1), far))),
        Case("no anchor reaches 0.5, the best has an IoU of 1/7",
             (labels((2, 0, 0, 2, 2)), rows(far, (1, 1, 3, 3), below))),
        Case("one box and one row of padding", (labels((1, 0, 0, 2, 2), padding), rows((0, 0, 2, 2), far))),
        Case("two boxes whose best anchor is the same one",
             (labels((3, 0, 0, 4, 4), (5, 2, 0, 6, 4)), rows((0, 0, 5, 4), (5, 0, 9, 4)))),
        Case("two boxes whose best anchor is the same one, the one that fits it worse first",
             (labels((5, 2, 0, 6, 4), (3, 0, 0, 4, 4)), rows((0, 0, 5, 4), (5, 0, 9, 4)))),
        Case("the only good anchor of the small box is good for the large one too",
             (labels((2, 0, 0, 2, 2), (3, 0, 0, 4, 4)), rows((0, 0, 4, 3), (0, 0, 4, 4)))),
        Case("padding before the box",
             (labels(padding, (1, 0, 0, 2, 2)), rows((0, 0, 2, 2), far)), edge=True),
        Case("padding only", (labels(padding, padding), rows((0, 0, 2, 2), far)), edge=True),
        Case("no boxes at all", (labels(), rows((0, 0, 2, 2), far)), edge=True),
    ]  # fmt: skip
    for num_boxes, num_padding, num_anchors, dtype in (
        (2, 0, 12, torch.float32), (4, 2, 40, torch.float32), (5, 3, 60, torch.float64)
    ):  # fmt: skip
        real = random_boxes(num_boxes, generator, 0.6, dtype)
        classes = torch.randint(6, 20, (num_boxes, 1), generator=generator).to(dtype)
        padded = torch.cat(
            (torch.cat((classes, real), 1), -torch.ones(num_padding, 5, dtype=dtype))
        )
        anchors = random_boxes(num_anchors - 3, generator, 0.6, dtype)
        # some that surely fit
        near = real[:1] + 0.03 * torch.randn(3, 4, generator=generator, dtype=dtype)
        note = f"{num_boxes} random boxes, {num_padding} rows of padding, {num_anchors} anchors"
        cases.append(Case(note, (padded, torch.cat((near, anchors)))))
    return cases


def _assign(
    labels: Tensor, anchors: Tensor, padding: bool = False, first: bool = True, second: bool = True,
    inclusive: bool = True, by_row: bool = False, discard: bool = True, first_last: bool = False,
) -> Tensor:  # fmt: skip
    """Both passes in the plainest way, with a switch for each mistake; what is not switched is right."""
    row = torch.arange(len(labels)) if padding else (labels[:, 0] >= 0).nonzero()[:, 0]
    assigned = torch.full((len(anchors),), -1)
    table = pairwise_iou(anchors, labels[row, 1:])  # [A, R]
    if table.numel() == 0:
        return assigned
    best, box = table.max(dim=1)
    fits = best >= 0.5 if inclusive else best > 0.5
    if first and not first_last:
        assigned[fits] = row[box[fits]]
    for i in range(min(table.shape) if discard else len(row)) if second else ():
        if by_row or not discard:
            anchor, best_row = table[:, i].argmax(), i
        else:
            flat = int(table.argmax())
            anchor, best_row = flat // len(row), flat % len(row)
        assigned[anchor] = row[best_row]
        if discard:
            table[anchor], table[:, best_row] = -1, -1
    if first_last:
        assigned[fits] = row[box[fits]]
    return assigned


def _wrong_axis(labels: Tensor, anchors: Tensor) -> Tensor:
    real = labels[labels[:, 0] >= 0, 1:]
    if len(real) == 0:
        return torch.full((len(anchors),), -1)
    best, index = pairwise_iou(anchors, real).max(dim=0)  # over the anchors: one for each box
    return torch.where(best >= 0.5, index, -1)


def _filtered_index(labels: Tensor, anchors: Tensor) -> Tensor:
    return _assign(labels[labels[:, 0] >= 0], anchors)


def _class_number(labels: Tensor, anchors: Tensor) -> Tensor:
    assigned = _assign(labels, anchors)
    if len(labels) == 0:
        return assigned
    return torch.where(assigned >= 0, labels[assigned.clamp(min=0), 0].long(), -1)


def _assign_reference(labels: Tensor, anchors: Tensor) -> Tensor:
    row = (labels[:, 0] >= 0).nonzero()[:, 0]
    assigned = assign_anchor_to_bbox(labels[row, 1:], anchors)
    # -1 is looked up in the last place.
    return torch.cat((row, torch.tensor([-1])))[assigned]


assign_labels = Exercise(
    name="assign_labels",
    title="Which anchor is to predict which box",
    statement=(
        "`labels` is (G, 5), rows (class, x1, y1, x2, y2); a row of class -1 is padding and counts for "
        "nothing. `anchors` is (A, 4) corners. Return (A,) int64: for each anchor the row of `labels` that "
        "it is to predict, or -1. First pass: an anchor takes the box that it overlaps most, if their IoU is "
        "at least 0.5. Second pass: of all pairs, the one with the largest IoU is taken, whatever came out "
        "of the first pass; its anchor and its box leave the game, and so on, until no box or no anchor is "
        "left. G may be 0."
    ),
    reference=_assign_reference,
    solution_function=solutions.my_assign_labels,
    needs="import torch\n\nfrom d2lhelpers import box_iou",
    cases_function=_assign_cases,
    draw=drawn.draw_assignment,
    mistakes=(
        Mistake("padding_grabs",
            "It looks like rows of padding take anchors. In the second pass every row gets one, and a "
            "padding row, which overlaps nothing, gets any that is left. Such an anchor would be trained to "
            "predict a box that is not there. Drop the rows of class -1 before anything else. (d2l has this "
            "bug.)",
            lambda labels, anchors: _assign(labels, anchors, padding=True)),
        Mistake("no_second_pass",
            "It looks like the second pass is missing. A box that no anchor overlaps by 0.5 is then never "
            "learned: each box must get its best anchor, however poor.",
            lambda labels, anchors: _assign(labels, anchors, second=False)),
        Mistake("no_first_pass",
            "It looks like the first pass is missing: each box has one anchor and no more. All anchors "
            "whose IoU is at least 0.5 are to predict the box; the others would be trained to call it "
            "background.",
            lambda labels, anchors: _assign(labels, anchors, first=False)),
        Mistake("wrong_axis",
            "It looks like the maximum is taken over the wrong axis: the best anchor of each box, where the "
            "best box of each anchor is wanted. In a table with one row for each anchor that is "
            "`max(dim=1)`.",
            _wrong_axis),
        Mistake("no_discard",
            "It looks like two boxes can take the same anchor in the second pass; the later one wins, and "
            "the first is left without. An anchor that has been taken must leave the table.",
            lambda labels, anchors: _assign(labels, anchors, discard=False)),
        Mistake("row_order",
            "It looks like the second pass serves the boxes in the order of their rows. The pair with the "
            "largest IoU comes first, or a box takes an anchor away from another that fits it better.",
            lambda labels, anchors: _assign(labels, anchors, by_row=True)),
        Mistake("first_pass_wins",
            "It looks like the first pass overrules the second. An anchor that a box took in the second "
            "pass stays with it, even where it overlaps another box more: it is all that the box has.",
            lambda labels, anchors: _assign(labels, anchors, first_last=True)),
        Mistake("threshold_exclusive",
            "It looks like the IoU must be above 0.5. At least 0.5 is asked for: `>=`.",
            lambda labels, anchors: _assign(labels, anchors, inclusive=False)),
        Mistake("class_number",
            "It looks like the class of the box. Wanted is its row in `labels`; two boxes of one class have "
            "different offsets.",
            _class_number),
        Mistake("filtered_index",
            "It looks like rows are counted after the padding was dropped. Wanted is the row in `labels` as "
            "given.",
            _filtered_index),
    ),
    hints=(
        "Make the table of IoUs on paper for two boxes and three anchors. Who looks for the best in a row, "
        "and who in a column? What becomes of a box whose column holds nothing above 0.5?",
        "Drop padding first and keep the rows' numbers. Pass one is one `max` over the boxes and a "
        "comparison. Pass two is a loop: find the largest entry of the whole table, write it down, fill its "
        "row and its column with -1.",
        "`real = (labels[:, 0] >= 0).nonzero()[:, 0]`; `iou = box_iou(anchors, labels[real, 1:])`; `best, "
        "box = iou.max(dim=1)`; where `best >= 0.5`, `assigned` is `real[box]`. Then `min(iou.shape)` "
        "times: `flat = iou.argmax()`, anchor `flat // len(real)`, box `flat % len(real)`, and both filled "
        "with -1 in `iou`.",
    ),
)  # fmt: skip
