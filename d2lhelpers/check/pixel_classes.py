"""The exercises on a class for every pixel: the loss that void does not enter, and the bug hunt on reading a map."""

import torch
import torch.nn.functional as F
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, floats
from d2lhelpers.check.engine import Exercise

__all__ = ["class_map", "void_loss"]

VOID = 255


def my_void_loss(logits, labels):
    known = labels != 255
    log_p = torch.log_softmax(logits, dim=1)
    # 255 is no class to look up: 0 stands in for it, and is not counted
    picked = log_p.gather(1, (labels * known)[:, None])[:, 0]
    # with nothing to learn from, 0 in place of 0 / 0
    return -(picked * known).sum() / known.sum().clamp(min=1)


def _losses(logits: Tensor, labels: Tensor, dim: int = 1) -> tuple[Tensor, Tensor]:
    known = labels != VOID
    log_p = torch.log_softmax(logits, dim=dim)
    return -log_p.gather(1, (labels * known)[:, None])[:, 0], known


def _over_all(logits: Tensor, labels: Tensor) -> Tensor:
    losses, known = _losses(logits, labels)
    return (losses * known).mean()


def _over_pictures(logits: Tensor, labels: Tensor) -> Tensor:
    losses, known = _losses(logits, labels)
    return ((losses * known).sum((1, 2)) / known.sum((1, 2)).clamp(min=1)).mean()


def _along(dim: int):
    def function(logits: Tensor, labels: Tensor) -> Tensor:
        losses, known = _losses(logits, labels, dim)
        return (losses * known).sum() / known.sum().clamp(min=1)

    return function


def _summed(logits: Tensor, labels: Tensor) -> Tensor:
    losses, known = _losses(logits, labels)
    return (losses * known).sum()


def _only_objects(logits: Tensor, labels: Tensor) -> Tensor:
    return my_void_loss(logits, labels.masked_fill(labels == 0, VOID))


def _loss_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(102)

    def case(note: str, labels: list, classes: int = 2, edge: bool = False) -> Case:
        labels = torch.tensor(labels, dtype=torch.int64)
        shape = (len(labels), classes, *labels.shape[1:])
        return Case(
            note, (torch.randn(shape, generator=generator, dtype=torch.float32), labels), edge
        )

    cases = [
        case("one row of two pixels, two classes, no void", [[[0, 1]]]),
        case("the second pixel is void", [[[1, 255]]]),
        case("2 x 3 pixels, three classes, one void", [[[0, 2, 1], [255, 1, 0]]], 3),
        case("two pictures, one with more void", [[[1, 255, 255, 255]], [[0, 1, 1, 0]]]),
        case("everything is void: 0", [[[255, 255]]], edge=True),
    ]
    labels = torch.randint(0, 6, (3, 7, 5), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < 0.2] = VOID
    return [*cases, case("three pictures of 7 x 5 pixels, six classes", labels.tolist(), 6)]


void_loss = Exercise(
    name="void_loss",
    title="A loss that void does not enter",
    statement=(
        "`logits` are (B, C, height, width), `labels` (B, height, width) int64: classes, or 255 for void. Return a "
        "scalar: the cross-entropy, the mean over all pixels of the batch that are not void. Where all are void, 0. "
        "(`F.cross_entropy(..., ignore_index=255)` would be too short an answer: it says NaN for that.)"
    ),
    reference=my_void_loss,
    solution_function=my_void_loss,
    cases_function=_loss_cases,
    mistakes=(
        Mistake("void_as_background",
            "It looks like void pixels are taken for background. Nobody said what they are: they must not enter the "
            "loss at all. (d2l has this one.)",
            lambda logits, labels: F.cross_entropy(logits, labels.masked_fill(labels == VOID, 0))),
        Mistake("over_all_pixels",
            "It looks like void pixels add nothing to the sum and are counted in the mean all the same. Divide by "
            "the number of pixels that are not void.",
            _over_all),
        Mistake("mean_of_pictures",
            "It looks like the mean of each picture is taken first, and then their mean. A picture that is mostly "
            "void would count as much as any other; each *pixel* should count the same.",
            _over_pictures),
        Mistake("along_the_row",
            "It looks like the softmax runs along the rows' pixels, `dim=-1`. The classes, which compete for each "
            "pixel, are dimension 1.",
            _along(-1)),
        Mistake("along_the_column",
            "It looks like the softmax runs along the columns' pixels, `dim=2`. The classes are dimension 1.",
            _along(2)),
        Mistake("summed",
            "It looks like the sum over the pixels. Then a larger picture would mean a larger step: take the mean "
            "over those that are not void.",
            _summed),
        Mistake("only_objects",
            "It looks like background pixels are left out together with void. Background is a class, and a network "
            "that never hears of it sees objects everywhere.",
            _only_objects),
        Mistake("nan_for_nothing",
            "Right, but where everything is void: 0 / 0 is NaN, and one such batch turns all weights into NaN. "
            "Divide by the count or by 1, whichever is larger.",
            lambda logits, labels: F.cross_entropy(logits, labels, ignore_index=VOID)),
    ),
    hints=(
        "Which dimension holds the classes? And if 30 of 100 pixels are void, by what should the sum be divided?",
        "`log_softmax` along dimension 1; `gather` picks the true class's value for each pixel, but 255 is no index. "
        "`known = labels != 255` says which pixels count: multiply labels by it before, and losses by it after.",
        "`picked = log_p.gather(1, (labels * known)[:, None])[:, 0]`, then "
        "`-(picked * known).sum() / known.sum().clamp(min=1)`.",
    ),
)  # fmt: skip


