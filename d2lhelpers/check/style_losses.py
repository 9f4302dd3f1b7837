"""The exercises on style transfer's losses: smoothness, Gram matrices, and layers on one scale."""

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, floats, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["gram_matrix", "relative_loss", "tv_loss"]


def my_tv_loss(image):
    down = (image[:, :, 1:, :] - image[:, :, :-1, :]).abs().mean()
    across = (image[:, :, :, 1:] - image[:, :, :, :-1]).abs().mean()
    return (down + across) / 2


def _variation(image: Tensor, measure=Tensor.abs, average=Tensor.mean) -> tuple[Tensor, Tensor]:
    return tuple(average(measure(image.diff(dim=dim))) for dim in (-2, -1))


def _random(seed: int, *shapes: tuple[int, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float32) for shape in shapes]


def _tv_cases() -> list[Case]:
    square, steps = rows((0, 1), (3, 3), columns=2), rows((0, 1, 3), (0, 1, 3), columns=3)
    wide, batch = _random(31, (1, 3, 4, 9), (2, 3, 5, 6))
    return [
        Case("two rows of two pixels", (square[None, None],)),
        Case("two equal rows: nothing changes downwards", (steps[None, None],)),
        Case("one random picture of 4 x 9", (wide,)),
        Case("two random pictures of 5 x 6", (batch,)),
    ]


tv_loss = Exercise(
    name="tv_loss",
    title="Total variation",
    statement=(
        "`image` is (B, C, height, width). Return one number: half of the mean absolute difference between pixels and "
        "those below them, plus half of that between pixels and those to their right."
    ),
    reference=my_tv_loss,
    solution_function=my_tv_loss,
    cases_function=_tv_cases,
    mistakes=(
        Mistake("no_half",
            "It looks like the two means are added, and not halved: twice the answer.",
            lambda image: sum(_variation(image))),
        Mistake("sum",
            "It looks like the differences are added up where their mean is asked for. A sum grows with the picture: "
            "the weight that suits a small picture would blur a large one.",
            lambda image: sum(_variation(image, average=Tensor.sum)) / 2),
        Mistake("squared",
            "It looks like squared differences. That is a smoothness loss, too (the package calls it so); total "
            "variation takes absolute ones.",
            lambda image: sum(_variation(image, Tensor.square)) / 2),
        Mistake("signed",
            "It looks like `abs()` is missing: steps up and steps down cancel, and noise costs nothing.",
            lambda image: sum(_variation(image, lambda x: x)) / 2),
        Mistake("only_across",
            "It looks like only neighbours in a row are compared. A picture of stripes across would be called smooth.",
            lambda image: _variation(image)[1]),
        Mistake("only_down",
            "It looks like only neighbours in a column are compared. A picture of upright stripes would be called "
            "smooth.",
            lambda image: _variation(image)[0]),
        Mistake("whole_mean",
            "It looks like one mean over all differences together. There are more of one kind than of the other where "
            "a picture is not square; take the mean of each kind first.",
            lambda image: torch.cat([image.diff(dim=d).abs().flatten() for d in (-2, -1)]).mean()),
    ),
    hints=(
        "A picture without its first row, minus the picture without its last row: what is in it?",
        "Rows are dimension 2: `image[:, :, 1:, :] - image[:, :, :-1, :]`. Columns are dimension 3. Signs must not "
        "cancel.",
        "`down = (image[:, :, 1:, :] - image[:, :, :-1, :]).abs().mean()`, the same with columns, and "
        "`(down + across) / 2`.",
    ),
)  # fmt: skip


def my_gram_matrix(features):
    channels = features.flatten(2)  # (B, C, places)
    return channels @ channels.transpose(1, 2) / channels[0].numel()


def _gram(features: Tensor, divisor: float | None = None, centred: bool = False) -> Tensor:
    flat = features.flatten(2)
    flat = flat - flat.mean(dim=2, keepdim=True) if centred else flat
    return flat @ flat.mT / (divisor or flat[0].numel())


def _mixed(features: Tensor) -> Tensor:
    batch, channels = features.shape[:2]
    # (B, C, places) read as though it were (C, B, places)
    flat = features.reshape(channels, batch, -1).transpose(0, 1)
    return flat @ flat.mT / flat[0].numel()


def _gram_cases() -> list[Case]:
    two = rows((1, 2, 0), (0, 1, 1), columns=3)
    one, batch = _random(32, (1, 4, 3, 5), (3, 2, 4, 4))
    return [
        Case("two channels, three places", (two.reshape(1, 2, 1, 3),)),
        Case("the same, the places exchanged", (two[:, [2, 0, 1]].reshape(1, 2, 1, 3),)),
        Case("a random map of 4 channels", (one,)),
        Case("three pictures, 2 channels", (batch,)),
    ]


