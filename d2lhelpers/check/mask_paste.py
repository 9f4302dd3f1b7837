"""The bug hunt on pasting a region's mask into the picture."""

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["paste_cells"]


def my_paste_cells(mask, box, height, width):
    x1, y1, x2, y2 = box
    side = len(mask)
    # a pixel is where its middle is
    columns = ((torch.arange(width) + 0.5 - x1) / (x2 - x1) * side).floor().long()
    lines = ((torch.arange(height) + 0.5 - y1) / (y2 - y1) * side).floor().long()
    inside = ((lines >= 0) & (lines < side))[:, None] & (columns >= 0) & (columns < side)
    return mask[lines.clamp(0, side - 1)][:, columns.clamp(0, side - 1)] * inside


def _pasted(
    mask: Tensor, box: Tensor, height: int, width: int, *, middle: float = 0.5, clipped: bool = False,
    rounded: bool = False, bounded: bool = True, exchanged: bool = False,
) -> Tensor:  # fmt: skip
    x1, y1, x2, y2 = box.tolist()
    if clipped:
        x1, y1, x2, y2 = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
    side = len(mask)

    def cells(length: int, low: float, high: float) -> Tensor:
        place = (torch.arange(length) + middle - low) / (high - low) * side
        return (place.round() if rounded else place.floor()).long()

    columns, lines = cells(width, x1, x2), cells(height, y1, y2)
    inside = ((lines >= 0) & (lines < side))[:, None] & (columns >= 0) & (columns < side)
    if exchanged:
        mask = mask.T
    found = mask[lines.clamp(0, side - 1)][:, columns.clamp(0, side - 1)]
    return found * inside if bounded else found


def _filled(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    return _pasted(torch.ones_like(mask), box, height, width)


def _cases() -> list[Case]:
    generator = torch.Generator().manual_seed(54)

    def drawn(*lines: str) -> Tensor:
        marks = [[mark == "#" for mark in line] for line in lines]
        return torch.tensor(marks, dtype=torch.float32)

    def case(note: str, mask: Tensor, box: tuple, height: int, width: int) -> Case:
        return Case(note, (mask, rows(box)[0], height, width))

    corner = drawn("#.", "##")
    cases = [
        case("a box that is the whole picture, a pixel for each cell", corner, (0, 0, 2, 2), 2, 2),
        case("a box of 2 x 2 pixels inside", corner, (1, 1, 3, 3), 4, 5),
        case("each cell two pixels wide and one high", drawn("#.", ".#"), (1, 1, 5, 3), 4, 6),
        case("the upper right cell alone", drawn(".#", ".."), (0, 1, 4, 5), 5, 6),
        case("a box beyond the left edge", drawn(".#", ".#"), (-4, 0, 4, 2), 2, 6),
        case("a box beyond the lower right corner", drawn("#.", "##"), (3, 2, 7, 6), 4, 5),
        case("a box that begins at 0.75", drawn("##", "##"), (0.75, 0.75, 3.25, 3.25), 4, 4),
        case("a box whose cells are 1.3 pixels wide", drawn("#.#", ".#.", "##."), (0.7, 1.3, 4.6, 5.4), 6, 6),
        case("a box outside the picture", drawn("##", "##"), (7, 7, 9, 9), 4, 4),
    ]  # fmt: skip
    larger = (4, (2.3, -1.4, 11.7, 7.7), 8, 10), (7, (-3.2, 1.7, 9.6, 14.1), 12, 9)
    for side, box, height, width in larger:
        mask = (torch.rand(side, side, generator=generator) < 0.5).to(torch.float32)
        cases.append(case(f"a random mask of {side} x {side} cells", mask, box, height, width))
    return cases


paste_cells = Exercise(
    name="paste_cells",
    title="Bug hunt: the mask at the picture's edge",
    statement=(
        "`mask` is (side, side) float32, over `box`, (4,) corners in pixels, which has an area and may reach beyond "
        "the picture. Return (height, width) float32: for each pixel whose middle lies in the box, the value of the "
        "mask's cell that holds the middle; 0 for all others. Pixel (0, 0) has its middle at (0.5, 0.5)."
    ),
    reference=my_paste_cells,
    solution_function=my_paste_cells,
    cases_function=_cases,
    mistakes=(
        Mistake("as_it_was",
            "The box is still cut off at the picture's edge before the mask is laid over it, and a pixel's place is "
            "still its corner. The mask belongs to the whole box.",
            lambda *arguments: _pasted(*arguments, clipped=True, middle=0)),
        Mistake("squeezed",
            "It looks like the box is still cut off at the picture's edge first: the whole mask is then squeezed into "
            "the visible part. Work out each pixel's cell from the box as it is; pixels outside the picture are simply "
            "not there.",
            lambda *arguments: _pasted(*arguments, clipped=True)),
        Mistake("corner_of_the_pixel",
            "It looks like a pixel's place is its corner. It is its middle: x + 0.5. A box from 0.75 on has pixel 1, "
            "whose middle is at 1.5, but not pixel 0, whose middle is at 0.5.",
            lambda *arguments: _pasted(*arguments, middle=0)),
        Mistake("rounded",
            "It looks like the place in the mask is rounded to the nearest whole number. Cell 0 holds everything from "
            "0 to 1: round down.",
            lambda *arguments: _pasted(*arguments, rounded=True)),
        Mistake("smeared",
            "It looks like pixels outside the box get the value of the mask's nearest edge cell. They are not the "
            "object's: 0.",
            lambda *arguments: _pasted(*arguments, bounded=False)),
        Mistake("exchanged",
            "It looks like the mask's rows and columns are exchanged. x runs along a row of the mask and counts its "
            "columns.",
            lambda *arguments: _pasted(*arguments, exchanged=True)),
        Mistake("filled",
            "It looks like the whole box is filled. Which part of it is the object's is what the mask says.",
            _filled),
    ),
    hints=(
        "A mask of two columns over a box from -4 to 4. Over which pixels does its right column lie? And what do you "
        "get?",
        "Do not touch the box. For each pixel's middle, work out how far across the box it is, times the mask's side, "
        "rounded down. What comes out below 0, or at the side or above it, is outside.",
        "`columns = ((torch.arange(width) + 0.5 - x1) / (x2 - x1) * side).floor().long()`, and the same for the rows.",
    ),
)  # fmt: skip
