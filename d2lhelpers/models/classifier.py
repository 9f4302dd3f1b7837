"""What every network of the course begins and ends with, whatever lies between: pixels standardised, and a head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CIFAR10_MEAN, CIFAR10_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Standardise(nn.Module):
    """Bring pixels to mean 0 and standard deviation 1, channel by channel.

    A part of the network, so that nobody can forget it or do it twice. Bytes are divided by 255 first.

    Args:
        mean, std: of each channel over the training pictures, of pixels in [0, 1].
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        # not saved with the weights: they belong to the network's definition
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, height, width), uint8 or float in [0, 1] -> float of the same shape."""
        largest = 255 if images.dtype == torch.uint8 else 1
        # (x / largest - mean) / std in one pass over the pixels
        return torch.addcmul(-self.mean / self.std, images, 1 / (largest * self.std))


class Classifier(nn.Module):
    """Features, averaged over the picture, and one linear layer on them.

    Attributes:
        features: (B, 3, height, width), uint8 or float in [0, 1] -> (B, C, height / stride, width / stride).
        head: (B, C) -> (B, num_classes) logits. Called so in all of them, to be replaced by name.
        stride: pixels of the picture for each step of the last feature map.
    """

    def __init__(
        self, features: nn.Sequential, channels: int, num_classes: int, stride: int
    ) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Linear(channels, num_classes)
        self.stride = stride

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).mean(dim=(2, 3)))
