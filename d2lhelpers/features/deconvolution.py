"""The deconvolutional network: from one activation back to the pixels that caused it.

The picture climbs through the network; then a signal, one activation with all others set to zero, descends through
the same layers, each undone as well as it can be. A convolution is undone by its transpose, max-pooling by its
switches (where each maximum came from), ReLU by another ReLU.

Undone so, all layers but ReLU do to the signal what backpropagation does to a gradient. Only at ReLU do three methods
part, which is why one descent serves all of them: see `RULES`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2lhelpers.features.layers import require_layer

__all__ = ["RULES", "Step", "class_signal", "climb", "deconvolve", "descend", "strongest"]

# What ReLU lets down of a signal, given what came up to it.
RULES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    # Zeiler and Fergus 2014: what is positive on its way down
    "deconvolution": lambda signal, below: signal.relu(),
    # Simonyan et al. 2014: what was positive on its way up; then the signal is the gradient
    "gradient": lambda signal, below: signal * (below > 0),
    # Springenberg et al. 2015, guided backpropagation: both
    "guided": lambda signal, below: signal.relu() * (below > 0),
}


class Step(NamedTuple):
    """A layer on the way up: what came into it and, of max-pooling, the place of each maximum in its plane."""

    layer: nn.Module
    below: Tensor
    switches: Tensor | None


@torch.no_grad()
def climb(net: nn.Sequential, images: Tensor, layer: str) -> tuple[list[Step], Tensor]:
    """Take pictures up to a layer, and keep what the way back needs.

    Args:
        net: layers one after the other, in evaluation mode: convolutions, ReLU, max-pooling, and any that are affine,
            such as batch norm, average pooling or the standardisation of pixels.
        images: (B, C, height, width), uint8 or float in [0, 1].
        layer: the name of the last layer to go through, as in `net.named_children()`.
    Returns:
        the steps, from the bottom up, and the layer's activations (B, K, h, w).
    Raises:
        ValueError: a net that is not such a one, an unknown layer.
    Taught in chapter 12.
    """
    if not isinstance(net, nn.Sequential) or net.training:
        raise ValueError(
            f"net must be an nn.Sequential in evaluation mode, after .eval(), got {type(net).__name__}"
        )
    layers = dict(net.named_children())
    require_layer(layer, layers)
    x = images.float() / 255 if images.dtype == torch.uint8 else images
    steps = []
    for name, part in layers.items():
        below, switches = x, None
        if isinstance(part, nn.MaxPool2d):
            x, switches = F.max_pool2d(
                x, part.kernel_size, part.stride, part.padding, part.dilation, part.ceil_mode, True
            )
        elif isinstance(part, nn.ReLU):
            x = x.relu()  # never in place: `below` is needed again
        else:
            x = part(x)
        steps.append(Step(part, below, switches))
        if name == layer:
            break
    return steps, x


def strongest(activations: Tensor, channel: int) -> Tensor:
    """The signal to send down: of one channel, in each picture, the largest activation; all else 0.

    Args:
        activations: (B, K, h, w).
        channel: in 0..K - 1.
    Returns:
        (B, K, h, w).
    Raises:
        ValueError: no such channel.
    Source: Zeiler and Fergus 2014, section 2.1. Taught in chapter 12.
    """
    if not 0 <= channel < activations.shape[1]:
        raise ValueError(f"channel must lie in 0..{activations.shape[1] - 1}, got {channel}")
    plane = activations[:, channel]
    place = plane.flatten(1).argmax(dim=1)
    here = F.one_hot(place, plane[0].numel()).view_as(plane)
    signal = torch.zeros_like(activations)
    signal[:, channel] = plane * here
    return signal


@torch.no_grad()
def class_signal(head: nn.Linear, activations: Tensor, classes: Tensor) -> Tensor:
    """The signal to send down: of one class, what each activation adds to its logit, per unit.

    Args:
        head: on the average of the activations over their places, as `models.Classifier` has it.
        activations: (B, K, h, w), the last ones.
        classes: (B,) int64, one for each picture.
    Returns:
        (B, K, h, w). Sent down with the rule "gradient" it is the gradient of the logit.
    Source: Simonyan et al. 2014, section 3. Taught in chapter 12.
    """
    weights = head.weight[classes] / activations[0, 0].numel()
    return weights[:, :, None, None].expand_as(activations).contiguous()


@torch.no_grad()
def descend(steps: list[Step], signal: Tensor, rule: str = "deconvolution") -> Tensor:
    """Send a signal down the way that pictures came up.

    Args:
        steps: of `climb`.
        signal: in the shape of the last step's activations.
        rule: of `RULES`. With "gradient" and a signal of ones where the activations are summed, the result is the
            gradient of that sum.
    Returns:
        (B, C, height, width), in the pictures' shape; of any sign and size.
    Raises:
        ValueError: an unknown rule, or a layer that is neither ReLU nor max-pooling nor affine.
    Source: Zeiler and Fergus 2014, section 2.1. Taught in chapter 12.
    """
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}, got {rule!r}")
    for layer, below, switches in reversed(steps):
        if isinstance(layer, nn.ReLU):
            signal = RULES[rule](signal, below)
        elif isinstance(layer, nn.MaxPool2d):
            signal = unpool(signal, switches, below.shape)
        elif isinstance(layer, nn.Conv2d) and _pads_with_zeros(layer):
            signal = transpose(layer, signal, below.shape)
        else:
            signal = transpose_affine(layer, signal, below)
    return signal


def deconvolve(
    net: nn.Sequential, images: Tensor, layer: str, channel: int, rule: str = "deconvolution"
) -> Tensor:
    """What in each picture excites a channel most, drawn in pixels: `climb`, `strongest`, `descend`.

    Args:
        net, images, layer: as for `climb`.
        channel: of the layer.
        rule: as for `descend`.
    Returns:
        (B, C, height, width), 0 wherever the strongest activation does not look. Scale it before it is drawn.
    Raises:
        ValueError: as for the three.
    Source: Zeiler and Fergus 2014, section 2.1. Taught in chapter 12.
    """
    steps, activations = climb(net, images, layer)
    return descend(steps, strongest(activations, channel), rule)


def transpose(layer: nn.Conv2d, signal: Tensor, shape: torch.Size) -> Tensor:
    """The filters of a convolution, transposed, onto a map of the given shape (B, C, height, width); no bias."""
    # with a stride, several heights give the same one above: say how many rows are left over
    left_over = [
        size - ((above - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1)
        for size, above, stride, padding, dilation, kernel in zip(
            shape[2:], signal.shape[2:], layer.stride, layer.padding, layer.dilation,
            layer.kernel_size, strict=True,
        )
    ]  # fmt: skip
    return F.conv_transpose2d(
        signal, layer.weight, None, layer.stride, layer.padding, left_over, layer.groups,
        layer.dilation,
    )  # fmt: skip


def unpool(signal: Tensor, switches: Tensor, shape: torch.Size) -> Tensor:
    """Put each value back where its maximum came from, on a map of the given shape; all else is 0."""
    # added, where `F.max_unpool2d` writes: a value that is the maximum of two overlapping windows caused both
    below = signal.new_zeros(shape).flatten(2)
    return below.scatter_add(2, switches.flatten(2), signal.flatten(2)).view(shape)


def transpose_affine(layer: nn.Module, signal: Tensor, below: Tensor) -> Tensor:
    """The transposed Jacobian of a layer, which of an affine one is the same at every point; checked at two."""
    _, down = torch.func.vjp(layer, below)
    # neither a point with a symmetry to the first, nor a signal with one, of which a nonlinearity could make use
    _, elsewhere = torch.func.vjp(layer, 1 - 2 * below)
    probe = torch.linspace(1, 2, signal.numel()).to(signal).view_as(signal)
    (here,), (there,) = down(probe), elsewhere(probe)
    if not torch.allclose(here, there, rtol=1e-3, atol=1e-4 * float(here.abs().max())):
        raise ValueError(
            f"net: {type(layer).__name__} is neither ReLU nor max-pooling nor affine: there is no way down through it"
        )
    return down(signal)[0]


def _pads_with_zeros(layer: nn.Conv2d) -> bool:
    return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
