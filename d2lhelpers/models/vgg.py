"""VGG: nothing but 3 x 3 convolutions, ReLU and pooling, one after the other, each layer with its name in the field.

Residual connections and batch norm train better, but what a network sees (chapter 12) and what a style is (chapter 11)
are easiest to read in a plain chain. So the slim one is trained with batch norm and shipped without: folded into the
convolutions, where it changes nothing but the number of layers.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from d2lhelpers import datasets
from d2lhelpers.files import WEIGHTS
from d2lhelpers.models.classifier import (
    CIFAR10_MEAN,
    CIFAR10_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Classifier,
    Standardise,
)
from d2lhelpers.models.weights import load_weights

__all__ = [
    "average_pooling",
    "finish_vgg",
    "fold_batch_norm",
    "rescale_activations",
    "vgg",
    "vgg_features",
    "vgg_layers",
    "vgg_with_norm",
]

# channels of the convolutions in each block; a block ends in a pooling layer
SLIM = ((16, 16), (32, 32), (64, 64, 64), (128, 128, 128))
VGG19 = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)


def vgg_layers(
    blocks: Sequence[Sequence[int]],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    batch_norm: bool = False,
) -> nn.Sequential:
    """The features of a VGG as one flat chain, untrained.

    Args:
        blocks: the channels of each convolution, block by block.
        mean, std: of the pixels, for `Standardise`.
        batch_norm: put one behind each convolution, whose bias it makes superfluous.
    Returns:
        Children `standardise`, `conv1_1`, (`norm1_1`,) `relu1_1`, `conv1_2`, ..., `pool1`, `conv2_1`, ...: of each
        pair of numbers the first counts blocks, the second convolutions in their block.
    Source: Simonyan and Zisserman 2015, table 1; the names are those of their first program. Taught in chapter 11.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(standardise=Standardise(mean, std))
    channels = 3
    for block, widths in enumerate(blocks, start=1):
        for place, width in enumerate(widths, start=1):
            conv = nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=not batch_norm)
            # as the paper's successors do; with PyTorch's own start the signal of ten layers dies away
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)
            layers[f"conv{block}_{place}"] = conv
            if batch_norm:
                layers[f"norm{block}_{place}"] = nn.BatchNorm2d(width)
            layers[f"relu{block}_{place}"] = nn.ReLU()
            channels = width
        layers[f"pool{block}"] = nn.MaxPool2d(2)
    return nn.Sequential(layers)


def vgg(num_classes: int = 10) -> Classifier:
    """Ten convolutions, a quarter as wide as the original's: stride 16, 128 channels, 0.48 million parameters."""
    features = vgg_layers(SLIM, CIFAR10_MEAN, CIFAR10_STD)
    return Classifier(features, SLIM[-1][-1], num_classes, stride=2 ** len(SLIM))


def vgg_with_norm(num_classes: int = 10) -> Classifier:
    """The same with batch norm, as it is trained; `fold_batch_norm` makes the other of it."""
    features = vgg_layers(SLIM, CIFAR10_MEAN, CIFAR10_STD, batch_norm=True)
    return Classifier(features, SLIM[-1][-1], num_classes, stride=2 ** len(SLIM))


def vgg_features(name: str = "vgg") -> nn.Sequential:
    """The trained features of a VGG, to look through: frozen, in evaluation mode.

    Args:
        name: "vgg", the slim one, trained by this project on CIFAR-10 (JPEG), or "vgg19", trained by torchvision on
            ImageNet, whose three fully connected layers, six sevenths of its weights, are left out.
    Returns:
        As `vgg_layers`, without batch norm, for (B, 3, height, width), uint8 or float in [0, 1].
    Raises:
        ValueError: another name.
        FileNotFoundError: its weights have to be fetched first; the message says how.
    Taught in chapter 11.
    """
    if name == "vgg":
        net = vgg()
        load_weights(net, WEIGHTS / "vgg.safetensors")
        features = net.features
    elif name == "vgg19":
        path = datasets.weights(name)
        features = vgg_layers(VGG19, IMAGENET_MEAN, IMAGENET_STD)
        # read where it lies: the layers that are left out are most of its 575 MB
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        # the same layers in the same order, only named by their place
        theirs = [value for key, value in state.items() if key.startswith("features.")]
        features.load_state_dict(dict(zip(features.state_dict(), theirs, strict=True)))
    else:
        raise ValueError(f"name must be vgg or vgg19, not {name!r}")
    return features.eval().requires_grad_(False)


