"""The region proposal network: at every cell of the feature map, is something here, and where exactly?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2lhelpers.anchors import multibox_prior, offset_boxes, offset_inverse
from d2lhelpers.boxes import clip_boxes, pairwise_iou
from d2lhelpers.detection.suppression import nms
from d2lhelpers.proposals.sampling import real_boxes, sample_balanced

__all__ = ["AnchorOutputs", "ProposalNetwork", "anchor_targets"]

BACKGROUND, IGNORED = -1, -2


class AnchorOutputs(NamedTuple):
    """What the network says about a batch.

    anchors: (A, 4) float32, corners in fractions of the picture.
    logits: (B, A) float32, above 0 where it is likelier than not that the anchor holds an object.
    offsets: (B, A, 4) float32, from the anchor to the object, as `offset_boxes` makes them.
    """

    anchors: Tensor
    logits: Tensor
    offsets: Tensor


class ProposalNetwork(nn.Module):
    """A 3 x 3 convolution that looks around, then two 1 x 1 for each anchor's objectness and offsets.

    Args:
        channels: of the feature map.
        sizes: of the anchors, in heights of the picture.
        ratios: their widths over heights; every size comes in every ratio.
    Source: Ren et al. 2015 (Faster R-CNN), section 3. Taught in chapter 05.
    """

    def __init__(
        self,
        channels: int,
        sizes: Sequence[float] = (0.1, 0.16, 0.26),
        ratios: Sequence[float] = (1, 2, 0.5),
    ) -> None:
        super().__init__()
        self.sizes, self.ratios = tuple(sizes), tuple(ratios)
        per_cell = len(self.sizes) * len(self.ratios)
        self.around = nn.Conv2d(channels, channels, 3, padding=1)
        self.objectness = nn.Conv2d(channels, per_cell, 1)
        self.offsets = nn.Conv2d(channels, 4 * per_cell, 1)

    def forward(self, features: Tensor) -> AnchorOutputs:
        """(B, channels, height, width) -> what it says about A = height * width * sizes * ratios anchors."""
        around = F.relu(self.around(features))
        # channels last: the anchors of a cell side by side, cells row by row, as `anchors` has them
        logits = self.objectness(around).permute(0, 2, 3, 1).flatten(1).float()
        offsets = self.offsets(around).permute(0, 2, 3, 1).reshape(*logits.shape, 4).float()
        return AnchorOutputs(self.anchors(features), logits, offsets)

    def anchors(self, features: Tensor) -> Tensor:
        """(A, 4) float32, corners in fractions of the picture; of a cell, all ratios of a size side by side."""
        cells = torch.empty(features.shape[-2:], device=features.device)
        # one size at a time, because `multibox_prior` combines only the first one with all ratios
        each = [
            multibox_prior(cells, [size], self.ratios).view(-1, len(self.ratios), 4)
            for size in self.sizes
        ]
        return torch.cat(each, dim=1).flatten(0, 1)

    def losses(self, outputs: AnchorOutputs, labels: Tensor, number: int = 64) -> dict[str, Tensor]:
        """Over anchors drawn from each picture, at most half of them positive.

        Args:
            labels: (B, G, 5), rows (class, x1, y1, x2, y2), corners in fractions; class -1 is padding.
            number: anchors drawn from each picture.
        Returns:
            "objectness", binary cross-entropy, and "proposal_box", smooth L1 of the positives' offsets; both are sums
            divided by the number drawn.
        """
        truths, _ = real_boxes(labels, 1, 1)
        target = anchor_targets(outputs.anchors, labels)
        index, drawn = sample_balanced(target >= 0, target == BACKGROUND, number, fraction=0.5)
        picture, place = drawn.nonzero(as_tuple=True)
        anchor = index[picture, place]
        row, logits = target[picture, anchor], outputs.logits[picture, anchor]
        objectness = F.binary_cross_entropy_with_logits(
            logits, (row >= 0).to(logits.dtype), reduction="sum"
        )
        held = row >= 0
        picture, anchor, row = picture[held], anchor[held], row[held]
        wanted = offset_boxes(outputs.anchors[anchor], truths[picture, row])
        box = F.smooth_l1_loss(outputs.offsets[picture, anchor], wanted, reduction="sum")
        count = max(1, len(held))
        return {"objectness": objectness / count, "proposal_box": box / count}

    @torch.no_grad()
    def propose(
        self,
        outputs: AnchorOutputs,
        height: int,
        width: int,
        most: int = 100,
        iou_threshold: float = 0.7,
        smallest: float = 4,
    ) -> list[Tensor]:
        """The best anchors of each picture, moved by their offsets, cut off at its edge, one for each place.

        Args:
            height, width: of the picture in pixels.
            most: proposals for each picture; four times as many anchors compete for them.
            iou_threshold: in [0, 1], for suppression.
            smallest: shortest side in pixels; smaller ones are dropped.
        Returns:
            for each picture (P, 4) float32, corners in pixels, the likeliest first. No gradient goes through them.
        """
        scores, index = outputs.logits.topk(min(4 * most, len(outputs.anchors)), dim=1)
        offsets = outputs.offsets.gather(1, index[..., None].expand(-1, -1, 4))
        boxes = clip_boxes(offset_inverse(outputs.anchors[index], offsets), 1, 1)
        boxes = boxes * boxes.new_tensor([width, height, width, height])
        large = (boxes[..., 2:] - boxes[..., :2]).amin(dim=-1) >= smallest
        found = []
        for box, score, keep in zip(boxes, scores, large, strict=True):
            box = box[keep]
            found.append(box[nms(box, score[keep], iou_threshold)[:most]])
        return found


def anchor_targets(
    anchors: Tensor, labels: Tensor, positive_from: float = 0.7, negative_below: float = 0.3
) -> Tensor:
    """Which object each anchor should find. Some are left out: neither an object's nor clearly background.

    An anchor is positive if it overlaps an object by at least `positive_from`, or if no anchor overlaps some object
    more, however little that is: so every object has one, unless another object that overlaps it more needs the same.

    Args:
        anchors: (A, 4), corners in fractions of the picture.
        labels: (B, G, 5), rows (class, x1, y1, x2, y2), corners in fractions; class -1 is padding. G may be 0.
        positive_from, negative_below: IoU.
    Returns:
        (B, A) int64, the row of the object; -1 for background, -2 for neither.
    Raises:
        ValueError: bad labels.
    Source: Ren et al. 2015 (Faster R-CNN), section 3.1.2. Taught in chapter 05.
    """
    truths, _ = real_boxes(labels, 1, 1)
    # padding is empty and overlaps nothing; one row more of it, so that no picture is without a row
    iou = pairwise_iou(F.pad(truths, (0, 0, 0, 1)), anchors)  # [B, G + 1, A]
    best, row = iou.max(dim=1)  # [B, A]
    target = torch.where(best < negative_below, BACKGROUND, IGNORED)
    target = torch.where(best >= positive_from, row, target)
    most = iou.amax(dim=2, keepdim=True)
    value, row = torch.where((iou == most) & (most > 0), iou, -1).max(dim=1)
    return torch.where(value >= 0, row, target)