def my_class_map(image, mean, std, weight, bias):
    pixels = (image.float() / 255 - mean[:, None, None]) / std[:, None, None]
    scores = torch.einsum("kc,chw->khw", weight, pixels) + bias[:, None, None]
    # without a batch the classes are the first dimension
    return scores.argmax(dim=0)


def _read(
    image: Tensor, mean: Tensor, std: Tensor, weight: Tensor, bias: Tensor, *, largest: int = 255,
    dim: int = 0, biased: bool = True, transposed: bool = False, least: bool = False,
) -> Tensor:  # fmt: skip
    pixels = (image.float() / largest - mean[:, None, None]) / std[:, None, None]
    scores = torch.einsum("kc,chw->khw", weight, pixels) + biased * bias[:, None, None]
    found = (-scores if least else scores).argmax(dim=dim)
    return found.T if transposed else found


def _map_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(103)
    mean, std = floats(0.4, 0.5, 0.6), floats(0.2, 0.25, 0.3)

    def case(note: str, classes: int, height: int, width: int) -> Case:
        image = torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)
        weight, bias = (
            torch.randn(shape, generator=generator, dtype=torch.float32)
            for shape in ((classes, 3), (classes,))
        )
        return Case(note, (image, mean, std, weight, 2 * bias))

    red = torch.tensor([[[255, 0]], [[0, 0]], [[0, 255]]], dtype=torch.uint8)
    telling = torch.tensor([[0, 1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float32)
    return [
        Case("a red pixel and a blue one; class 1 is red, 2 is blue", (red, mean, std, telling, floats(0, 0, 0))),
        case("1 x 4 pixels, two classes", 2, 1, 4),
        case("three classes, 4 x 3 pixels", 3, 4, 3),
        case("five classes, 5 x 5 pixels", 5, 5, 5),
        case("seven classes, 6 x 9 pixels", 7, 6, 9),
    ]  # fmt: skip


class_map = Exercise(
    name="class_map",
    title="Bug hunt: the map that makes no sense",
    statement=(
        "`image` is (3, height, width) uint8, `mean` and `std` are (3,), of pixels in [0, 1]. The network is a "
        "single 1 x 1 convolution with `weight` (C, 3) and `bias` (C,), trained on standardised pixels. Return "
        "(height, width) int64: the likeliest class of each pixel."
    ),
    reference=my_class_map,
    solution_function=my_class_map,
    cases_function=_map_cases,
    mistakes=(
        Mistake("no_255",
            "The dimension is right, and one bug is left: mean and std are those of pixels in [0, 1], but the "
            "image's are bytes. Without the division by 255 a white pixel comes out as a thousand or so in place of "
            "2, and the weights meet numbers that they were never trained on.",
            lambda *arguments: _read(*arguments, largest=1)),
        Mistake("along_columns",
            "The largest score is looked for along each column of pixels. `argmax(dim=1)` is right for a batch, (B, "
            "C, height, width); here are the scores of one image, (C, height, width), and the classes are dimension "
            "0. (Once that is mended: are the pixels what the network was trained on?)",
            lambda *arguments: _read(*arguments, dim=1)),
        Mistake("along_rows",
            "The largest score is looked for along each row of pixels, the last dimension. The classes are the "
            "first: `dim=0`.",
            lambda *arguments: _read(*arguments, dim=2)),
        Mistake("no_bias",
            "It looks like the bias is left out. It says how common each class is.",
            lambda *arguments: _read(*arguments, biased=False)),
        Mistake("least_likely",
            "It looks like the least likely class: `argmin` where `argmax` should be, or a minus too many.",
            lambda *arguments: _read(*arguments, least=True)),
        Mistake("transposed",
            "It looks like the map lies on its side: (width, height). Rows come first.",
            lambda *arguments: _read(*arguments, transposed=True)),
    ),
    hints=(
        "Print what comes out for a white pixel before the convolution. Something like 2, or something like 1000? "
        "And what is the shape of the answer?",
        "Bytes first become numbers in [0, 1]. And count the dimensions of the scores: which of them are the "
        "classes?",
        "`(image.float() / 255 - mean[:, None, None]) / std[:, None, None]` and `scores.argmax(dim=0)`.",
    ),
)  # fmt: skip
