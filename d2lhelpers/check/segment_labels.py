"""Bug hunts on the labels of pixels: void taken for background, labels scaled as if they were light, two draws."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from d2lhelpers.check.cases import Case, Mistake
from d2lhelpers.check.engine import Exercise
from d2lhelpers.check.segment_scores import whole

__all__ = ["colours_to_classes", "crop_pair", "resize_labels"]

VOID = 255
VOID_COLOUR = (224, 224, 192)
PALETTE = ((0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128))


def my_colours_to_classes(colours, palette):
    # (classes, height, width): is this pixel's colour that of this class, in all three channels?
    same = (colours == palette[:, :, None, None]).all(dim=1)
    return torch.where(same.any(dim=0), same.int().argmax(dim=0), 255)


def my_resize_labels(labels, height, width):
    old_height, old_width = labels.shape
    # the old pixel that holds the middle of the new one
    rows = ((torch.arange(height) + 0.5) * old_height / height).long()
    columns = ((torch.arange(width) + 0.5) * old_width / width).long()
    return labels[rows][:, columns]


def my_crop_pair(image, labels, height, width, place):
    top = int(place[0] * (labels.shape[0] - height + 1))
    left = int(place[1] * (labels.shape[1] - width + 1))
    rows, columns = slice(top, top + height), slice(left, left + width)
    return image[:, rows, columns], labels[rows, columns]


def _painted(labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """A label picture, (3, height, width) int64, and its palette, (classes, 3) int64."""
    palette = whole(*PALETTE[:num_classes])
    table = whole(*[VOID_COLOUR] * 256)
    table[:num_classes] = palette
    return table[labels].movedim(-1, 0).contiguous(), palette


def _colour_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(24)
    many = torch.randint(0, 6, (11, 7), generator=generator)
    many[::3, ::2] = VOID
    return [
        Case("background and class 1", _painted(whole((0, 1)), 2)),
        Case("colours that differ in one channel only", _painted(whole((1, 3), (2, 0)), 4)),
        Case("red is not blue", _painted(whole((1, 4)), 5)),
        Case("a void pixel between class 2 and background", _painted(whole((2, VOID, 0)), 3)),
        Case("six classes with void between them", _painted(many, 6)),
    ]


def _same(colours: Tensor, palette: Tensor) -> Tensor:
    return colours == palette[:, :, None, None]


def _class_or(same: Tensor, otherwise: int) -> Tensor:
    return torch.where(same.any(dim=0), same.int().argmax(dim=0), otherwise)


colours_to_classes = Exercise(
    name="colours_to_classes",
    title="Bug hunt: void is not background",
    statement=(
        "`colours` is a label picture, (3, height, width) int64, `palette` the classes' colours, (C, 3) int64. Return "
        "the classes, (height, width) int64. A pixel whose colour is not in the palette is void, 255."
    ),
    reference=my_colours_to_classes,
    solution_function=my_colours_to_classes,
    cases_function=_colour_cases,
    mistakes=(
        Mistake("void_is_background",
            "Void pixels come out as 0, background, as in d2l: a table that was filled with zeros, or an `argmax` over "
            "nothing but zeros, answers 0 where it has no answer.",
            lambda colours, palette: _class_or(_same(colours, palette).all(dim=1), 0)),
        Mistake("void_is_a_class",
            "Void pixels come out as one class more, the number of classes. It must be 255: that is what losses and "
            "measures are told to leave out.",
            lambda colours, palette: _class_or(_same(colours, palette).all(dim=1), len(palette))),
        Mistake("any_channel",
            "It looks like one channel that agrees is enough. A colour is the same if all three are.",
            lambda colours, palette: _class_or(_same(colours, palette).any(dim=1), VOID)),
        Mistake("red_alone",
            "It looks like only the red channel is compared. Classes 0, 2 and 4 of the palette have no red at all.",
            lambda colours, palette: _class_or(_same(colours, palette)[:, 0], VOID)),
        Mistake("blue_first",
            "It looks like red and blue have changed places: the channels are in the order red, green, blue.",
            lambda colours, palette: _class_or(_same(colours.flip(0), palette).all(dim=1), VOID)),
    ),
    hints=(
        "What does your function answer where no class has the pixel's colour?",
        "Compare with all classes at once, (C, height, width). `any` over the classes says where there is an answer.",
        "`torch.where(same.any(dim=0), same.int().argmax(dim=0), 255)`.",
    ),
)  # fmt: skip


def _resize_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(25)
    coarse = torch.randint(0, 6, (5, 7), generator=generator)
    many = coarse.repeat_interleave(3, 0).repeat_interleave(3, 1)
    many[4:6] = VOID
    return [
        Case("classes 1 and 3, twice as wide", (whole((1, 3)), 1, 4)),
        Case("three times as high and twice as wide", (whole((0, 5), (2, 2)), 6, 4)),
        Case("a third of the width", (whole((0, 4, 0, 2, 2, 1)), 1, 2)),
        Case("an object beside void, larger", (whole((0, VOID, 7), (0, VOID, 7)), 4, 9)),
        Case("5 x 7 pixels, smaller", (coarse, 3, 4)),
        Case("15 x 21 pixels, smaller", (many, 11, 8)),
    ]


def _interpolated(labels: Tensor, height: int, width: int, mode: str) -> Tensor:
    return interpolate(labels[None, None].double(), (height, width), mode=mode)[0, 0]


resize_labels = Exercise(
    name="resize_labels",
    title="Bug hunt: a class between two others",
    statement=(
        "Scale `labels`, (h, w) int64, to (`height`, `width`): each new pixel gets the class of the old pixel in which "
        "its middle lies."
    ),
    reference=my_resize_labels,
    solution_function=my_resize_labels,
    cases_function=_resize_cases,
    mistakes=(
        Mistake("interpolated_and_rounded",
            "Labels are interpolated and rounded. Between class 1 and class 3 there is no class 2: numbers of classes "
            "are names, not amounts. Take one of the old pixels.",
            lambda labels, height, width: _interpolated(labels, height, width, "bilinear").round().long()),
        Mistake("interpolated_and_cut",
            "Labels are interpolated, and what is behind the point cut off. Numbers of classes are names, not amounts: "
            "take one of the old pixels.",
            lambda labels, height, width: _interpolated(labels, height, width, "bilinear").long()),
        Mistake("corner_of_the_pixel",
            "You take the old pixel in which the new one's top-left *corner* lies, as `interpolate` does with "
            '`mode="nearest"`. That moves the labels against the picture, which is scaled by middles. PyTorch calls '
            'the right way "nearest-exact".',
            lambda labels, height, width: _interpolated(labels, height, width, "nearest").long()),
        Mistake("exchanged",
            "Height and width have changed places: rows are counted by the height, and come first.",
            lambda labels, height, width: my_resize_labels(labels, width, height)),
        Mistake("repeated",
            "It looks like the labels are laid side by side as tiles, and not scaled.",
            lambda labels, height, width: labels.repeat(
                -(-height // labels.shape[0]), -(-width // labels.shape[1]))[:height, :width]),
    ),
    hints=(
        "Two pixels of classes 1 and 3 become four. Which classes can be among them?",
        "For each new row, find the old row in which its middle lies: the middle of row i is at i + 0.5.",
        "`rows = ((torch.arange(height) + 0.5) * old_height / height).long()`, the same for columns, then index.",
    ),
)  # fmt: skip


def _crop_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(26)

    def pair(height: int, width: int) -> tuple[Tensor, Tensor]:
        image = torch.rand(3, height, width, generator=generator, dtype=torch.float32)
        return image, torch.randint(0, 6, (height, width), generator=generator)

    return [
        Case("the left half of two columns", (*pair(1, 2), 1, 1, (0.0, 0.25))),
        Case("the right half of two columns", (*pair(1, 2), 1, 1, (0.0, 0.75))),
        Case("low and far left", (*pair(4, 4), 2, 2, (0.875, 0.125))),
        Case("high and far right", (*pair(4, 4), 2, 2, (0.125, 0.875))),
        Case("a crop that is not square", (*pair(6, 9), 2, 5, (0.5, 0.625))),
        Case("all of the picture", (*pair(3, 5), 3, 5, (0.5, 0.5))),
        Case("out of a larger picture", (*pair(19, 15), 8, 6, (0.71, 0.23))),
    ]


def _cut(
    pixels: Tensor, height: int, width: int, place: tuple[float, float], more: int = 1
) -> Tensor:
    top = int(place[0] * (pixels.shape[-2] - height + more))
    left = int(place[1] * (pixels.shape[-1] - width + more))
    return pixels[..., top : top + height, left : left + width]


def _both(
    image: Tensor, labels: Tensor, height: int, width: int, place: tuple[float, float], more: int = 1
) -> tuple[Tensor, Tensor]:  # fmt: skip
    return _cut(image, height, width, place, more), _cut(labels, height, width, place, more)


crop_pair = Exercise(
    name="crop_pair",
    title="Bug hunt: two draws",
    statement=(
        "Cut a `height` x `width` window out of `image`, (3, H, W) float32, and the same one out of `labels`, (H, W) "
        "int64. `place` is two random numbers in [0, 1), already drawn: the first row is the first of them times the "
        "number of rows at which a window can start, rounded down; likewise the first column. Return both crops."
    ),
    reference=my_crop_pair,
    solution_function=my_crop_pair,
    cases_function=_crop_cases,
    mistakes=(
        Mistake("two_draws",
            "Picture and labels are cut at different places: the numbers of `place` are used once for the one and the "
            "other way round for the other. One window, two cuts.",
            lambda image, labels, height, width, place: (
                _cut(image, height, width, place), _cut(labels, height, width, place[::-1]))),
        Mistake("exchanged",
            "It looks like row and column have changed places: the first number is the row's.",
            lambda image, labels, height, width, place: _both(image, labels, height, width, place[::-1])),
        Mistake("one_number",
            "It looks like one random number decides about both directions: all windows then lie on the picture's "
            "diagonal.",
            lambda image, labels, height, width, place: _both(image, labels, height, width, place[:1] * 2)),
        Mistake("never_the_last",
            "It looks like the last place is never drawn: in 4 rows a window of 2 can start at row 0, 1 or 2, which is "
            "4 - 2 *+ 1* places.",
            lambda *arguments: _both(*arguments, more=0)),
        Mistake("sides_exchanged",
            "It looks like the window's height and width have changed places.",
            lambda image, labels, height, width, place: _both(image, labels, width, height, place)),
        Mistake("labels_whole",
            "The labels are not cut at all. They get the picture's window, row for row and column for column.",
            lambda image, labels, height, width, place: (_cut(image, height, width, place), labels)),
    ),
    hints=(
        "How many rows are there at which a window of 2 rows can start, in a picture of 4?",
        "Compute the first row and the first column once, before you cut anything.",
        "`top = int(place[0] * (labels.shape[0] - height + 1))`.",
    ),
)  # fmt: skip
