"""Which maps show what a network has looked at? Measured on toys whose place is known: chapter 12."""

from __future__ import annotations

import copy
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from d2lhelpers.attention import mass_on_mask
from d2lhelpers.datasets.marked import CLASSES, MarkedPictures
from d2lhelpers.devices import best_device
from d2lhelpers.experiments.runner import Experiment, Row
from d2lhelpers.features import (
    RULES,
    class_signal,
    climb,
    descend,
    grad_cam,
    occlusion_map,
)
from d2lhelpers.models import Classifier, backbone
from d2lhelpers.one_cycle import one_cycle
from d2lhelpers.scenes import Setting, Thing, scene_set
from d2lhelpers.scenes.dice import Dice
from d2lhelpers.train import train

__all__ = [
    "BLOCKS", "EPOCHS", "MAPS", "SEEING", "colours_of", "heat_maps", "likeness", "masses", "pairs", "randomised",
    "single_toys", "train_classifier",
]  # fmt: skip

SIDE, PAIR_SIDE = 64, 96  # pixels
NUM, NUM_PAIRS = {"train": 1500, "test": 300}, 60
SEEDS = {"train": 3011, "test": 3012, "pairs": 3014}
EPOCHS, BATCH, RATE = 4, 50, 2e-3
FROZEN = "pool2"  # up to here the network stays as CIFAR-10 has made it
LAST = "pool4"
SQUARE, STEP = 24, 8  # of the occlusion, in pixels
BLOCKS = ("head", "conv4", "conv3", "conv2", "conv1")  # from the top down
MAPS = ("Grad-CAM", "occlusion", *RULES)


def single_toys(part: str) -> MarkedPictures:
    """One toy a picture, of six classes in turn, anywhere, about as large as the things in CIFAR-10.

    Args:
        part: "train" or "test"; the backgrounds of the test are in no training picture.
    """
    found = _singles(part)
    labels = torch.arange(NUM[part]) % len(CLASSES)
    masks = torch.from_numpy(found.instances) > 0
    return MarkedPictures(torch.from_numpy(found.images), labels, CLASSES, masks=masks)


def colours_of(part: str) -> Tensor:
    """(N,) int64, the colour of each of `single_toys`, which nothing depends on but itself."""
    return torch.from_numpy(_singles(part).colours[:, 0])


def pairs() -> tuple[Tensor, Tensor, Tensor]:
    """Two toys of different classes beside each other, on unseen photographs.

    Returns:
        images (N, 3, 96, 96) uint8, classes (N, 2) int64, masks (N, 2, 96, 96) bool.
    """
    things, labels = [], []
    for index in range(NUM_PAIRS):
        dice = Dice(SEEDS["pairs"], index)
        left = dice.below(len(CLASSES))
        right = (left + 1 + dice.below(len(CLASSES) - 1)) % len(CLASSES)
        places = ((0.27, dice.uniform(0.27, 0.73)), (0.73, dice.uniform(0.27, 0.73)))
        labels.append((left, right))
        things.append([Thing(CLASSES[k], place=p) for k, p in zip(labels[-1], places, strict=True)])
    setting = Setting(sizes=(0.3, 0.45), occlusion=0.05, background="test")
    found = scene_set(NUM_PAIRS, PAIR_SIDE, SEEDS["pairs"], things, setting)
    instances = torch.from_numpy(found.instances)
    masks = torch.stack((instances == 1, instances == 2), dim=1)
    return torch.from_numpy(found.images), torch.tensor(labels), masks


def train_classifier(seed: int, pictures: MarkedPictures, epochs: int = EPOCHS) -> Classifier:
    """The VGG of CIFAR-10, its upper half and a new head trained on six classes of toys.

    The lower half never changes, so that its maps are computed once, of each picture and its mirror image.

    Returns:
        The network, whole, in evaluation mode, on `best_device()`, frozen.
    """
    torch.manual_seed(seed)
    device = best_device()
    net = backbone("vgg", num_classes=len(CLASSES)).to(device)
    nn.init.zeros_(net.head.weight)
    names = [name for name, _ in net.features.named_children()]
    place = names.index(FROZEN) + 1
    lower, upper = net.features[:place].eval(), net.features[place:]
    both = torch.cat((pictures.images, pictures.images.flip(3)))
    with torch.no_grad():
        maps = torch.cat([lower(part.to(device)).cpu() for part in both.split(100)])
    batches = DataLoader(TensorDataset(maps, pictures.labels.repeat(2)), BATCH, shuffle=True)
    top = nn.Sequential(upper, nn.AdaptiveAvgPool2d(1), nn.Flatten(), net.head)
    optimizer, scheduler = one_cycle(top, RATE, epochs * len(batches))
    train(
        top, batches, None, F.cross_entropy, optimizer, epochs, scheduler=scheduler, seed=seed, show=False
    )  # fmt: skip
    return net.to(device).eval().requires_grad_(False)


