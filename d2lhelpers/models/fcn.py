"""The fully convolutional network: a class for every pixel, from a backbone that was made to tell whole pictures."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from d2lhelpers.models.backbones import Classifier, ResidualBlock, backbone
from d2lhelpers.segmentation.upsampling import upsampling_layer

__all__ = ["FCN"]

COARSEST = 32  # pixels for each step of the last stage's map
STRIDES = (32, 16, 8)
BODIES = ("s32", "resnet18")  # backbones whose maps `stages_of` finds


class FCN(nn.Module):
    """A backbone, a 1 x 1 convolution that classifies each place of its map, and transposed convolutions.

    Of stride 32 it is the backbone's last map alone, made 32 times as large in one step. Of stride 16 or 8 the finer
    maps of earlier stages are classified too: a coarse map of scores is made twice as large and added to the next finer
    one (the skips), and only the last is made 16 or 8 times as large.

    Our small backbone ends at stride 8. Two residual blocks are put after it, untrained ones, with which it has the
    strides of the paper's networks and sees farther than the largest object. In ResNet-18 all stages are trained.

    Args:
        num_classes: background included.
        stride: 32, 16 or 8.
        pretrained: start from the backbone's trained weights.
        upsampling: how the transposed convolutions begin, "bilinear" or "random".
        body: the backbone, one of BODIES.
    Raises:
        ValueError: another stride, upsampling or backbone.
        FileNotFoundError: the backbone's weights have to be fetched first.
    Source: Long et al. 2015. Taught in chapter 10.
    """

    def __init__(
        self,
        num_classes: int,
        stride: int = 8,
        pretrained: bool = True,
        upsampling: Literal["bilinear", "random"] = "bilinear",
        body: str = "s32",
    ) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, not {num_classes}")
        if body not in BODIES:
            raise ValueError(f"body must be one of {', '.join(BODIES)}, not {body!r}")
        if stride not in STRIDES:
            raise ValueError(f"stride must be one of {', '.join(map(str, STRIDES))}, not {stride}")
        self.standardise, self.stages, channels = stages_of(backbone(body, pretrained=pretrained))
        used = STRIDES.index(stride) + 1
        # from the coarsest map to the finest
        self.heads = nn.ModuleList(nn.Conv2d(c, num_classes, 1) for c in channels[::-1][:used])
        self.doublings = nn.ModuleList(
            upsampling_layer(num_classes, 2, upsampling) for _ in range(used - 1)
        )
        self.enlarge = upsampling_layer(num_classes, stride, upsampling)

    def maps(self, images: Tensor) -> list[Tensor]:
        """What the stages see, from the coarsest to the finest.

        Args:
            images: (B, 3, height, width), uint8 or float in [0, 1].
        Returns:
            (B, channels, rows, columns) at the strides 32, 16 and 8, with 32 for each row of the coarsest, rounded up.
        """
        height, width = images.shape[-2:]
        x = self.standardise(images)
        # zeros at the right and the bottom, which is the mean colour here, so that each map is half of the one before
        x = F.pad(x, (0, -width % COARSEST, 0, -height % COARSEST))
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found[::-1]

    def scores(self, images: Tensor) -> Tensor:
        """(B, num_classes, rows, columns): the logits at the network's stride, all skips added."""
        total, *finer = (
            head(x) for head, x in zip(self.heads, self.maps(images), strict=False)
        )  # the coarser a network, the fewer heads it has
        for doubling, more in zip(self.doublings, finer, strict=True):
            total = doubling(total) + more
        return total

    def forward(self, images: Tensor) -> Tensor:
        """Logits of every pixel.

        Args:
            images: (B, 3, height, width) of any size, uint8 or float in [0, 1].
        Returns:
            (B, num_classes, height, width).
        """
        height, width = images.shape[-2:]
        return self.enlarge(self.scores(images))[..., :height, :width]


def stages_of(net: Classifier) -> tuple[nn.Module, nn.ModuleList, list[int]]:
    """A backbone cut up where its maps have the strides 8, 16 and 32.

    Returns:
        what standardises pixels; the three stages, each to be put after the one before; and their channels.
    """
    standardise, *layers = net.features
    if (
        net.stride == COARSEST
    ):  # ResNet's four stages come last, and the first two end at strides 4 and 8
        cuts = (layers[:-2], layers[-2:-1], layers[-1:])
        channels = [net.head.in_features // k for k in (4, 2, 1)]
    else:
        width = net.head.in_features
        cuts = (layers, [ResidualBlock(width, width, 2)], [ResidualBlock(width, width, 2)])
        channels = [width] * 3
    return standardise, nn.ModuleList(nn.Sequential(*cut) for cut in cuts), channels