gram_matrix = Exercise(
    name="gram_matrix",
    title="The Gram matrix",
    statement=(
        "`features` is (B, C, height, width). Return (B, C, C): for each picture and each pair of channels the sum of "
        "their products over all places, divided by the number of values of one picture, C · height · width."
    ),
    reference=my_gram_matrix,
    solution_function=my_gram_matrix,
    cases_function=_gram_cases,
    mistakes=(
        Mistake("not_normalised",
            "It looks like the division is missing. A style picture twice as wide would have a Gram matrix twice as "
            "large, and no picture of another size could ever have its style.",
            lambda features: _gram(features, 1)),
        Mistake("by_places",
            "It looks like a division by the number of places, height · width. That makes sizes comparable, too; here "
            "the channels are divided by as well, C · height · width.",
            lambda features: _gram(features, features[0, 0].numel())),
        Mistake("by_batch",
            "It looks like a division by the number of values of the whole batch, `features.numel()`. A picture's "
            "style would depend on how many others are beside it.",
            lambda features: _gram(features, features.numel())),
        Mistake("centred",
            "It looks like the mean of each channel is subtracted first: that is the covariance, another way to "
            "describe a style. The Gram matrix takes the activations as they are.",
            lambda features: _gram(features, centred=True)),
        Mistake("mixed",
            "It looks like `reshape` from (B, C, ...) to (C, ...): the numbers keep their order in memory, and "
            "channels of different pictures end up in one row. `flatten(2)` leaves B and C where they are.",
            _mixed),
    ),
    hints=(
        "The sum of products over all places is a product of two rows. If each channel is one row, which product of "
        "matrices gives all pairs at once?",
        "`features.flatten(2)` is (B, C, places). Multiply it by its own transpose, `.transpose(1, 2)`.",
        "`flat = features.flatten(2)`, then `flat @ flat.transpose(1, 2) / flat[0].numel()`.",
    ),
)  # fmt: skip


def my_relative_loss(values, targets):
    losses = (values - targets).square().mean(dim=1)
    energies = targets.square().mean(dim=1)
    return (losses / energies).mean()


def _relative(values: Tensor, targets: Tensor, energy, final=Tensor.mean) -> Tensor:
    return final((values - targets).square().mean(dim=1) / energy)


def _relative_cases() -> list[Case]:
    targets = rows((1, 1), (100, 100), columns=2)
    values = rows((1, 2), (100, 110), columns=2)
    some, others = _random(33, (5, 12), (5, 12))
    scale = floats(0.1, 1, 3, 10, 50)[:, None]
    return [
        Case("one layer", (values[:1], targets[:1])),
        Case("a quiet layer and a loud one", (values, targets)),
        Case("silent layers", (torch.zeros(2, 2, dtype=torch.float32), targets)),
        Case("five random layers of different loudness", (some * scale, others * scale)),
    ]


relative_loss = Exercise(
    name="relative_loss",
    title="Layers on one scale",
    statement=(
        "`values` and `targets` are (L, N): for each of L layers its N numbers, as they are and as they should be. "
        "Return one number: the mean over the layers of each layer's mean squared difference, divided by the mean "
        "square of its targets."
    ),
    reference=my_relative_loss,
    solution_function=my_relative_loss,
    cases_function=_relative_cases,
    mistakes=(
        Mistake("absolute",
            "It looks like nothing is divided. A layer with activations ten times as large then counts a hundred times "
            "as much.",
            lambda values, targets: _relative(values, targets, 1.0)),
        Mistake("total",
            "It looks like one division for all layers together: the loudest layer decides alone. Divide each layer's "
            "loss by its own energy, then take the mean.",
            lambda values, targets: (values - targets).square().mean() / targets.square().mean()),
        Mistake("by_values",
            "It looks like the division is by the energy of `values`, which changes while the picture is made: large "
            "activations would be a way to a small loss. Divide by that of the targets.",
            lambda values, targets: _relative(
                values, targets, values.square().mean(dim=1).clamp(min=1e-12))),
        Mistake("root",
            "It looks like the division is by the root of the energy. A squared difference wants a squared unit.",
            lambda values, targets: _relative(values, targets, targets.square().mean(dim=1).sqrt())),
        Mistake("sum",
            "It looks like the layers are added up. With their mean, the weight need not change when a layer is added.",
            lambda values, targets: _relative(
                values, targets, targets.square().mean(dim=1), Tensor.sum)),
        Mistake("spread",
            "It looks like the division is by the variance of the targets. Asked for is their mean square, without "
            "their mean subtracted; a layer that is even has no variance at all.",
            lambda values, targets: _relative(
                values, targets, targets.var(dim=1, correction=0).clamp(min=1e-12))),
    ),
    hints=(
        "A layer that is completely silent, all values 0: what should its share of the loss be, however loud its "
        "target is?",
        "Two means along `dim=1`, one of squared differences, one of squared targets, give (L,) each.",
        "`((values - targets).square().mean(dim=1) / targets.square().mean(dim=1)).mean()`",
    ),
)  # fmt: skip