def average_pooling(features: nn.Sequential) -> nn.Sequential:
    """The same layers, their weights shared, with averages in place of maxima.

    A maximum passes the gradient of one pixel in four back to the picture; an average passes it to all of them.

    Source: Gatys et al. 2016, section 2. Taught in chapter 11.
    """
    return nn.Sequential(
        OrderedDict(
            (name, nn.AvgPool2d(part.kernel_size, part.stride, part.padding, part.ceil_mode))
            if isinstance(part, nn.MaxPool2d)
            else (name, part)
            for name, part in features.named_children()
        )
    )


@torch.no_grad()
def fold_batch_norm(features: nn.Sequential) -> nn.Sequential:
    """Each batch norm as a part of the convolution before it, which computes the same in evaluation mode.

    With running mean m, variance v, weight g and bias b, the layer is y = (x - m) * g / sqrt(v + eps) + b: a factor for
    each channel, which the filter can have already, and a constant, which is the convolution's bias.

    Args:
        features: a chain in which a batch norm comes only right after a convolution.
    Returns:
        A new chain, of copies, without the batch norms.
    Raises:
        ValueError: a batch norm elsewhere, or one without running statistics.
    Taught in chapter 11.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    last = None
    for name, part in features.named_children():
        if not isinstance(part, nn.BatchNorm2d):
            layers[name] = last = copy.deepcopy(part)
            continue
        if not isinstance(last, nn.Conv2d) or part.running_mean is None:
            raise ValueError(
                f"features: {name} must come right after a convolution and have running statistics"
            )
        factor = torch.rsqrt(part.running_var + part.eps)
        bias = -part.running_mean if last.bias is None else last.bias - part.running_mean
        if part.affine:
            factor = factor * part.weight
        last.weight.mul_(factor[:, None, None, None])
        last.bias = nn.Parameter(bias * factor + (part.bias if part.affine else 0))
        last = None
    return nn.Sequential(layers)


@torch.no_grad()
def rescale_activations(features: nn.Sequential, images: Tensor) -> float:
    """Scale the convolutions, in place, so that each layer's mean activation over some pictures is 1.

    A chain of convolutions, ReLU and pooling keeps doing the same: ReLU(a x) = a ReLU(x) for a > 0, so that a layer
    divided by its mean passes the factor on to the next one's bias.

    Args:
        features: as `vgg_layers` makes it, without batch norm.
        images: (B, 3, height, width), uint8 or float in [0, 1].
    Returns:
        What the last activations were divided by: a head behind them must have its weights multiplied by it.
    Raises:
        ValueError: a layer of which no activation is above 0.
    Source: Gatys et al. 2016, section 2, who do so filter by filter. Taught in chapter 11.
    """
    divisor, x = 1.0, images
    for name, part in features.named_children():
        if isinstance(part, nn.Conv2d):
            part.bias.div_(divisor)  # the layer's input has been divided already
            mean = part(x).relu().mean().item()
            if not mean > 0:
                raise ValueError(f"features: {name} lets nothing through ReLU for these images")
            part.weight.div_(mean)
            part.bias.div_(mean)
            divisor *= mean
        x = part(x)
    return divisor


def finish_vgg(net: Classifier, images: Tensor) -> Classifier:
    """`vgg_with_norm`, trained, as `vgg` with activations of mean 1, which classifies just the same."""
    finished = vgg(net.head.out_features)
    finished.features = fold_batch_norm(net.features.eval())
    divisor = rescale_activations(finished.features, images)
    finished.head.load_state_dict(
        {"weight": net.head.weight.detach() * divisor, "bias": net.head.bias.detach()}
    )
    return finished.eval()
