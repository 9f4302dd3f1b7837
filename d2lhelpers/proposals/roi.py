"""From a box of any size to features of one size: RoI pooling, and RoI align, which rounds nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from d2lhelpers.boxes import require_boxes, require_four_columns
from d2lhelpers.devices import require_same_device

__all__ = ["roi_align", "roi_pool"]

Boxes = Tensor | Sequence[Tensor]


def roi_pool(
    features: Tensor, boxes: Boxes, output_size: int | tuple[int, int], spatial_scale: float = 1.0
) -> Tensor:
    """Round each box to whole cells of the map, cut it into bins of whole cells, and take the largest value of each.

    All windows of one size are pooled at once, over the whole map, and each bin looks up its own: there are many
    bins, but few sizes of them.

    Args:
        features: (B, C, height, width), floating.
        boxes: one (K_i, 4) for each image, corners in pixels of the image, or one (K, 5), rows (image, x1, y1, x2, y2).
        output_size: bins along each side, or (down, across).
        spatial_scale: steps of the map for each pixel of the image, 1 / stride.
    Returns:
        (K, C, down, across), dtype of `features`. A bin outside the map gives 0. No gradient reaches the boxes; of
        equal values the first, row by row, has all of it, as in torchvision.
    Raises:
        ValueError: shapes other than these, bad boxes, an image that is not there, two devices.
    Source: Girshick 2015 (Fast R-CNN), section 2.1; equal to `torchvision.ops.roi_pool`. Taught in chapter 05.
    """
    image, corners, (down, across) = _prepare(features, boxes, output_size, spatial_scale)
    # C rounds halves away from zero, PyTorch to even numbers
    cells = corners * spatial_scale
    cells = cells.sign() * (cells.abs() + 0.5).floor()
    height, width = features.shape[-2:]
    top, bottom = _whole_bins(cells[:, 1], cells[:, 3], down, height)  # [K, down]
    left, right = _whole_bins(cells[:, 0], cells[:, 2], across, width)  # [K, across]
    # one row a bin: image, place, size
    bins = torch.stack(
        torch.broadcast_tensors(
            image[:, None, None],
            top[:, :, None],
            left[:, None, :],
            (bottom - top)[:, :, None],
            (right - left)[:, None, :],
        ),
        dim=-1,
    ).flatten(0, 2)  # [K * down * across, 5]
    # the sum of nothing: a part of the graph even where no bin meets the map, with a gradient of 0
    pooled = features.new_zeros(len(bins), features.shape[1]) + features[:0].sum()
    for size in bins[:, 3:].unique(dim=0).tolist():
        if 0 in size:
            continue  # outside the map
        alike = (bins[:, 3:] == bins.new_tensor(size)).all(dim=1).nonzero().squeeze(1)
        largest = F.max_pool2d(features, size, stride=1).permute(0, 2, 3, 1)
        pooled = pooled.index_put((alike,), largest[tuple(bins[alike, :3].T)])
    return pooled.view(len(image), down, across, features.shape[1]).permute(0, 3, 1, 2).contiguous()


def roi_align(
    features: Tensor,
    boxes: Boxes,
    output_size: int | tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = True,
) -> Tensor:
    """Cut each box into equal bins and average bilinear samples in each: no coordinate is rounded.

    A sample mixes two rows and two columns of the map, a bin averages samples: a bin is a weighted sum of cells, with
    weights that are a product of one for the row and one for the column. Written as a matrix, bins by cells, all
    boxes of an image are one matrix product. With few bins and small maps that is faster to train through on a CPU
    than torchvision's; its memory grows with bins times cells, and large maps are better left to torchvision.

    Args:
        features: (B, C, height, width), floating.
        boxes: one (K_i, 4) for each image, corners in pixels of the image, or one (K, 5), rows (image, x1, y1, x2, y2).
        output_size: bins along each side, or (down, across).
        spatial_scale: steps of the map for each pixel of the image, 1 / stride.
        sampling_ratio: samples along each side of a bin; below 1 as many as the bin has cells, rounded up.
        aligned: the value of a cell stands at its middle. False: at its corner, half a cell off, as at first published.
    Returns:
        (K, C, down, across), dtype of `features`. A sample more than a cell outside the map counts as 0. No gradient
        reaches the boxes, as in torchvision.
    Raises:
        ValueError: shapes other than these, bad boxes, an image that is not there, two devices.
    Source: He et al. 2017 (Mask R-CNN), section 3; equal to `torchvision.ops.roi_align`. Taught in chapter 05.
    """
    image, corners, (down, across) = _prepare(features, boxes, output_size, spatial_scale)
    batch_size, channels, height, width = features.shape
    x1, y1, x2, y2 = (corners * spatial_scale - (0.5 if aligned else 0)).unbind(1)
    rows = _bin_weights(y1, y2, down, height, sampling_ratio, aligned)  # [K, down, height]
    columns = _bin_weights(x1, x2, across, width, sampling_ratio, aligned)  # [K, across, width]
    weights = rows[:, :, None, :, None] * columns[:, None, :, None, :]
    weights = weights.view(len(image), down * across, height * width).to(features.dtype)
    # the boxes of an image side by side; images with fewer are filled up with zeros
    per_image = image.bincount(minlength=batch_size)
    most = int(per_image.max()) if len(image) else 0
    order = image.argsort(stable=True)
    place = torch.empty_like(image)
    first = per_image.cumsum(0) - per_image
    place[order] = torch.arange(len(image), device=image.device) - first[image[order]]
    stacked = weights.new_zeros(batch_size, most, *weights.shape[1:])
    stacked[image, place] = weights
    cells = features.flatten(2).transpose(1, 2)  # [B, height * width, C]
    bins = stacked.flatten(1, 2) @ cells
    bins = bins.view(batch_size, most, down, across, channels)[image, place]
    return bins.permute(0, 3, 1, 2).contiguous().to(features.dtype)


def _whole_bins(first: Tensor, last: Tensor, bins: int, size: int) -> tuple[Tensor, Tensor]:
    """(K,) first and last cell of each box -> (K, bins) int64, begin and end of its bins, cut off at the map's edge."""
    # both cells belong to the box: hence + 1, and no box without cells
    length = (last - first + 1).clamp(min=1)
    number = torch.arange(bins + 1, device=first.device, dtype=first.dtype)
    edges = number * (length / bins)[:, None]
    # outwards to whole cells: neighbouring bins may share one
    begin = (edges[:, :-1].floor() + first[:, None]).clamp(0, size)
    end = (edges[:, 1:].ceil() + first[:, None]).clamp(0, size)
    return begin.long(), end.long()


