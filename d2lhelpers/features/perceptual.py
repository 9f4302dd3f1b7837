"""How different two pictures look: compared not pixel by pixel but by what a network makes of them."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from d2lhelpers.features.layers import layer_reader

__all__ = ["PerceptualDistance"]


class PerceptualDistance:
    """The mean squared difference of two pictures' features, over some layers.

    At each layer the difference is divided by the mean square of what is compared, so that layers with large
    activations do not drown the others: 0 for the same features, 2 for features that have nothing in common, the same
    for a network whose activations are a hundred times as large. The distance is the mean over the layers.

    The network is copied, frozen, and set to evaluation: a yardstick must not change while something is trained by it.
    That is also why this is not a module, whose weights an optimiser would find.

    Args:
        net: as for `layer_reader`; the copy is on its device.
        layers: their names, near the input for details, near the output for what things are.
    Raises:
        ValueError: as for `layer_reader`.
    Source: Johnson et al. 2016, section 3.2, whose loss is not divided; Zhang et al. 2018 (LPIPS) divide at each
    position by the length of its vector. Taught in chapter 12.
    """

    def __init__(self, net: nn.Module, layers: Sequence[str]) -> None:
        self.reader = layer_reader(copy.deepcopy(net).eval().requires_grad_(False), layers)

    def __call__(self, images1: Tensor, images2: Tensor) -> Tensor:
        """How far apart each pair is.

        Args:
            images1, images2: (B, C, height, width), as the network takes them; floats may carry gradients.
        Returns:
            (B,), in [0, 4], symmetric; 0 for a pair without any activation.
        Raises:
            ValueError: two shapes.
        """
        return torch.stack(list(self.by_layer(images1, images2).values())).mean(dim=0)

    def by_layer(self, images1: Tensor, images2: Tensor) -> dict[str, Tensor]:
        """The distance at each layer, {name: (B,)}."""
        if images1.shape != images2.shape:
            raise ValueError(
                "images1 and images2 must have one shape, got "
                f"{tuple(images1.shape)} and {tuple(images2.shape)}"
            )
        features1, features2 = self.reader(images1), self.reader(images2)
        return {name: _difference(features1[name], features2[name]) for name in features1}


def _difference(features1: Tensor, features2: Tensor) -> Tensor:
    """(B, ...) twice -> (B,)."""
    square, energy = (
        values.square().flatten(1).mean(dim=1)
        for values in (features1 - features2, torch.stack((features1, features2), dim=1))
    )
    return square / energy.clamp(min=torch.finfo(energy.dtype).tiny)
