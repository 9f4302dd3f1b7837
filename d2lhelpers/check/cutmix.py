"""The exercise on CutMix: a batch of pictures cut and pasted, and labels that say so."""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from d2lhelpers.check.cases import Case, Mistake, floats, integers
from d2lhelpers.check.engine import Exercise

__all__ = ["cutmix"]


def my_cutmix(images, labels, box):
    x1, y1, x2, y2 = box
    height, width = images.shape[-2:]
    mixed = images.clone()
    mixed[:, :, y1:y2, x1:x2] = images.roll(1, dims=0)[:, :, y1:y2, x1:x2]
    # as much of the label as of the picture
    kept = 1 - (x2 - x1) * (y2 - y1) / (height * width)
    return mixed, kept * labels + (1 - kept) * labels.roll(1, dims=0)


def _one_hot(*labels: int, classes: int) -> Tensor:
    return one_hot(integers(*labels), classes).to(torch.float32)


def _cutmix_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(5)
    plain = floats(0, 1).view(2, 1, 1, 1).expand(2, 1, 4, 4).contiguous()
    three = torch.rand(3, 3, 5, 8, generator=generator, dtype=torch.float32)
    return [
        Case("two pictures, black and white, the upper left quarter", (plain, _one_hot(0, 1, classes=2), (0, 0, 2, 2))),
        Case("the same, a box that is wider than high", (plain, _one_hot(0, 1, classes=2), (1, 2, 4, 3))),
        Case("three pictures of 5 x 8 pixels", (three, _one_hot(0, 1, 2, classes=3), (2, 1, 7, 4))),
        Case("three pictures, two of one class", (three, _one_hot(1, 1, 0, classes=4), (0, 0, 3, 5))),
        Case("a box without area", (three, _one_hot(0, 1, 2, classes=3), (4, 2, 4, 5)), edge=True),
        Case("the whole picture", (three, _one_hot(0, 1, 2, classes=3), (0, 0, 8, 5)), edge=True),
    ]  # fmt: skip


def _cutmix(images, labels, box, *, turn=1, share=None, swap=False, transpose=False):
    x1, y1, x2, y2 = (box[1], box[0], box[3], box[2]) if transpose else box
    height, width = images.shape[-2:]
    mixed = images.clone()
    mixed[:, :, y1:y2, x1:x2] = images.roll(turn, dims=0)[:, :, y1:y2, x1:x2]
    cut = (
        (x2 - x1) * (y2 - y1) / (height * width)
        if share is None
        else share(x2 - x1, y2 - y1, width, height)
    )
    kept = cut if swap else 1 - cut
    return mixed, kept * labels + (1 - kept) * labels.roll(turn, dims=0)


cutmix = Exercise(
    name="cutmix",
    title="CutMix",
    statement=(
        "`images` are (B, C, height, width), `labels` (B, K) shares that sum to 1. In each image the pixels of `box`, "
        "whole numbers `(x1, y1, x2, y2)`, are replaced by those of the image *before* it in the batch (the first gets "
        "the last's): `images.roll(1, dims=0)`. Return `(mixed_images, mixed_labels)`; a label gets as much of the "
        "other label as the image got of the other image. Leave the arguments as they are."
    ),
    reference=my_cutmix,
    solution_function=my_cutmix,
    cases_function=_cutmix_cases,
    mistakes=(
        Mistake("labels_unchanged",
            "The pictures are mixed, the labels are not. A picture that is a quarter dog is to be called so.",
            lambda images, labels, box: (_cutmix(images, labels, box)[0], labels.clone())),
        Mistake("swapped",
            "It looks like the two shares are exchanged: the label follows the box, not what is left around it.",
            lambda images, labels, box: _cutmix(images, labels, box, swap=True)),
        Mistake("sides",
            "It looks like the share is that of a side of the box, not of its area.",
            lambda images, labels, box: _cutmix(images, labels, box, share=lambda w, h, width, height: w / width)),
        Mistake("after",
            "It looks like the image *after* in the batch. `roll(1)` moves each image one place on, so that its place "
            "is taken by the one before.",
            lambda images, labels, box: _cutmix(images, labels, box, turn=-1)),
        Mistake("rows_for_columns",
            "It looks like x and y are exchanged. A tensor is indexed [.., row, column]: y first.",
            lambda images, labels, box: _cutmix(images, labels, box, transpose=True)),
        Mistake("mixup",
            "It looks like the whole pictures are blended. That is MixUp; CutMix cuts and pastes.",
            lambda images, labels, box: (
                (lambda kept: kept * images + (1 - kept) * images.roll(1, dims=0))(
                    1 - (box[2] - box[0]) * (box[3] - box[1]) / (images.shape[-1] * images.shape[-2])),
                _cutmix(images, labels, box)[1])),
    ),
    hints=(
        "Of a picture of 4 x 4 pixels a box of 2 x 2 is replaced. How many sixteenths are left?",
        "Copy the images first (`clone`), or you change what you were given. Then one assignment to a slice, rows "
        "before columns.",
        "`mixed[:, :, y1:y2, x1:x2] = images.roll(1, dims=0)[:, :, y1:y2, x1:x2]`, and "
        "`kept = 1 - (x2 - x1) * (y2 - y1) / (height * width)`.",
    ),
)  # fmt: skip
