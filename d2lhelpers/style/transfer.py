"""What style transfer makes small: the picture's distance to the one's content and to the other's style."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from d2lhelpers.colour import colour_statistics
from d2lhelpers.features import layer_reader
from d2lhelpers.style.losses import content_loss, gram, smoothness_loss, style_loss

__all__ = ["StyleTransfer", "Weights"]


@dataclass(frozen=True)
class Weights:
    """How much each loss counts. All are relative, so that one set of weights serves every network and picture.

    Attributes:
        content, style: of the mean over their layers; 1 is as far away as nothing at all is.
        colour: of the means of the colours and how they vary together, which no layer keeps by itself.
        smoothness: of the squared differences of neighbouring pixels.
    """

    content: float = 1.0
    style: float = 20.0
    colour: float = 20.0
    smoothness: float = 0.4


class StyleTransfer:
    """The losses of a picture that is to show one picture in the manner of another.

    Each layer's loss is divided by its target's own energy, the mean square: 0 for a picture that has it all, 1 for
    one in which the layer is silent. So no layer drowns another, and what weights mean does not depend on a network.

    The network is copied and frozen: only the picture is to change.

    Args:
        net: features, as `vgg_features` gives them.
        content, style: (1, 3, height, width) float in [0, 1]; their sizes may differ.
        content_layers: names, as `layer_names` lists them; deep ones keep what is there, shallow ones each pixel.
        style_layers: likewise; None for all ReLUs.
        weights: of the losses.
    Raises:
        ValueError: unknown layers, other shapes, or pictures too small for the layers.
    Source: Gatys et al. 2016, section 2, whose losses are not divided. Taught in chapter 11.
    """

    def __init__(
        self,
        net: nn.Sequential,
        content: Tensor,
        style: Tensor,
        content_layers: Sequence[str] = ("relu4_1",),
        style_layers: Sequence[str] | None = None,
        weights: Weights = Weights(),
    ) -> None:
        if style_layers is None:
            style_layers = [
                name for name, part in net.named_children() if isinstance(part, nn.ReLU)
            ]
        self.content_layers, self.style_layers = tuple(content_layers), tuple(style_layers)
        self.weights = weights
        # of a layer that serves both, one reading is enough
        layers = list(dict.fromkeys((*self.content_layers, *self.style_layers)))
        self.reader = layer_reader(copy.deepcopy(net).eval().requires_grad_(False), layers)
        with torch.no_grad():
            of_content = self._read(content, "content")
            of_style = self._read(style, "style")
            self.contents_Y = {name: of_content[name] for name in self.content_layers}
            self.styles_Y_gram = {name: gram(of_style[name]) for name in self.style_layers}
            self.colours = colour_statistics(style)

    def losses(self, image: Tensor) -> dict[str, Tensor]:
        """Each loss of a picture in the content's size, {"content", "style", "colour", "smoothness"}, unweighted."""
        values = self._read(image, "image")
        mean, covariance = colour_statistics(image)
        return {
            "content": _average(
                content_loss(values[name], Y) / _energy(Y) for name, Y in self.contents_Y.items()
            ),
            "style": _average(
                style_loss(values[name], Y) / _energy(Y) for name, Y in self.styles_Y_gram.items()
            ),
            "colour": (mean - self.colours[0]).square().mean()
            + (covariance - self.colours[1]).square().mean(),
            "smoothness": smoothness_loss(image),
        }

    def compute_loss(self, image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum, to be made small, and its terms."""
        terms = {
            name: getattr(self.weights, name) * loss for name, loss in self.losses(image).items()
        }
        return sum(terms.values()), terms

    def _read(self, picture: Tensor, name: str) -> dict[str, Tensor]:
        if picture.ndim != 4 or picture.shape[:2] != (1, 3) or not picture.is_floating_point():
            raise ValueError(
                f"{name} must be (1, 3, height, width) float, got {tuple(picture.shape)} {picture.dtype}; "
                "`as_picture` makes it so"
            )
        try:
            # the layout in which convolutions are fastest; the picture itself stays as it is, for L-BFGS
            return self.reader(picture.contiguous(memory_format=torch.channels_last))
        except RuntimeError as problem:
            raise ValueError(
                f"{name} of {picture.shape[2]} × {picture.shape[3]} pixels is too small for these layers: make it "
                f"larger, with as_picture(..., size), or take earlier layers ({problem})"
            ) from problem


def _energy(target: Tensor) -> Tensor:
    return target.square().mean().clamp(min=torch.finfo(target.dtype).tiny)


def _average(values: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(values)).mean()
