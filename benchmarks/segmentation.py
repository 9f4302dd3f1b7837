"""Segmentation's data against d2l, on the CPU, in one run.

    uv run python benchmarks/segmentation.py

The loader alone, memory a picture, the table of colours and its use, all on the same files in VOC's layout: the full
tier where it has been fetched, else the mini tier. Each figure is the best of several calls, ours and d2l's in turn.
The loader first runs in one process, so that it is the work that is compared, and then, where there are cores for
them, with the processes that each would have: d2l four, ours as `load_data_voc` has them. Last an epoch of training
the FCN of d2l's section 14.11, ResNet-18 and stride 32 (with untrained weights, which takes the same time).
"""

import contextlib
import io
import os
import pickle
import platform
import warnings

os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before torch: both on the CPU

import d2l.torch as d2l
import torch
import torchvision
from timing import best
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, Subset

from d2lhelpers import (
    VOCSegDataset,
    datasets,
    read_voc_images,
    voc_colormap2label,
    voc_label_indices,
)
from d2lhelpers.models import FCN
from d2lhelpers.segmentation import pixel_loss
from d2lhelpers.segmentation.loading import num_workers
from d2lhelpers.train import train

BATCH = 32
CLASSES, TRAINED_ON = 21, 128  # pictures of an epoch
CROP = {"mini": (128, 128), "full": (320, 480)}


def images_per_second(dataset: Dataset, workers: int = 0) -> float:
    """Epochs of a loader to train with, nothing else; its processes are started before."""
    batches = DataLoader(
        dataset, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    return len(dataset) / best(lambda: sum(len(images) for images, _ in batches))


def d2l_dataset(crop_size: tuple[int, int], place: str) -> Dataset:
    # it prints how many pictures it has read, and torchvision says that its reading of files is to go
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        return d2l.VOCSegDataset(True, crop_size, place)


def train_d2l(dataset: Dataset) -> None:
    """An epoch of the book's training; its loop itself stops where there is no GPU."""
    layers = list(torchvision.models.resnet18().children())[:-2]
    up = nn.ConvTranspose2d(CLASSES, CLASSES, kernel_size=64, padding=16, stride=32)
    net = nn.Sequential(*layers, nn.Conv2d(512, CLASSES, kernel_size=1), up).train()
    trainer = torch.optim.SGD(net.parameters(), lr=0.001, weight_decay=1e-3)
    for images, labels in DataLoader(dataset, BATCH, shuffle=True, drop_last=True):
        trainer.zero_grad()
        F.cross_entropy(net(images), labels, reduction="none").mean(1).mean(1).sum().backward()
        trainer.step()


def train_ours(dataset: Dataset) -> None:
    net = FCN(CLASSES, stride=32, pretrained=False, body="resnet18")
    trainer = torch.optim.SGD(net.parameters(), lr=0.032, weight_decay=1e-3 / 32)
    train(net, DataLoader(dataset, BATCH, shuffle=True), None, pixel_loss, trainer, 1, show=False)


def main() -> None:
    tier, place = datasets.tier("voc2012"), datasets.folder("voc2012")
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, torchvision {torchvision.__version__}, VOC 2012 {tier} tier"
    )
    print(f"{'':38} {'d2l':>16} {'ours':>16}  ratio")

    def row(what: str, theirs: float, ours: float, unit: str) -> None:
        ratio = ours / theirs if unit == "/s" else theirs / ours
        print(f"{what:38} {theirs:12,.2f} {unit:3} {ours:12,.2f} {unit:3}  {ratio:.1f}")

    theirs_table, ours_table = d2l.voc_colormap2label(), voc_colormap2label()
    pair = (best(f) for f in (d2l.voc_colormap2label, voc_colormap2label))
    row("voc_colormap2label, time", *(1000 * seconds for seconds in pair), "ms")
    row("voc_colormap2label, size", theirs_table.nbytes / 1024, ours_table.nbytes / 1024, "KiB")

    _, colours = read_voc_images(place, is_train=False)
    pair = (
        best(lambda f=f, t=t: [f(one, t) for one in colours]) / len(colours)
        for f, t in ((d2l.voc_label_indices, theirs_table), (voc_label_indices, ours_table))
    )
    row("voc_label_indices, a picture", *(1000 * seconds for seconds in pair), "ms")

    size = CROP[tier]
    theirs, ours = d2l_dataset(size, str(place)), VOCSegDataset(True, size, place)
    kept = sum(one.nbytes for one in (*theirs.features, *theirs.labels)) / len(theirs)
    row("memory, a picture", kept / 1024, len(pickle.dumps(ours)) / len(ours) / 1024, "KiB")
    pair = [images_per_second(dataset) for dataset in (theirs, ours)]
    row(f"loader alone, {size[0]} x {size[1]} crops", *pair, "/s")
    if num_workers():
        pair = [images_per_second(theirs, 4), images_per_second(ours, num_workers())]
        row(f"with 4 processes, and with {num_workers()}", *pair, "/s")

    number = min(TRAINED_ON, len(theirs)) // BATCH * BATCH
    pair = [
        number / best(lambda f=f, d=d: f(Subset(d, range(number))), 2)
        for f, d in ((train_d2l, theirs), (train_ours, ours))
    ]
    row("training FCN-32 on ResNet-18", *pair, "/s")


if __name__ == "__main__":
    main()
