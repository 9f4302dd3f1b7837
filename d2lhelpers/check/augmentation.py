"""The exercises on augmentation: boxes that follow a mirrored picture, and contrast."""

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, floats, random_boxes, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["adjust_contrast", "flip_boxes"]

GREY = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)  # how bright red, green and blue look


def my_flip_boxes(boxes, width):
    x1, y1, x2, y2 = boxes.unbind(dim=1)
    # the right edge becomes the left one
    return torch.stack((width - x2, y1, width - x1, y2), dim=1)


def _flip_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(3)
    return [
        Case("one box at the left edge of a picture 10 wide", (rows((0, 2, 3, 5)), 10)),
        Case("a box in the middle", (rows((4, 1, 6, 8)), 10)),
        Case("two boxes", (rows((1, 0, 4, 2), (5, 3, 9, 9)), 12)),
        Case("no boxes", (rows(), 10), edge=True),
        Case("boxes in fractions of the picture", (random_boxes(6, generator), 1)),
        Case("boxes on a wide picture", (random_boxes(9, generator) * 300, 451)),
    ]


def _flip_mistake(order: tuple[int, int], offset: int = 0):
    def function(boxes: Tensor, width: float) -> Tensor:
        columns = list(boxes.unbind(dim=1))
        first, second = (width + offset - columns[k] for k in order)
        return torch.stack((first, columns[1], second, columns[3]), dim=1)

    return function


flip_boxes = Exercise(
    name="flip_boxes",
    title="The boxes of a mirrored picture",
    statement=(
        "A picture `width` wide is mirrored, left and right. Return its boxes, (N, 4) corners `(x1, y1, x2, y2)`, "
        "where they are now, again with x1 <= x2. The edges of the picture are at x = 0 and x = `width`."
    ),
    reference=my_flip_boxes,
    solution_function=my_flip_boxes,
    cases_function=_flip_cases,
    mistakes=(
        Mistake("not_exchanged",
            "It looks like x1 and x2 are mirrored but not exchanged. What was the right edge is the left one "
            "now; as it stands x1 > x2, and the box has a negative width.",
            _flip_mistake((0, 2))),
        Mistake("minus_one",
            "It looks like `width - 1 - x`. That mirrors pixels, which are counted 0 to width - 1. A box is given by "
            "its edges, which lie between pixels, from 0 to width.",
            _flip_mistake((2, 0), offset=-1)),
        Mistake("upside_down",
            "It looks like y was mirrored. Left and right is x: the first and the third number.",
            lambda boxes, width: torch.stack(
                (boxes[:, 0], width - boxes[:, 3], boxes[:, 2], width - boxes[:, 1]), dim=1)),
        Mistake("unchanged",
            "The boxes have not moved. The picture was mirrored, its labels were not: a training on them learns "
            "to look at the wrong side.",
            lambda boxes, width: boxes.clone()),
        Mistake("shifted_not_mirrored",
            "It looks like only one of the two edges was computed and the box's width added on the wrong side. "
            "Mirror both edges, then put the smaller one first.",
            lambda boxes, width: torch.stack(
                (width - boxes[:, 0], boxes[:, 1], width - boxes[:, 0] + boxes[:, 2] - boxes[:, 0], boxes[:, 3]),
                dim=1)),
    ),
    hints=(
        "A box reaches from x = 0 to x = 3 in a picture 10 wide. Draw it, mirror the paper: from where to where "
        "does it reach?",
        "A point at x goes to width - x. Which of the two edges lies further left afterwards?",
        "`torch.stack((width - x2, y1, width - x1, y2), dim=1)` with `x1, y1, x2, y2 = boxes.unbind(dim=1)`.",
    ),
)  # fmt: skip


def my_adjust_contrast(image, factor):
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    mean = (weights * image).sum(dim=0).mean()
    # between the picture and one even grey, or beyond the picture
    return (factor * image + (1 - factor) * mean).clamp(0, 1)


def _contrast_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(4)
    ramp = (
        torch.linspace(0.2, 0.8, 4, dtype=torch.float32).view(1, 1, 4).expand(3, 2, 4).contiguous()
    )
    colourful = torch.rand(3, 5, 7, generator=generator, dtype=torch.float32)
    reddish = colourful * floats(1, 0.5, 0.2).view(3, 1, 1)
    return [
        Case("a grey ramp, factor 0.5", (ramp, 0.5)),
        Case("a grey ramp, factor 1: nothing changes", (ramp, 1.0)),
        Case("a reddish picture, factor 0: one even grey", (reddish, 0.0)),
        Case("a colourful picture, factor 0.3", (colourful, 0.3)),
        Case("a colourful picture, factor 1.4", (colourful, 1.4)),
        Case("factor 3, beyond black and white", (colourful, 3.0)),
    ]  # fmt: skip


def _towards(mean_of, clamp: bool = True, swapped: bool = False):
    def function(image: Tensor, factor: float) -> Tensor:
        share = 1 - factor if swapped else factor
        mixed = share * image + (1 - share) * mean_of(image)
        return mixed.clamp(0, 1) if clamp else mixed

    return function


def _mean_grey(image: Tensor) -> Tensor:
    return (GREY * image).sum(dim=0).mean()


adjust_contrast = Exercise(
    name="adjust_contrast",
    title="More or less contrast",
    statement=(
        "`image` is (3, height, width), float in [0, 1]. Return it with its contrast changed by `factor`: mix it, "
        "`factor` to `1 - factor`, with one even grey, the mean over the picture of "
        "0.299 red + 0.587 green + 0.114 blue. What leaves [0, 1] is clamped."
    ),
    reference=my_adjust_contrast,
    solution_function=my_adjust_contrast,
    cases_function=_contrast_cases,
    mistakes=(
        Mistake("brightness",
            "It looks like `factor * image`. That mixes with black, and is brightness. Contrast mixes with the "
            "picture's mean grey.",
            lambda image, factor: (factor * image).clamp(0, 1)),
        Mistake("saturation",
            "It looks like each pixel is mixed with its own grey. That is saturation. Contrast has one grey for the "
            "whole picture: its mean.",
            _towards(lambda image: (GREY * image).sum(dim=0, keepdim=True))),
        Mistake("each_channel",
            "It looks like each channel is mixed with its own mean. A reddish picture then stays reddish at factor "
            "0; it should become grey. Take the mean of the grey picture.",
            _towards(lambda image: image.mean(dim=(1, 2), keepdim=True))),
        Mistake("plain_mean",
            "It looks like the plain mean of all numbers. The eye sees green brighter than blue: weigh the channels "
            "by 0.299, 0.587 and 0.114.",
            _towards(lambda image: image.mean())),
        Mistake("middle_grey",
            "It looks like 0.5 in place of the picture's own mean. A dark picture would become brighter, and "
            "that is not contrast.",
            _towards(lambda image: torch.tensor(0.5))),
        Mistake("swapped",
            "It looks like `factor` and `1 - factor` are exchanged: at factor 1 nothing should change.",
            _towards(_mean_grey, swapped=True)),
        Mistake("not_clamped",
            "It looks right, but some numbers leave [0, 1]: there is nothing blacker than black. `clamp` them.",
            _towards(_mean_grey, clamp=False)),
    ),
    hints=(
        "What should the picture look like at factor 0, and at factor 1?",
        "First a grey picture, then its mean: one number. Then the mixture, then the clamp.",
        "`mean = (weights * image).sum(dim=0).mean()` with the weights in shape (3, 1, 1), then "
        "`factor * image + (1 - factor) * mean`.",
    ),
)  # fmt: skip
