"""Where in a picture does a class come from? Two answers that need no trained explainer.

Occlusion covers a part of the picture and asks again; it takes nothing for granted but costs a forward pass for each
part. Grad-CAM weighs the channels of a late layer by the class's gradient; it costs one pass forth and one back.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from d2lhelpers.features.layers import require_layer

__all__ = ["grad_cam", "occlusion_map", "scaled_to_one"]

AT_ONCE = 128  # covered pictures in one forward pass


def grad_cam(net: nn.Module, images: Tensor, layer: str, classes: Tensor) -> Tensor:
    """Where a layer finds evidence for a class: its channels, weighted by the class's mean gradient, ReLU of the sum.

    Args:
        net: from pictures to (B, num_classes) logits, in evaluation mode. Its weights and their gradients are left as
            they are.
        images: (B, C, height, width), as the network takes them.
        layer: the module whose activations (B, K, h, w) are weighed, by its name, as "features.relu4_3".
        classes: (B,) int64, which logit is asked about in each picture.
    Returns:
        (B, h, w), at least 0, at the layer's resolution; `attention.enlarge` lays it over the picture.
    Raises:
        ValueError: an unknown layer, a network that is training, or classes of another shape or out of range.
    Source: Selvaraju et al. 2017, equations 1 and 2. Taught in chapter 12.
    """
    _require_evaluation(net)
    parts = dict(net.named_modules())
    require_layer(layer, parts)
    kept = []

    def keep(_module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
        # frozen weights leave nothing to differentiate by, so that differentiation starts here
        output = output.detach().requires_grad_()
        kept.append(output)
        return output.clone()  # the next layer may work in place

    handle = parts[layer].register_forward_hook(keep)
    try:
        with torch.enable_grad():
            scores = _class_scores(net(images), classes)
            (gradient,) = torch.autograd.grad(scores.sum(), kept[-1])
    finally:
        handle.remove()
    weights = gradient.mean(dim=(2, 3), keepdim=True)  # (B, K, 1, 1)
    return (weights * kept[-1].detach()).sum(dim=1).relu()


@torch.no_grad()
def occlusion_map(
    net: nn.Module, images: Tensor, classes: Tensor, size: int, stride: int, fill: float = 0.5
) -> Tensor:
    """How much a class's logit falls when the part around a pixel is covered by a grey square.

    Args:
        net: from pictures to (B, num_classes) logits, in evaluation mode.
        images: (B, C, height, width) float in [0, 1].
        classes: (B,) int64, which logit is asked about in each picture.
        size: of the square, in pixels; at the right and the lower edge as much of it as there is room for.
        stride: steps from one square to the next, in pixels, at most `size`, so that each pixel is covered.
        fill: the pixels' value under the square.
    Returns:
        (B, height, width), the mean fall over the squares that cover the pixel; below 0 where covering helps.
    Raises:
        ValueError: bytes in place of floats, a network that is training, classes of another shape or out of range,
            or sizes that leave pixels uncovered.
    Source: Zeiler and Fergus 2014, section 4.2. Taught in chapter 12.
    """
    _require_evaluation(net)
    if not images.is_floating_point():
        raise ValueError(f"images must be float in [0, 1], got {images.dtype}: divide bytes by 255")
    height, width = images.shape[-2:]
    if not 1 <= stride <= size <= min(height, width):
        raise ValueError(
            f"need 1 <= stride <= size <= {min(height, width)}, the picture's shorter side, "
            f"got stride {stride} and size {size}"
        )
    squares = _squares(height, width, size, stride).to(images)  # (P, height, width)
    before = _class_scores(net(images), classes)
    falls = torch.empty(len(images), len(squares)).to(before)
    for start in range(0, len(squares), max(1, AT_ONCE // len(images))):
        part = squares[start : start + max(1, AT_ONCE // len(images))]
        # [B, P, C, height, width]
        covered = images[:, None] + part[:, None] * (fill - images[:, None])
        scores = _class_scores(net(covered.flatten(0, 1)), classes.repeat_interleave(len(part)))
        falls[:, start : start + len(part)] = before[:, None] - scores.view(len(images), -1)
    return torch.einsum("bp,phw->bhw", falls, squares) / squares.sum(dim=0)


def scaled_to_one(maps: Tensor) -> Tensor:
    """Maps (B, h, w), each divided by its largest value, for a figure; one that is nowhere above 0 becomes 0."""
    largest = maps.flatten(1).amax(dim=1).clamp(min=torch.finfo(maps.dtype).tiny)
    return maps.relu() / largest[:, None, None]


def _squares(height: int, width: int, size: int, stride: int) -> Tensor:
    """(P, height, width), 1 under each square; row by row, as many as it takes to reach the far edges."""

    def spans(length: int) -> Tensor:
        starts = torch.arange(-(-(length - size) // stride) + 1) * stride
        pixel = torch.arange(length)
        return ((pixel >= starts[:, None]) & (pixel < starts[:, None] + size)).float()

    return torch.einsum("ih,jw->ijhw", spans(height), spans(width)).flatten(0, 1)


def _class_scores(logits: Tensor, classes: Tensor) -> Tensor:
    """(B,), of each picture the logit of its class."""
    if logits.ndim != 2 or classes.shape != logits.shape[:1] or classes.dtype != torch.int64:
        raise ValueError(
            f"classes must be (B,) int64 for logits (B, num_classes), got {tuple(classes.shape)} {classes.dtype} "
            f"for {tuple(logits.shape)}"
        )
    if len(classes) and not (classes.min() >= 0 and classes.max() < logits.shape[1]):
        raise ValueError(f"classes must lie in 0..{logits.shape[1] - 1}, got {classes.tolist()}")
    return logits.gather(1, classes[:, None])[:, 0]


def _require_evaluation(net: nn.Module) -> None:
    if net.training:
        raise ValueError("net must be in evaluation mode, after .eval()")
