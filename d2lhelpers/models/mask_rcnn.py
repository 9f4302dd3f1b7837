"""Mask R-CNN: Faster R-CNN with a third answer for each object, which of its pixels are the object's."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2lhelpers.augment import crop_and_resize
from d2lhelpers.detection.detector import Detection
from d2lhelpers.devices import autocast
from d2lhelpers.models.rcnn import CHANNELS, STRIDE, FasterRCNN, Pool
from d2lhelpers.proposals.roi import roi_align

__all__ = ["MaskDetection", "MaskRCNN", "mask_targets", "paste_masks"]

# cells of a region's features, and of its mask. The published 14 and 28 cost more and are no better here,
# where an object is some six cells of the feature map wide.
SIDE, MASK_SIDE = 7, 14


class MaskDetection(Detection):
    """A `Detection` with masks: (K, height, width) bool, the object's pixels in the picture."""

    masks: Tensor


class MaskRCNN(FasterRCNN):
    """Faster R-CNN and a mask head.

    Args:
        num_classes: of objects.
        pool: `roi_align`, `roi_pool`, or what takes the same arguments; for classes, boxes and masks.
        pretrained: start from the shipped weights.
    Source: He et al. 2017. Taught in chapter 05.
    """

    def __init__(self, num_classes: int, pool: Pool = roi_align, pretrained: bool = True) -> None:
        super().__init__(num_classes, pool, pretrained)
        self.mask_head = nn.Sequential(
            nn.Conv2d(CHANNELS, 64, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(64, 64, 2, stride=2),
            nn.ReLU(),
            # a mask for each class: which class it is has been said elsewhere, and they need not compete
            nn.Conv2d(64, num_classes, 1),
        )

    def losses(self, images: Tensor, labels: Tensor, instances: Tensor) -> dict[str, Tensor]:
        """As of every detector, and "mask", binary cross-entropy of the objects' pixels.

        Args:
            images, labels: as for every detector.
            instances: (B, height, width) uint8, k where the pixel is of the object of row k - 1, 0 for background.
        """
        features = self.features(images)
        losses, sample = self.learn(features, labels, *images.shape[-2:])
        held = sample.classes > 0
        rois, rows, classes = sample.rois[held], sample.rows[held], sample.classes[held] - 1
        logits = self.mask_logits(features, rois, classes)
        wanted = mask_targets(instances, rois, rows)
        mask = F.binary_cross_entropy_with_logits(logits, wanted, reduction="sum")
        return {**losses, "mask": mask / max(1, wanted.numel())}

    def mask_logits(self, features: Tensor, rois: Tensor, classes: Tensor) -> Tensor:
        """For each region the mask of the class that it is of.

        Args:
            features: (B, channels, height / stride, width / stride).
            rois: (K, 5), rows (image, x1, y1, x2, y2), corners in pixels.
            classes: (K,) int64.
        Returns:
            (K, 14, 14) float32 over the region.
        """
        masks = self.mask_head(self.pool(features, rois, SIDE, 1 / STRIDE)).float()
        return masks[torch.arange(len(rois), device=rois.device), classes]

    @torch.inference_mode()
    def predict(
        self,
        images: Tensor,
        score_threshold: float = 0.05,
        iou_threshold: float = 0.5,
        most: int = 100,
    ) -> list[MaskDetection]:
        """Find objects, as every detector does, then draw the mask of each that was found."""
        found = super().predict(images, score_threshold, iou_threshold, most)
        device = next(self.parameters()).device
        images = images.to(device).contiguous(memory_format=torch.channels_last)
        counts = [len(one["labels"]) for one in found]
        number = torch.arange(len(found), device=device).repeat_interleave(
            torch.tensor(counts, device=device)
        )
        boxes = torch.cat([one["boxes"] for one in found])
        classes = torch.cat([one["labels"] for one in found])
        with autocast(device):
            # the features a second time, a small part of the whole, so that `Detector.predict` need not hand them on
            features = self.features(images)
            rois = torch.cat((number[:, None].to(boxes.dtype), boxes), dim=1)
            logits = self.mask_logits(features, rois, classes)
        each = zip(found, logits.sigmoid().split(counts), strict=True)
        return [
            {**one, "masks": paste_masks(mask, one["boxes"], *images.shape[-2:])}
            for one, mask in each
        ]


def mask_targets(instances: Tensor, rois: Tensor, rows: Tensor) -> Tensor:
    """What the masks of regions should be: their object's pixels, seen through the region.

    Args:
        instances: (B, height, width) uint8, k where the pixel is of the object of row k - 1.
        rois: (K, 5), rows (image, x1, y1, x2, y2), corners in pixels.
        rows: (K,) int64, the objects.
    Returns:
        (K, 14, 14) float32, 0 or 1.
    """
    own = instances[rois[:, 0].long()] == (rows + 1)[:, None, None]
    return (crop_and_resize(own[:, None].float(), rois[:, 1:], MASK_SIDE)[:, 0] >= 0.5).float()


def paste_masks(masks: Tensor, boxes: Tensor, height: int, width: int) -> Tensor:
    """Resize each mask to its box in the picture, bilinearly, and decide for each pixel.

    Args:
        masks: (K, side, side) in [0, 1], over the boxes.
        boxes: (K, 4), corners in pixels.
        height, width: of the picture in pixels.
    Returns:
        (K, height, width) bool; false outside the box.
    Source: He et al. 2017, section 3.1. Taught in chapter 05.
    """
    x1, y1, x2, y2 = boxes.unbind(1)
    across = torch.arange(width, device=boxes.device) + 0.5
    along = torch.arange(height, device=boxes.device) + 0.5
    # the middles of the picture's pixels, from -1 to 1 over the box, as `grid_sample` wants them; over a box without
    # width they are infinite, or no numbers, which it reads as -1: the edge, where nothing is above one half
    xs = (across - x1[:, None]) / (x2 - x1)[:, None] * 2 - 1  # [K, width]
    ys = (along - y1[:, None]) / (y2 - y1)[:, None] * 2 - 1  # [K, height]
    grid = torch.stack(torch.broadcast_tensors(xs[:, None, :], ys[:, :, None]), dim=-1)
    inside = F.grid_sample(masks[:, None], grid, align_corners=False)[:, 0]
    return inside > 0.5
