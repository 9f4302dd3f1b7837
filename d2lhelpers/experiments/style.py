"""What chapter 11 measures beforehand: two ways to train a picture, and whether the network that judges it must have
learnt anything. And the experiment of d2l's section 14.12, for those who have its network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2lhelpers.experiments.runner import Experiment, Row
from d2lhelpers.models import average_pooling, backbone, vgg_features
from d2lhelpers.models.vgg import vgg
from d2lhelpers.orientation import coherence
from d2lhelpers.style import (
    StyleTransfer,
    Synthesis,
    SynthesizedImage,
    adam,
    as_picture,
    lbfgs,
    painting,
    photograph,
    synthesise,
    to_bytes,
)

__all__ = [
    "EVALUATIONS",
    "OPTIMISERS",
    "PAIRS",
    "SIZE",
    "STYLE_NETWORKS",
    "STYLE_SIZE",
    "as_in_the_notes",
    "judge",
    "losses_at",
    "untrained_network",
]

SIZE, STYLE_SIZE = (150, 225), (200, 300)
SMALL, STEPS = (100, 150), 10  # of the pictures that are judged
EVALUATIONS = (5, 10, 20, 40, 80, 160)  # of the loss, at which it is noted
PAIRS = (("astronaut", "night"), ("cat", "embers"), ("cup", "sun"))  # of each seed
RATES = (0.02, 0.07)  # of Adam; the second is the notes' one
JUDGED = ["1.2", "2.residual.2", "3.residual.2", "4.residual.2"]  # s32's ReLUs, from early to late


def losses_at(losses: list[float]) -> Row:
    """The smallest loss so far, after each number of evaluations, as columns by these numbers."""
    return {str(number): min(losses[:number]) for number in EVALUATIONS}


def untrained_network(seed: int) -> nn.Sequential:
    """The slim VGG as it was before its training, with averages for maxima."""
    torch.manual_seed(seed)
    return average_pooling(vgg().features.eval())


def judge(picture: Tensor, style: Tensor) -> Row:
    """How much of a painting's style a picture has, asked of those who had no part in making it.

    Args:
        picture, style: (1, 3, height, width) float in [0, 1], best of one size.
    Returns:
        "texture": distance of the Gram matrices of s32, a residual network; 0 is the painting, 1 is silence.
        "colour": distance of the colours' means and covariances.
        "coherence": of the picture's edges, by no network at all.
    """
    features = backbone("s32").eval().features
    losses = StyleTransfer(features, style, style, JUDGED[-1:], JUDGED).losses(picture)
    return {
        "texture": losses["style"].item(),
        "colour": losses["colour"].item(),
        "coherence": coherence(to_bytes(picture)),
    }


def as_in_the_notes(content: Tensor, style: Tensor, steps: int = 500) -> Synthesis:
    """The experiment of d2l's section 14.12, which the notes repeat: VGG-19, from the photograph, by Adam.

    Its layers, its maxima, its learning rate and when that falls are theirs. The losses are the course's, each divided
    by its target's energy, so that d2l's weights, which are of sums of other sizes, have no meaning here.

    Args:
        content: (1, 3, height, width) float in [0, 1], 300 x 450 as there, on the device to run on.
        style: likewise, of any size.
        steps: of Adam, 500 as there.
    Raises:
        FileNotFoundError: VGG-19's weights have to be fetched first.
    Taught in chapter 11.
    """
    transfer = StyleTransfer(
        vgg_features("vgg19").to(content.device),
        content,
        style,
        content_layers=["conv4_4"],
        style_layers=["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"],
    )
    return synthesise(transfer, content, steps, adam)


def _optimiser(optimise: Callable, evaluations_a_step: int) -> Callable[[int], Row]:
    def variant(seed: int) -> Row:
        content, style = PAIRS[seed]
        start = as_picture(photograph(content, SIZE))
        net = average_pooling(vgg_features())
        transfer = StyleTransfer(net, start, as_picture(painting(style, STYLE_SIZE)))
        made = synthesise(transfer, start, EVALUATIONS[-1] // evaluations_a_step, optimise)
        # what else the machine does meanwhile makes some evaluations long, and leaves the median alone
        ms = 1000 * np.median(np.diff(made.seconds))
        return {**losses_at(made.loss), "ms": float(ms)}

    return variant


def _adam(lr: float) -> Callable:
    def optimise(image: SynthesizedImage):
        return adam(image, lr)

    return optimise


def _judged(make: Callable[[int, Tensor, Tensor], Tensor]) -> Callable[[int], Row]:
    def variant(seed: int) -> Row:
        content, style = PAIRS[seed]
        style = as_picture(painting(style, STYLE_SIZE))
        style = F.interpolate(style, SMALL, mode="bilinear", antialias=True)
        return judge(make(seed, as_picture(photograph(content, SMALL)), style), style)

    return variant


def _by_trained(seed: int, content: Tensor, style: Tensor) -> Tensor:
    net = average_pooling(vgg_features())
    return synthesise(StyleTransfer(net, content, style), content, STEPS).image


def _by_untrained(seed: int, content: Tensor, style: Tensor) -> Tensor:
    return synthesise(StyleTransfer(untrained_network(seed), content, style), content, STEPS).image


OPTIMISERS = Experiment(
    name="style",
    question="How soon do Adam and L-BFGS make a picture with a small loss?",
    settings={
        "size": SIZE,
        "style size": STYLE_SIZE,
        "evaluations": EVALUATIONS,
        "pairs": PAIRS,
        "rates": RATES,
        "network": "vgg",
    },
    variants={
        # ten iterations take at least eleven evaluations
        "L-BFGS": _optimiser(lbfgs, 10),
        **{f"Adam, rate {lr:g}": _optimiser(_adam(lr), 1) for lr in RATES},
    },
)

STYLE_NETWORKS = Experiment(
    name="style-networks",
    question="Must the network that judges a style be trained?",
    settings={
        "size": SMALL,
        "style size": STYLE_SIZE,
        "steps": STEPS,
        "pairs": PAIRS,
        "networks": ["vgg", "vgg untrained"],
        "judge": "s32",
    },
    variants={
        "photograph": _judged(lambda seed, content, style: content),
        "trained": _judged(_by_trained),
        "untrained": _judged(_by_untrained),
        "painting": _judged(lambda seed, content, style: style),
    },
)
