"""The bug hunts on fine-tuning: pixels as the source had them, and a normalisation that should stay frozen."""

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, floats
from d2lhelpers.check.engine import Exercise

__all__ = ["frozen_batchnorm", "standardise"]


def my_standardise(images, mean, std):
    pixels = images.float() / 255  # mean and std are those of pixels in [0, 1]
    # (3,) to (3, 1, 1): one number a channel, for every row and column
    return (pixels - mean[:, None, None]) / std[:, None, None]


def _standardise(images: Tensor, mean: Tensor, std: Tensor, largest: float = 255) -> Tensor:
    return (images.float() / largest - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)


def _own_statistics(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    pixels = images.float() / 255
    own_mean, own_std = (
        pixels.mean(dim=(0, 2, 3)),
        pixels.var(dim=(0, 2, 3), correction=0).clamp(min=1e-12).sqrt(),
    )
    return _standardise(images, own_mean, own_std)


def _standardise_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(23)
    pixel = torch.tensor([255, 0, 51], dtype=torch.uint8).view(1, 3, 1, 1)
    imagenet = floats(0.485, 0.456, 0.406), floats(0.229, 0.224, 0.225)
    cases = [
        Case("one pixel", (pixel, floats(0.5, 0.5, 0.5), floats(0.5, 0.5, 0.5))),
        Case("one pixel, channels of their own", (pixel, *imagenet)),
    ]
    for batch, height, width in ((1, 2, 2), (2, 3, 3), (3, 5, 4)):
        shape = (batch, 3, height, width)
        images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        cases.append(
            Case(
                f"{batch} random picture{'s' if batch > 1 else ''} of {height} x {width}",
                (images, *imagenet),
            )
        )
    return cases


standardise = Exercise(
    name="standardise",
    title="Pixels as the source had them",
    statement=(
        "`images` are bytes, (B, 3, height, width) uint8. The source network was trained on pixels in [0, 1] from "
        "which `mean`, (3,), was subtracted, then divided by `std`, (3,), both channel by channel. Return the images "
        "as float32 in that form."
    ),
    reference=my_standardise,
    solution_function=my_standardise,
    cases_function=_standardise_cases,
    tolerance=(1e-4, 1e-4),
    mistakes=(
        Mistake("no_255",
            "It looks like the division by 255 is missing: `mean` and `std` are those of pixels in [0, 1], and bytes "
            "run to 255. The network sees a picture hundreds of times too bright. (The notes have this bug.)",
            lambda images, mean, std: _standardise(images, mean, std, largest=1)),
        Mistake("not_centred",
            "It looks like the mean is not subtracted. The source's pixels were centred around 0.",
            lambda images, mean, std: _standardise(images, torch.zeros_like(mean), std)),
        Mistake("not_scaled",
            "It looks like the mean is subtracted, and the division by `std` is missing.",
            lambda images, mean, std: _standardise(images, mean, torch.ones_like(std))),
        Mistake("variance",
            "It looks like a division by the variance, `std ** 2`. Divide by the standard deviation itself.",
            lambda images, mean, std: _standardise(images, mean, std**2)),
        Mistake("own_statistics",
            "It looks like the batch's own mean and standard deviation are used. The network was trained with the "
            "source's, always the same ones; with the batch's own, a dark picture and a bright one look alike, and a "
            "picture's features depend on its neighbours in the batch.",
            _own_statistics),
        Mistake("exchanged",
            "It looks like `mean` and `std` are exchanged: `std` is subtracted, and then it is divided by `mean`.",
            lambda images, mean, std: _standardise(images, std, mean)),
        Mistake("precedence",
            "It looks like `x - mean / std`: division comes before subtraction. Subtract first: `(x - mean) / std`.",
            lambda images, mean, std: images.float() / 255 - (mean / std).view(-1, 1, 1)),
        Mistake("bgr",
            "It looks like the channels are in the order blue, green, red, as OpenCV has them. Here and in "
            "torchvision it is red, green, blue.",
            lambda images, mean, std: _standardise(images, mean.flip(0), std.flip(0))),
    ),
    hints=(
        "A white pixel is 255 in every channel. What is it in [0, 1]? What is the mean of a channel, about, and so "
        "what should come out for white: something like 2, or something like 1000?",
        "First to floats in [0, 1]. Then `mean` must line up with dimension 1, the channels: (3,) becomes (3, 1, 1) "
        "with `mean[:, None, None]`.",
        "`(images.float() / 255 - mean[:, None, None]) / std[:, None, None]`",
    ),
)  # fmt: skip


def my_frozen_batchnorm(x, running_mean, running_var, weight, bias):
    # all four are (C,); as (C, 1, 1) they line up with (B, C, H, W)
    mean, var, weight, bias = (
        value[:, None, None] for value in (running_mean, running_var, weight, bias)
    )
    return (x - mean) / (var + 1e-5).sqrt() * weight + bias


def _normalise(
    x: Tensor, mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor, root: bool = True
) -> Tensor:
    mean, var, weight, bias = (value.view(-1, 1, 1) for value in (mean, var, weight, bias))
    spread = (var + 1e-5).sqrt() if root else var + 1e-5
    return (x - mean) / spread * weight + bias


def _batch_statistics(x: Tensor, mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return _normalise(x, x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0), weight, bias)


def _picture_statistics(
    x: Tensor, mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor
) -> Tensor:
    mean, var = x.mean((2, 3), keepdim=True), x.var((2, 3), correction=0, keepdim=True)
    return (x - mean) / (var + 1e-5).sqrt() * weight.view(-1, 1, 1) + bias.view(-1, 1, 1)


def _batchnorm_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(24)
    x = floats(1, 3, 5, 7).view(2, 1, 1, 2)
    cases = [
        Case("two pictures of one channel", (x, floats(2), floats(4), floats(1), floats(0))),
        Case("the same with a weight and a bias", (x, floats(2), floats(4), floats(3), floats(-1))),
        Case("a picture alone", (x[:1], floats(2), floats(4), floats(1), floats(0))),
    ]
    for batch, channels, height, width in ((1, 2, 3, 3), (4, 3, 2, 5), (2, 5, 5, 5)):
        x = torch.randn(batch, channels, height, width, generator=generator, dtype=torch.float32)
        mean, weight, bias = torch.randn(3, channels, generator=generator, dtype=torch.float32)
        var = 0.2 + 2 * torch.rand(channels, generator=generator, dtype=torch.float32)
        cases.append(
            Case(
                f"{batch} random feature map{'s' if batch > 1 else ''} of {channels} channels",
                (x * 2 + 1, mean, var, weight, bias),
            )
        )
    return cases


frozen_batchnorm = Exercise(
    name="frozen_batchnorm",
    title="A normalisation that stays frozen",
    statement=(
        "`x` is (B, C, height, width). Return what a *frozen* batch normalisation makes of it: subtract "
        "`running_mean`, divide by the square root of `running_var + 1e-5`, multiply by `weight`, add `bias`; all four "
        "are (C,), one number a channel. What else is in the batch must not matter."
    ),
    reference=my_frozen_batchnorm,
    solution_function=my_frozen_batchnorm,
    cases_function=_batchnorm_cases,
    tolerance=(1e-4, 1e-4),
    mistakes=(
        Mistake("batch_statistics",
            "It looks like the batch's own mean and variance. That is batch normalisation in *training* mode: a "
            "layer whose weights are frozen, but not its statistics. Use the running ones.",
            _batch_statistics),
        Mistake("picture_statistics",
            "It looks like each picture's own mean and variance. That is instance normalisation. Use the running "
            "ones, which were measured on the source's pictures.",
            _picture_statistics),
        Mistake("no_root",
            "It looks like a division by the variance. Divide by its square root, the standard deviation.",
            lambda x, mean, var, weight, bias: _normalise(x, mean, var, weight, bias, root=False)),
        Mistake("no_affine",
            "It looks like `weight` and `bias` are left out. They were trained together with the rest, and are part "
            "of what the layer knows.",
            lambda x, mean, var, weight, bias: _normalise(
                x, mean, var, torch.ones_like(weight), torch.zeros_like(bias))),
        Mistake("no_bias",
            "It looks like `bias` is left out. After the normalisation a channel is centred around 0; the bias moves "
            "it to where the next layer expects it.",
            lambda x, mean, var, weight, bias: _normalise(x, mean, var, weight, torch.zeros_like(bias))),
        Mistake("bias_first",
            "It looks like the bias is added before the weight multiplies. First times `weight`, then plus `bias`.",
            lambda x, mean, var, weight, bias: _normalise(x, mean, var, weight, bias * weight)),
        Mistake("mean_only",
            "It looks like the running mean is used, but the batch's own variance. Both must be the source's.",
            lambda x, mean, var, weight, bias: _normalise(x, mean, x.var((0, 2, 3), correction=0), weight, bias)),
    ),
    hints=(
        "You classify a picture alone, then together with a hundred others. Should the answer for it change? Which "
        "of the two pairs of statistics makes it depend on the others?",
        "Everything is per channel, dimension 1 of `x`. `(C,)` lines up with it as `(C, 1, 1)`: "
        "`running_mean[:, None, None]`.",
        "`(x - mean) / (var + 1e-5).sqrt() * weight + bias`, each of the four as `value[:, None, None]`.",
    ),
)  # fmt: skip
