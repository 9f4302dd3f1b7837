"""Pictures of failing cases with anchor boxes."""

from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from d2lhelpers import plot
from d2lhelpers.anchors import offset_inverse
from d2lhelpers.check import pictures
from d2lhelpers.check.compare import corners, number
from d2lhelpers.check.pictures import ONE, QUIET, RIGHT, WRONG, Mark, Panel

# Of rows and classes, by their number.
COLOURS = (plot.BLUE, plot.ORANGE, plot.PURPLE, plot.SKY, plot.YELLOW)
MANY_ANCHORS = 6  # more than that and only those that matter are drawn

Drawing = tuple[Figure, str] | None


def _anchor_and_box(
    anchor: Sequence[float], box: Sequence[float], yours: Sequence[float] | None, label: str
) -> Panel:
    """The anchor, the box it should lead to, and the box that the learner's answer leads to."""
    centre = [((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) for b in (anchor, box)]
    marks = [Mark(anchor, "anchor", ONE, fill=0.1, band=True), Mark(box, "box", RIGHT)]
    caption = "to scale; arrow: from centre to centre" if centre[0] != centre[1] else "to scale"
    if yours is not None and pictures.within(yours, (anchor, box)):
        marks.append(Mark(yours, label, WRONG, dashed=True))
    elif yours is not None:
        caption = (
            f"{label}: too far away to draw" if pictures.finite(yours) else f"{label}: not finite"
        )
    return Panel(marks, caption=caption, arrow=tuple(centre) if centre[0] != centre[1] else None)


def draw_offsets(arguments: tuple, expected: Tensor, value: Any, index: tuple | None) -> Drawing:
    if len(expected) == 0:
        return None
    row = index[0] if index else 0
    anchors, boxes = arguments
    yours, lines = None, [f"expected {corners(expected[row])}"]
    if index:
        yours = offset_inverse(anchors[row], value[row].to(anchors.dtype)).tolist()
        lines.append(f"yours {corners(value[row])}")
    panel = _anchor_and_box(
        anchors[row].tolist(), boxes[row].tolist(), yours, "where your offsets lead"
    )
    alt = (
        f"Drawn to scale: the anchor {corners(anchors[row])} and its box {corners(boxes[row])}. Offsets "
        f"{', '.join(lines)}" + (f", which decode to the box {corners(yours)}." if yours else ".")
    )
    return pictures.draw([Panel(panel.marks, "\n".join(lines), panel.caption, panel.arrow)]), alt


def draw_decoded(arguments: tuple, expected: Tensor, value: Any, index: tuple | None) -> Drawing:
    if len(expected) == 0:
        return None
    row = index[0] if index else 0
    anchors, offsets = arguments
    yours = value[row].tolist() if index else None
    panel = _anchor_and_box(anchors[row].tolist(), expected[row].tolist(), yours, "yours")
    alt = (
        f"Drawn to scale: the anchor {corners(anchors[row])} and the box {corners(expected[row])} that the "
        f"offsets {corners(offsets[row])} stand for"
        + (f"; yours is {corners(yours)}." if yours else ".")
    )
    return pictures.draw(
        [Panel(panel.marks, f"offsets {corners(offsets[row])}", panel.caption, panel.arrow)]
    ), alt


def draw_anchor_size(arguments: tuple, expected: tuple, value: Any, index: tuple | None) -> Drawing:
    height, width, size, ratio = arguments
    frame = (0, 0, width, height)
    sizes = [(expected[0] * width, expected[1] * height)]
    if index:
        sizes.append((float(value[0]) * width, float(value[1]) * height))
    boxes = [
        (width / 2 - w / 2, height / 2 - h / 2, width / 2 + w / 2, height / 2 + h / 2)
        for w, h in sizes
    ]
    marks, caption = (
        [Mark(boxes[0], f"{sizes[0][0]:.0f} by {sizes[0][1]:.0f}", RIGHT, fill=0.15)],
        "pixels; thin line: the picture",
    )
    if index and pictures.within(boxes[1], [frame], times=1):
        marks.append(
            Mark(boxes[1], f"yours: {sizes[1][0]:.0f} by {sizes[1][1]:.0f}", WRONG, dashed=True)
        )
    elif index:
        caption = (
            f"pixels; yours, {number(sizes[1][0])} by {number(sizes[1][1])}, is too large to draw"
        )
    title = f"size {number(size)}, ratio {number(ratio)}"
    alt = (
        f"A picture {width} pixels wide and {height} high, and in its middle the anchor of {title}: "
        f"{sizes[0][0]:.0f} by {sizes[0][1]:.0f} pixels"
        + (f"; yours is {number(sizes[1][0])} by {number(sizes[1][1])}." if index else ".")
    )
    return pictures.draw([Panel(marks, title, caption)], frame), alt


def draw_assignment(arguments: tuple, expected: Tensor, value: Any, index: tuple | None) -> Drawing:
    labels, anchors = arguments
    shown = range(len(anchors)) if len(anchors) <= MANY_ANCHORS else [index[0] if index else 0]
    answers = [("expected", expected)] + ([("yours", value)] if index else [])
    real = (labels[:, 0] >= 0).nonzero()[:, 0].tolist()
    panels = []
    for name, answer in answers:
        marks = [
            Mark(
                labels[row, 1:].tolist(),
                f"row {row}",
                COLOURS[row % len(COLOURS)],
                fill=0.3,
                thin=True,
            )
            for row in real
        ]
        for i in shown:
            row = int(answer[i])
            colour = COLOURS[row % len(COLOURS)] if row >= 0 else QUIET
            marks.append(Mark(anchors[i].tolist(), f"anchor {i} → {row}", colour, dashed=True))
        title = (
            f"{name}: {answer.tolist()}"
            if len(anchors) <= MANY_ANCHORS
            else f"{name}: anchor {shown[0]} → {row}"
        )
        panels.append(Panel(marks, title, "filled: boxes; dashed: anchors"))
    alt = (
        f"Drawn to scale: the boxes of {len(real)} rows, filled, and {len(shown)} anchors, dashed, each in the "
        "colour of the row that it is given, grey for none. "
        + "; ".join(panel.title for panel in panels)
        + "."
    )
    return pictures.draw(panels), alt


def _kept(expected: Tensor, value: Any, num: int) -> list[tuple[str, list[int]]]:
    """The answers that can be drawn: the right one, and the learner's where it is rows of the input."""
    answers = [("expected", expected.tolist())]
    whole = (
        isinstance(value, Tensor) and value.ndim == 1 and value.dtype in (torch.int64, torch.int32)
    )
    if whole and all(0 <= row < num for row in value.tolist()):
        answers.append(("yours", value.tolist()))
    return answers


def draw_suppression(
    arguments: tuple, expected: Tensor, value: Any, index: tuple | None
) -> Drawing:
    """For `nms` and `nms_per_class`: what is kept filled, what is dropped grey and dashed."""
    boxes, scores, *rest = arguments
    classes = rest[0].tolist() if len(rest) > 1 else [0] * len(boxes)
    if len(boxes) == 0:
        return None
    answers = _kept(expected, value, len(boxes))
    disputed = set(answers[0][1]) ^ set(answers[-1][1])
    panels = []
    for name, kept in answers:
        marks = []
        for i, box in enumerate(boxes.tolist()):
            label = f"{i}: {scores[i]:.2g}" + (f", class {classes[i]}" if len(rest) > 1 else "")
            colour = COLOURS[int(classes[i]) % len(COLOURS)]
            if len(boxes) > MANY_ANCHORS and i not in disputed:
                label = ""
            marks.append(
                Mark(box, label, colour, fill=0.25)
                if i in kept
                else Mark(box, label, QUIET, dashed=True)
            )
        marks.sort(key=lambda mark: mark.fill)  # what is kept lies on top
        order = str(kept) if len(kept) <= MANY_ANCHORS else f"{len(kept)} boxes"
        panels.append(
            Panel(marks, f"{name}: {order}", f"row: score; IoU threshold {number(float(rest[-1]))}")
        )
    alt = (
        f"{len(boxes)} boxes with their scores, drawn to scale; those kept are filled, those dropped are grey "
        "and dashed. "
        + "; ".join(f"{name} keeps {kept}" for name, kept in answers) + "."
    )  # fmt: skip
    return pictures.draw(panels), alt
