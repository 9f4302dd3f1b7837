"""The networks that the course builds on: features for every task, and a head that classifies by them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torchvision
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
from d2lhelpers.models.vgg import vgg
from d2lhelpers.models.weights import load_weights

CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions whose result is added to the input (He et al. 2016, figure 2).

    Args:
        stride: of the first convolution; where it is not 1, or the channels change, a 1 x 1 convolution
            brings the input into the result's shape.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, h, w) -> (B, out_channels, h / stride, w / stride)."""
        return torch.relu(self.residual(x) + self.shortcut(x))


def s32(num_classes: int = 10) -> Classifier:
    """A small residual network for small pictures: stride 8, 128 channels, 0.31 million parameters.

    A 4 x 4 convolution of stride 2, then three residual blocks of 32, 64 and 128 channels. On two cores it trains on
    thousands of 32 x 32 pictures a second, most of which it owes to the stride of its first layer.
    """
    stem = nn.Sequential(
        nn.Conv2d(3, 32, kernel_size=4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(inplace=True),
    )
    blocks = (ResidualBlock(32, 32, 1), ResidualBlock(32, 64, 2), ResidualBlock(64, 128, 2))
    features = nn.Sequential(Standardise(CIFAR10_MEAN, CIFAR10_STD), stem, *blocks)
    return Classifier(features, channels=128, num_classes=num_classes, stride=8)


def resnet18(num_classes: int = 1000) -> Classifier:
    """torchvision's ResNet-18 in this module's form: stride 32, 512 channels, 11.7 million parameters."""
    # all but the average over the picture and the last layer
    *layers, _, head = torchvision.models.resnet18(num_classes=num_classes).children()
    features = nn.Sequential(Standardise(IMAGENET_MEAN, IMAGENET_STD), *layers)
    return Classifier(features, head.in_features, num_classes, stride=32)


BACKBONES: dict[str, Callable[[int], Classifier]] = {"s32": s32, "vgg": vgg, "resnet18": resnet18}


def backbone(name: str, num_classes: int | None = None, pretrained: bool = True) -> Classifier:
    """A network to start from.

    Args:
        name: "s32" or "vgg", trained by this project on CIFAR-10 (JPEG), or "resnet18", trained by torchvision on
            ImageNet. "vgg" has no batch norm: to look into (chapters 11 and 12), not to train further.
        num_classes: give it a new, untrained head for so many classes; None keeps the head it was trained with.
        pretrained: False leaves all weights as they were drawn.
    Raises:
        ValueError: no such backbone, or a number of classes below 1.
        FileNotFoundError: its weights have to be fetched first; the message says how.
    Taught in chapter 02.
    """
    if name not in BACKBONES:
        raise ValueError(f"name must be one of {', '.join(BACKBONES)}, not {name!r}")
    if num_classes is not None and num_classes < 1:
        raise ValueError(f"num_classes must be at least 1, not {num_classes}")
    net = BACKBONES[name]()
    if pretrained and name == "resnet18":
        _load_torchvision(net, datasets.weights(name))
    elif pretrained:
        load_weights(net, WEIGHTS / f"{name}.safetensors")
    if num_classes is not None:
        net.head = nn.Linear(net.head.in_features, num_classes)
    return net


def _load_torchvision(net: Classifier, path: Path) -> None:
    state = torch.load(path, map_location="cpu", weights_only=True)
    # same layers in the same order, only named by their place; older files lack the counts of batches
    own = [name for name in net.state_dict() if not name.endswith("num_batches_tracked")]
    theirs = [name for name in state if not name.endswith("num_batches_tracked")]
    net.load_state_dict({a: state[b] for a, b in zip(own, theirs, strict=True)}, strict=False)