def _bin_weights(
    start: Tensor, end: Tensor, bins: int, size: int, sampling_ratio: int, aligned: bool
) -> Tensor:
    """(K, bins, size): how much each of `size` cells counts in each bin of a box from `start` to `end`, both (K,)."""
    length = end - start
    if not aligned:
        length = length.clamp(min=1)
    bin_length = length / bins
    # samples a bin, [K]; those that a box does not have are left out below
    number = bin_length.ceil() if sampling_ratio < 1 else torch.full_like(start, sampling_ratio)
    sample = torch.arange(max(1, int(number.max()) if len(number) else 1), device=start.device)
    in_bin = (sample + 0.5) * bin_length[:, None] / number[:, None].clamp(min=1)  # [K, samples]
    bin_start = start[:, None] + torch.arange(bins, device=start.device) * bin_length[:, None]
    at = bin_start[:, :, None] + in_bin[:, None, :]  # [K, bins, samples]
    counts = (sample < number[:, None])[:, None] & (at >= -1) & (at <= size)
    distance = at.clamp(0, size - 1)[..., None] - torch.arange(size, device=start.device)
    # bilinear: a cell's weight falls from 1 to 0 over one step
    weight = (1 - distance.abs()).clamp(min=0) * counts[..., None]
    return weight.sum(dim=2) / number.clamp(min=1)[:, None, None]


def _prepare(
    features: Tensor, boxes: Boxes, output_size: int | tuple[int, int], spatial_scale: float
) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Check the arguments. Returns the boxes' images (K,) int64, their corners (K, 4), and the output's two sides."""
    if features.ndim != 4 or not features.is_floating_point() or 0 in features.shape[-2:]:
        raise ValueError(
            "features must be (B, C, height, width), floating, at least 1 x 1, "
            f"got {tuple(features.shape)} {features.dtype}"
        )
    sides = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
    if len(sides) != 2 or min(sides) < 1:
        raise ValueError(f"output_size must be one or two numbers above 0, got {output_size}")
    if spatial_scale <= 0:
        raise ValueError(f"spatial_scale must be above 0, got {spatial_scale}")
    if isinstance(boxes, Tensor):
        if boxes.ndim != 2 or boxes.shape[1] != 5:
            raise ValueError(
                f"boxes must be (K, 5), rows (image, x1, y1, x2, y2), or a list, got {tuple(boxes.shape)}"
            )
        require_same_device(features=features, boxes=boxes)
        image, corners = boxes[:, 0].long(), boxes[:, 1:]
        if len(boxes) and not 0 <= image.min() <= image.max() < len(features):
            raise ValueError(
                f"boxes[:, 0] must be images in 0..{len(features) - 1}, got {image.min()} to {image.max()}"
            )
    else:
        if len(boxes) != len(features):
            raise ValueError(
                f"boxes must be one tensor for each of {len(features)} images, got {len(boxes)}"
            )
        for number, one in enumerate(boxes):
            require_four_columns(one, f"boxes[{number}]")
            require_same_device(features=features, boxes=one)
        counts = torch.tensor(
            [len(one) for one in boxes], dtype=torch.int64, device=features.device
        )
        image = torch.arange(len(boxes), device=features.device).repeat_interleave(counts)
        corners = torch.cat(list(boxes)) if len(boxes) else features.new_zeros(0, 4)
    require_boxes(corners, "boxes")
    # places on the map want more digits than bfloat16 has
    precise = torch.promote_types(features.dtype, torch.float32)
    return image, corners.detach().to(precise), sides
