"""The bug hunt on augmentation: boxes after a crop that is resized."""

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, random_boxes, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["crop_boxes"]


def my_crop_boxes(boxes, crop, size):
    left, top, right, bottom = crop
    # first to the crop's own corner, then to the new size, and only then cut off what is outside
    moved = boxes - torch.tensor([left, top, left, top])
    scale = torch.tensor([size / (right - left), size / (bottom - top)] * 2)
    return (moved * scale).clamp(0, size)


def _cases() -> list[Case]:
    generator = torch.Generator().manual_seed(6)
    return [
        Case("a crop that is the picture, 10 x 10, in its own size", (rows((2, 3, 5, 7)), (0, 0, 10, 10), 10)),
        Case("the right half of the picture, twice as large", (rows((6, 6, 9, 8)), (5, 5, 10, 10), 10)),
        Case("a crop that is not square", (rows((3, 2, 6, 4)), (2, 1, 8, 5), 12)),
        Case("a box that hangs over the crop's left edge", (rows((1, 3, 5, 6)), (2, 2, 8, 8), 12)),
        Case("a box outside the crop has no area left", (rows((0, 0, 1, 1)), (4, 4, 8, 8), 16)),
        Case("no boxes", (rows(), (0, 0, 4, 4), 8), edge=True),
        Case("many boxes of a photograph", (random_boxes(9, generator) * 300, (40, 90, 200, 290), 96)),
    ]  # fmt: skip


def _as_in_the_hunt(boxes: Tensor, crop: tuple, size: int) -> Tensor:
    left, top, right, bottom = crop
    moved = boxes - torch.tensor([left, top, left, top])
    scale = torch.tensor([(right - left) / size, (bottom - top) / size] * 2)
    return (moved * scale).clamp(0, size)


def _scaled_first(boxes: Tensor, crop: tuple, size: int) -> Tensor:
    left, top, right, bottom = crop
    scale = torch.tensor([size / (right - left), size / (bottom - top)] * 2)
    return (boxes * scale - torch.tensor([left, top, left, top])).clamp(0, size)


def _moved(
    boxes: Tensor, crop: tuple, size: int, *, sides: tuple[int, int], order=(0, 1)
) -> Tensor:
    corner = torch.tensor([crop[order[0]], crop[order[1]]] * 2)
    scale = torch.tensor([size / (crop[a + 2] - crop[a]) for a in sides] * 2)
    return ((boxes - corner) * scale).clamp(0, size)


def _unclamped(boxes: Tensor, crop: tuple, size: int) -> Tensor:
    left, top, right, bottom = crop
    scale = torch.tensor([size / (right - left), size / (bottom - top)] * 2)
    return (boxes - torch.tensor([left, top, left, top])) * scale


crop_boxes = Exercise(
    name="crop_boxes",
    title="Bug hunt: the boxes of a crop",
    statement=(
        "The part `crop`, (left, top, right, bottom) in pixels, is cut out of a picture and resized to `size` x "
        "`size` pixels. Return the picture's boxes, (N, 4) corners in pixels, in the pixels of the new picture; what "
        "hangs over its edge is cut off."
    ),
    reference=my_crop_boxes,
    solution_function=my_crop_boxes,
    cases_function=_cases,
    mistakes=(
        Mistake("upside_down_scale",
            "The scale is upside down. A crop 5 pixels wide that becomes 10 wide makes everything in it *twice* as "
            "large: the new size over the old one.",
            _as_in_the_hunt),
        Mistake("scaled_first",
            "It looks like the boxes are scaled before they are moved. The crop's corner is given in the old "
            "picture's pixels: subtract it first.",
            _scaled_first),
        Mistake("not_moved",
            "It looks like the boxes are scaled but not moved. Where the crop begins is the new picture's 0.",
            lambda boxes, crop, size: (boxes * torch.tensor(
                [size / (crop[2] - crop[0]), size / (crop[3] - crop[1])] * 2)).clamp(0, size)),
        Mistake("not_scaled",
            "It looks like the boxes are moved but not scaled. The crop is resized, and they with it.",
            lambda boxes, crop, size: (boxes - torch.tensor([crop[0], crop[1]] * 2)).clamp(0, size)),
        Mistake("one_scale",
            "It looks like one scale for both directions. The crop need not be square, the new picture is.",
            lambda boxes, crop, size: _moved(boxes, crop, size, sides=(0, 0))),
        Mistake("left_and_top_exchanged",
            "It looks like left and top are exchanged: x is measured from the left, y from the top.",
            lambda boxes, crop, size: _moved(boxes, crop, size, sides=(0, 1), order=(1, 0))),
        Mistake("not_clamped",
            "It looks right, but some boxes leave the new picture. `clamp` them to 0 and `size`.",
            _unclamped),
    ),
    hints=(
        "Take a crop from 5 to 10 that becomes 10 pixels wide. Where does a point at 5 go, where one at 10, where "
        "one at 6?",
        "Print the scale for that crop. Should things grow or shrink?",
        "`torch.tensor([size / (right - left), size / (bottom - top)] * 2)`.",
    ),
)  # fmt: skip
