"""Detection against d2l, on the CPU, in one run.

    uv run python benchmarks/detection.py

Target assignment and decoding on 5,444 anchors and 32 pictures; the loader alone; a whole step of training TinySSD on
the same 256 x 256 pictures: d2l's network, targets and loss against ours. d2l's own small operations are timed with as
many threads as ours. Each figure is the best of several calls, ours and d2l's in turn.
"""

import os
import platform
import types
from collections.abc import Callable

os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before torch: both on the CPU

import d2l.torch as d2l
import torch
import torchvision
from timing import best
from torch import nn

from d2lhelpers import multibox_detection, multibox_prior, multibox_target
from d2lhelpers.augment_boxes import RandomBoxFlip
from d2lhelpers.datasets import BoxedPictures, load_boxes, loader
from d2lhelpers.detection import fit
from d2lhelpers.models import TinySSD, TinyYOLO
from d2lhelpers.models.ssd import RATIOS, SIZES

BATCH = 32
SIDES = (32, 16, 8, 4, 1)  # of TinySSD's maps at 256 x 256 pixels


def anchors_of(prior: Callable) -> torch.Tensor:
    return torch.cat(
        [prior(torch.zeros(1, 1, s, s), sizes, RATIOS) for s, sizes in zip(SIDES, SIZES, strict=True)],
        dim=1,
    )  # fmt: skip


def random_labels(num: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    corner = 0.7 * torch.rand(BATCH, num, 2, generator=generator)
    side = 0.05 + 0.25 * torch.rand(BATCH, num, 2, generator=generator)
    return torch.cat((torch.zeros(BATCH, num, 1), corner, corner + side), dim=2)


def random_predictions(num_anchors: int) -> tuple[torch.Tensor, torch.Tensor]:
    """As of a trained network: a few anchors in a hundred are taken for objects."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(BATCH, 2, num_anchors, generator=generator)
    logits[:, 0] += 3
    return logits.softmax(1), 0.3 * torch.randn(BATCH, 4 * num_anchors, generator=generator)


def d2l_ssd() -> nn.Module:
    """The book's TinySSD, section 14.7, written as it is there but for its printing."""

    def down(inputs: int, outputs: int) -> nn.Sequential:
        layers = []
        for _ in range(2):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
            inputs = outputs
        return nn.Sequential(*layers, nn.MaxPool2d(2))

    net = nn.Module()
    net.stages = nn.ModuleList(
        (nn.Sequential(down(3, 16), down(16, 32), down(32, 64)), down(64, 128), down(128, 128),
         down(128, 128), nn.AdaptiveMaxPool2d((1, 1)))
    )  # fmt: skip
    widths = (64, 128, 128, 128, 128)
    net.classes = nn.ModuleList(nn.Conv2d(width, 4 * 2, 3, padding=1) for width in widths)
    net.boxes = nn.ModuleList(nn.Conv2d(width, 4 * 4, 3, padding=1) for width in widths)

    def forward(self: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        anchors, classes, boxes = [], [], []
        for k, stage in enumerate(self.stages):
            x = stage(x)
            anchors.append(d2l.multibox_prior(x, sizes=SIZES[k], ratios=RATIOS))
            classes.append(self.classes[k](x).permute(0, 2, 3, 1).flatten(1))
            boxes.append(self.boxes[k](x).permute(0, 2, 3, 1).flatten(1))
        return (
            torch.cat(anchors, 1), torch.cat(classes, 1).reshape(len(x), -1, 2), torch.cat(boxes, 1)
        )  # fmt: skip

    net.forward = types.MethodType(forward, net)
    return net


def train_d2l(pictures: BoxedPictures) -> None:
    """An epoch of the book's training: one picture at a time out of the dataset, summed over anchors by a mean."""
    net = d2l_ssd().train()
    trainer = torch.optim.SGD(net.parameters(), lr=0.2, weight_decay=5e-4)
    items = [
        (image.float(), labels)
        for image, labels in zip(pictures.images, pictures.labels, strict=True)
    ]
    for images, labels in torch.utils.data.DataLoader(items, BATCH, shuffle=True):
        trainer.zero_grad()
        anchors, classes, boxes = net(images)
        offsets, masks, wanted = d2l.multibox_target(anchors, labels)
        of_class = nn.functional.cross_entropy(
            classes.reshape(-1, 2), wanted.reshape(-1), reduction="none"
        )
        of_class = of_class.reshape(len(images), -1).mean(dim=1)
        of_box = ((boxes - offsets) * masks).abs().mean(dim=1)
        (of_class + of_box).mean().backward()
        trainer.step()


def main() -> None:
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, torchvision {torchvision.__version__}"
    )
    print(f"{'':42} {'d2l':>12} {'ours':>12}  ratio")

    def row(what: str, theirs: float, ours: float, unit: str = "ms") -> None:
        ratio = theirs / ours if unit == "ms" else ours / theirs
        print(f"{what:42} {theirs:9,.1f} {unit:2} {ours:9,.1f} {unit:2}  {ratio:.1f}")

    anchors = anchors_of(multibox_prior)
    for num in (1, 8, 40):
        labels = random_labels(num)
        pair = [
            best(lambda f=f, y=labels: f(anchors, y))
            for f in (d2l.multibox_target, multibox_target)
        ]
        row(f"targets, {BATCH} pictures, {num} boxes each", *(1000 * t for t in pair))
    predictions = random_predictions(anchors.shape[1])
    pair = [
        best(lambda f=f: f(*predictions, anchors), 1)
        for f in (d2l.multibox_detection, multibox_detection)
    ]
    row(f"detections, {BATCH} pictures", *(1000 * t for t in pair))

    bananas = load_boxes("banana-detection").train.subset(range(128))
    scenes = load_boxes("scenes").train.without_instances()
    theirs = best(lambda: train_d2l(bananas), 2)
    ours = best(lambda: fit(TinySSD(1), bananas, 1, show=False), 2)
    row("TinySSD, 256 px, training", len(bananas) / theirs, len(bananas) / ours, "/s")

    def all_batches() -> None:
        for _ in loader(scenes, BATCH, shuffle=True, transform=RandomBoxFlip()):
            pass

    print(f"{'loader alone, scenes, 128 px':42} {'':12} {len(scenes) / best(all_batches):9,.1f} /s")
    few = scenes.subset(range(512))
    for name, net in (("TinySSD", TinySSD(6)), ("TinyYOLO", TinyYOLO(6))):
        seconds = best(lambda net=net: fit(net, few, 1, show=False), 2)
        print(f"{name + ', scenes, 128 px, training':42} {'':12} {len(few) / seconds:9,.1f} /s")


if __name__ == "__main__":
    main()
