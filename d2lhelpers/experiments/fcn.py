"""What skips, trained weights, a bilinear start and void are worth to an FCN: the tables of chapter 10."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from d2lhelpers.augment_masks import RandomMaskFlip
from d2lhelpers.datasets import MaskedPictures, load_masks, loader
from d2lhelpers.datasets.voc import BACKGROUND, VOID
from d2lhelpers.experiments.runner import Experiment, Row
from d2lhelpers.history import History
from d2lhelpers.models import FCN
from d2lhelpers.segmentation import (
    PixelScores,
    evaluate,
    fit,
    load_data_voc,
    near_outline,
    pixel_loss,
)
from d2lhelpers.train import train

__all__ = [
    "EPOCHS",
    "FCNS",
    "FCN_LONG",
    "LONG_EPOCHS",
    "REACH",
    "near_and_far",
    "train_and_score",
    "train_on_voc",
    "void_as_background",
]

EPOCHS = 2  # so few that the chapter can train one of them again
LONG_EPOCHS = 8
REACH = 2  # pixels beyond the void ones that are called near an outline

Transform = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def void_as_background(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Half of a batch mirrored, and void taken for background, as d2l has it."""
    images, labels = RandomMaskFlip()(images, labels)
    return images, labels.masked_fill(labels == VOID, BACKGROUND)


def near_and_far(net: FCN, pictures: MaskedPictures) -> tuple[PixelScores, PixelScores]:
    """Scores of the pixels near objects' outlines and of all others.

    Args:
        net: left in evaluation mode.
        pictures: with void along the outlines; at most REACH pixels from it is near.
    """
    near = near_outline(pictures.labels, REACH)
    parts = (pictures.labels.masked_fill(left_out, VOID) for left_out in (~near, near))
    near_scores, far_scores = (
        evaluate(net, loader(replace(pictures, labels=labels), 50, shuffle=False), pictures.classes)
        for labels in parts
    )
    return near_scores, far_scores


def train_and_score(
    make: Callable[[int], FCN],
    transform: Transform,
    epochs: int,
    seed: int,
) -> Row:
    """Train on the scenes and measure on others; void pixels never count in the measure.

    Args:
        make: from the number of classes to an untrained network.
        transform: of the batches to train on.
        epochs: passes over the scenes.
        seed: of the first weights and of the training.
    Returns:
        mIoU on "familiar" photographs and on those of the "test"; on familiar ones "near" outlines and "far" from
        them; and the "accuracy" of the test's pixels.
    """
    data = load_masks("scenes")
    torch.manual_seed(seed)
    net = make(len(data.train.classes))
    fit(net, data.train, epochs, transform=transform, seed=seed, show=False)
    familiar, test = (
        evaluate(net, loader(part, 50, shuffle=False), part.classes)
        for part in (data.familiar, data.test)
    )
    near, far = near_and_far(net, data.familiar)
    return {
        "familiar": familiar.mean_iou,
        "test": test.mean_iou,
        "near": near.mean_iou,
        "far": far.mean_iou,
        "accuracy": test.pixel_accuracy,
    }


def _variant(
    make: Callable[[int], FCN], transform: Transform | None = None, epochs: int = EPOCHS
) -> Callable[[int], Row]:
    return partial(train_and_score, make, transform or RandomMaskFlip(), epochs)


SETTINGS = {"data": "scenes", "batch size": 32, "learning rate": 0.006, "reach": REACH}

FCNS = Experiment(
    name="fcn",
    question="What are skips, trained weights, a bilinear start and ignoring void worth to an FCN?",
    settings={**SETTINGS, "epochs": EPOCHS},
    variants={
        "stride 32": _variant(partial(FCN, stride=32)),
        "stride 16": _variant(partial(FCN, stride=16)),
        "stride 8": _variant(FCN),
        "from scratch": _variant(partial(FCN, pretrained=False)),
        "random upsampling": _variant(partial(FCN, upsampling="random")),
        "void as background": _variant(FCN, void_as_background),
    },
)

FCN_LONG = Experiment(
    name="fcn-long",
    question="How far does the FCN of stride 8 get in four times that training?",
    settings={**SETTINGS, "epochs": LONG_EPOCHS},
    variants={"stride 8": _variant(FCN, epochs=LONG_EPOCHS)},
)


def train_on_voc(
    body: str = "resnet18",
    pretrained: bool = True,
    epochs: int = 5,
    batch_size: int = 32,
    crop_size: tuple[int, int] = (320, 480),
    seed: int = 0,
) -> tuple[FCN, History, PixelScores]:
    """The experiment of d2l's section 14.11 on Pascal VOC 2012: ResNet-18, stride 32, five epochs of SGD.

    As there, but void is ignored, and the score is of whole pictures. d2l minimises the sum over a batch of 32 with a
    rate of 0.001 and a weight decay of 0.001; of the mean, which is minimised here, that is 32 times the rate and a
    32nd of the decay. It reports a pixel accuracy of 0.854 and 107 images a second on two GPUs.

    Args:
        body: the backbone; "s32" is enough for the mini tier.
        pretrained: start from its trained weights.
        epochs, batch_size, crop_size: as in d2l. Another batch size has its rate in proportion.
        seed: of the first weights and of the training.
    Returns:
        the trained network, how it went with images a second, and the scores on the validation pictures.
    Raises:
        FileNotFoundError: weights that have to be fetched first.
    Taught in chapter 10.
    """
    batches, validation = load_data_voc(batch_size, crop_size)
    classes = batches.dataset.classes
    torch.manual_seed(seed)
    net = FCN(len(classes), stride=32, pretrained=pretrained, body=body)
    rate, decay = 0.001 * batch_size, 0.001 / batch_size
    optimizer = torch.optim.SGD(net.parameters(), rate, weight_decay=decay)
    history = train(net, batches, None, pixel_loss, optimizer, epochs, seed=seed, show=False)
    return net, history, evaluate(net, validation, classes)