def heat_maps(
    net: Classifier, images: Tensor, classes: Tensor, names: tuple[str, ...] = MAPS
) -> dict[str, Tensor]:
    """Where a class comes from, by several methods.

    Args:
        net: with the features of a VGG.
        images: (B, 3, height, width) float in [0, 1].
        classes: (B,) int64, asked about.
        names: some of MAPS.
    Returns:
        {name: (B, height, width)}, at least 0. Of what comes down to the pixels the sizes count, over the channels.
    """
    maps = {}
    for name in names:
        if name == "Grad-CAM":
            small = grad_cam(net, images, "features.relu4_3", classes)
            maps[name] = F.interpolate(small[:, None], images.shape[2:], mode="bilinear")[:, 0]
        elif name == "occlusion":
            maps[name] = occlusion_map(net, images, classes, SQUARE, STEP).relu()
        else:
            steps, top = climb(net.features, images, LAST)
            maps[name] = descend(steps, class_signal(net.head, top, classes), name).abs().sum(dim=1)
    return maps


def masses(maps: dict[str, Tensor], asked: Tensor, other: Tensor) -> Row:
    """For each map the mean share on the toy that was asked about, and on the other one, as "NAME" and "NAME other"."""
    row = {}
    for name, values in maps.items():
        row[name] = mass_on_mask(values[:, None], asked).mean().item()
        row[f"{name} other"] = mass_on_mask(values[:, None], other).mean().item()
    return row


def randomised(net: Classifier, down_to: str, seed: int) -> Classifier:
    """A copy whose weights, from the head down to a block, are drawn anew.

    Args:
        down_to: one of BLOCKS.
    Source: Adebayo et al. 2018, section 3.1, cascading randomisation. Taught in chapter 12.
    """
    torch.manual_seed(seed)
    copied = copy.deepcopy(net)
    layers = OrderedDict(copied.features.named_children(), head=copied.head)
    for block in BLOCKS[: BLOCKS.index(down_to) + 1]:
        for name, layer in layers.items():
            if name.startswith(block):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
    return copied


def likeness(maps1: Tensor, maps2: Tensor) -> float:
    """Spearman's rank correlation of the pixels of two maps, (B, height, width), averaged over the pictures."""

    def ranks(maps: Tensor) -> Tensor:
        order = maps.flatten(1).argsort(dim=1, stable=True)
        return order.argsort(dim=1).double()

    one, two = (r - r.mean(dim=1, keepdim=True) for r in (ranks(maps1), ranks(maps2)))
    return F.cosine_similarity(one, two, dim=1).mean().item()


def _singles(part: str):
    setting = Setting(sizes=(0.4, 0.7), places=(0.0, 0.6), occlusion=0.1, background=part)
    things = [[Thing(CLASSES[index % len(CLASSES)])] for index in range(NUM[part])]
    return scene_set(NUM[part], SIDE, SEEDS[part], things, setting)


def _measure(seed: int) -> Row:
    net = train_classifier(seed, single_toys("train"))
    device = best_device()
    test = single_toys("test")
    with torch.no_grad():
        answers = torch.cat([net(part.to(device)) for part in test.images.split(100)]).argmax(dim=1)
    row = {"accuracy": (answers.cpu() == test.labels).double().mean().item()}
    images, classes, masks = (part.to(device) for part in pairs())
    images = images / 255
    row |= masses(heat_maps(net, images, classes[:, 0]), masks[:, 0], masks[:, 1])
    for_sanity = tuple(name for name in MAPS if name != "occlusion")
    before = heat_maps(net, images, classes[:, 0], for_sanity)
    for block in BLOCKS:
        after = heat_maps(randomised(net, block, seed), images, classes[:, 0], for_sanity)
        row |= {f"{name}, {block}": likeness(before[name], after[name]) for name in for_sanity}
    return row


SEEING = Experiment(
    name="seeing",
    question="How much of a map lies on the toy it was asked about, and what is left of it in a random network?",
    settings={
        "sides": (SIDE, PAIR_SIDE),
        "numbers": (NUM, NUM_PAIRS),
        "scenes": SEEDS,
        "training": (EPOCHS, BATCH, RATE, FROZEN),
        "square": (SQUARE, STEP),
        "blocks": BLOCKS,
        "maps": MAPS,
    },
    variants={"VGG": _measure},
)
