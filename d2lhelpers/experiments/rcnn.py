"""What each step of the R-CNN family costs and finds, and what rounding costs a mask: the tables of chapter 05."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from d2lhelpers.boxes import box_iou
from d2lhelpers.datasets import BoxedPictures, load_boxes, loader
from d2lhelpers.detection import truths_of
from d2lhelpers.devices import autocast
from d2lhelpers.experiments.detectors import milliseconds_an_image, searching, train_and_score
from d2lhelpers.experiments.runner import Experiment, Row
from d2lhelpers.models import RCNN, FasterRCNN, FastRCNN, MaskRCNN
from d2lhelpers.models.mask_rcnn import paste_masks
from d2lhelpers.proposals import roi_align, roi_pool

__all__ = [
    "EPOCHS",
    "LONG",
    "NUMBERS",
    "PICTURES",
    "RCNNS",
    "is_small",
    "mask_overlap",
    "proposals_of",
    "recall_at",
    "training_pictures",
]

# So few that the chapter can train one of them again; R-CNN takes five times as long for them as Faster R-CNN.
PICTURES, EPOCHS = 1000, 4
# pictures and epochs for which Faster R-CNN takes about as long as R-CNN does for the above
LONG = 3000, 3
NUMBERS = (10, 25, 50, 100, 200)  # proposals a picture


def training_pictures(number: int = PICTURES, masks: bool = False) -> BoxedPictures:
    """The first of the scenes to train on, with instances or without."""
    pictures = load_boxes("scenes").train.subset(torch.arange(number))
    return pictures if masks else pictures.without_instances()


def recall_at(
    proposals: Sequence[Tensor], truths: Sequence[dict[str, Tensor]], numbers: Sequence[int]
) -> list[float]:
    """The share of all objects that one of the first few proposals overlaps by half, for each number of them.

    Args:
        proposals: for each picture (P_i, 4), corners in pixels, the best first.
        truths: as from `truths_of`, in the same order.
        numbers: of proposals that are looked at in each picture.
    Raises:
        ValueError: not one tensor of proposals for each picture.
    Source: Hosang et al. 2016, What makes for effective detection proposals? Taught in chapter 05.
    """
    if len(proposals) != len(truths):
        raise ValueError(
            f"proposals must be one tensor for each of {len(truths)} pictures, got {len(proposals)}"
        )
    overlaps = [
        box_iou(truth["boxes"], boxes) for truth, boxes in zip(truths, proposals, strict=True)
    ]
    found = [
        torch.cat([(iou[:, :number] >= 0.5).any(dim=1) for iou in overlaps]) for number in numbers
    ]
    return [one.float().mean().item() for one in found]


@torch.inference_mode()
def proposals_of(detector: FasterRCNN, images: Tensor, most: int = max(NUMBERS)) -> list[Tensor]:
    """For each picture (P, 4), corners in pixels, on the CPU, the likeliest first.

    Args:
        detector: left in evaluation mode.
        images: (B, 3, height, width), uint8 or float in [0, 1].
        most: proposals for each picture.
    """
    detector.eval()
    device = next(detector.parameters()).device
    found = []
    for batch in images.split(50):
        outputs = detector.rpn(detector.features(batch.to(device)))
        found += detector.rpn.propose(outputs, *images.shape[-2:], most=most)
    return [one.cpu() for one in found]


@torch.inference_mode()
def mask_overlap(detector: MaskRCNN, pictures: BoxedPictures) -> Tensor:
    """How well the mask head outlines objects whose box and class it is told.

    The true boxes, so that it is the masks that are compared, and not which objects were found.

    Args:
        detector: left in evaluation mode.
        pictures: with instances.
    Returns:
        (N,) float32, the IoU of each object's mask with the object's pixels, picture by picture.
    """
    detector.eval()
    device = next(detector.parameters()).device
    overlaps = []
    for images, labels, instances in loader(pictures, 50, shuffle=False):
        images, labels, instances = images.to(device), labels.to(device), instances.to(device)
        size = images.shape[-2:]
        image, row = (labels[..., 0] >= 0).nonzero(as_tuple=True)
        truth = torch.cat([one["boxes"] for one in truths_of(labels, *size)])
        rois = torch.cat((image[:, None].to(truth.dtype), truth), dim=1)
        with autocast(device):
            features = detector.features(images.contiguous(memory_format=torch.channels_last))
            logits = detector.mask_logits(features, rois, labels[image, row, 0].long())
        masks = paste_masks(logits.sigmoid(), truth, *size)
        own = instances[image] == (row + 1)[:, None, None]
        both, either = (masks & own).sum(dim=(1, 2)), (masks | own).sum(dim=(1, 2))
        overlaps.append(both / either.clamp(min=1))
    return torch.cat(overlaps).cpu()


def of_search(make: Callable[..., RCNN], seed: int) -> Row:
    """Train a detector that gets its proposals from selective search, and measure it.

    Returns:
        "ap50", "ap" and "small" on unseen scenes; "ms" a picture, "network ms" of them after the search; "minutes" of
        training, searches included.
    """
    test = load_boxes("scenes").test
    detector, row = train_and_score(searching(make), seed, training_pictures(), test, EPOCHS)
    # by now all have been searched
    ms = milliseconds_an_image(detector, test.images)
    return row | {"network ms": ms}


def of_rpn(number: int, epochs: int, seed: int) -> Row:
    """As `of_search`, for Faster R-CNN, whose proposals are its own.

    Returns:
        also "recall 10", "recall 25" and so on, of its proposals.
    """
    test = load_boxes("scenes").test
    detector, row = train_and_score(FasterRCNN, seed, training_pictures(number), test, epochs)
    proposals = proposals_of(detector, test.images)
    recalls = recall_at(proposals, truths_of(test.labels, *test.images.shape[-2:]), NUMBERS)
    named = {f"recall {n}": share for n, share in zip(NUMBERS, recalls, strict=True)}
    return row | {"network ms": row["ms"]} | named


def of_masks(pool: Callable[..., Tensor], seed: int) -> Row:
    """As `of_search`, for Mask R-CNN.

    Returns:
        also "mask iou", the mean over all objects, see `mask_overlap`, and "small mask iou" over those below an eighth
        of the picture's side.
    """
    make = partial(MaskRCNN, pool=pool)
    test = load_boxes("scenes").test
    detector, row = train_and_score(make, seed, training_pictures(masks=True), test, EPOCHS)
    overlaps = mask_overlap(detector, test)
    small = is_small(test)
    return row | {
        "mask iou": overlaps.mean().item(),
        "small mask iou": overlaps[small].mean().item(),
    }


def is_small(pictures: BoxedPictures) -> Tensor:
    """(N,) bool, which of the objects have a side, the root of the area, below an eighth of the picture's."""
    boxes = pictures.labels[pictures.labels[..., 0] >= 0][:, 1:]
    return (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).sqrt() < 1 / 8


RCNNS = Experiment(
    name="rcnn",
    question="What does each step from R-CNN to Mask R-CNN cost and find, and what does rounding cost a mask?",
    settings={
        "data": "scenes",
        "pictures": PICTURES,
        "epochs": EPOCHS,
        "long": LONG,
        "batch size": 32,
        "learning rate": 0.003,
    },
    variants={
        "R-CNN": partial(of_search, RCNN),
        "Fast R-CNN": partial(of_search, FastRCNN),
        "Faster R-CNN": partial(of_rpn, PICTURES, EPOCHS),
        "Faster R-CNN, long": partial(of_rpn, *LONG),
        "Mask R-CNN, align": partial(of_masks, roi_align),
        "Mask R-CNN, pool": partial(of_masks, roi_pool),
    },
)
