"""The training loop against d2l's, on the CPU, in one run.

    uv run python benchmarks/train.py

The same network, pictures (the mini tier of CIFAR-10), augmentation, batch size and optimiser; d2l's `train_ch13` gets
a DataLoader of PIL images, as its book builds it. Each figure is the best of three calls, loading, training and
testing included, ours and d2l's in turn; d2l's plot is left out, which would slow it down further.
"""

import contextlib
import io
import os
import platform
import time
import warnings
from collections.abc import Callable

os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before torch: both on the CPU

import d2l.torch as d2l
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from d2lhelpers import datasets
from d2lhelpers.augment import RandomCrop, RandomFlip
from d2lhelpers.datasets import Pictures, loader
from d2lhelpers.models import backbone
from d2lhelpers.train import train

BATCH, EPOCHS, RUNS = 128, 2, 3
WORKERS = (0, 2, d2l.get_dataloader_workers())


class PilPictures(Dataset):
    """As torchvision's CIFAR10: each picture by itself, made a PIL image, transformed, made a tensor."""

    def __init__(self, pictures: Pictures, *transforms: Callable) -> None:
        self.arrays = pictures.images.permute(0, 2, 3, 1).numpy()
        self.labels = pictures.labels.tolist()
        to_tensor = [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
        self.transform = v2.Compose([*transforms, *to_tensor])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.arrays[index])), self.labels[index]


class NoPlot:
    """In place of d2l's Animator, which draws with every call."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def add(self, *_: object) -> None: ...


def new_net() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    net = backbone("s32", pretrained=False)
    return net, torch.optim.AdamW(net.parameters(), 1e-3)


def ours(data: datasets.Split) -> None:
    net, optimizer = new_net()
    augmented = v2.Compose([RandomFlip(), RandomCrop(4)])
    train(
        net,
        loader(data.train, BATCH, shuffle=True, transform=augmented),
        loader(data.test, 1000, shuffle=False),
        nn.CrossEntropyLoss(),
        optimizer,
        EPOCHS,
        show=False,
    )


def book(data: datasets.Split, workers: int) -> None:
    net, optimizer = new_net()
    augmented = (v2.RandomHorizontalFlip(), v2.RandomCrop(32, 4, padding_mode="reflect"))
    batches = DataLoader(
        PilPictures(data.train, *augmented), BATCH, shuffle=True, num_workers=workers
    )
    test_batches = DataLoader(PilPictures(data.test), 1000, num_workers=workers)
    loss = nn.CrossEntropyLoss(reduction="none")
    # on a machine without a GPU its default list of devices is empty, and it stops with an IndexError
    d2l.train_ch13(net, batches, test_batches, loss, optimizer, EPOCHS, [torch.device("cpu")])


def seconds(function: Callable, *arguments: object) -> float:
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        function(*arguments)
    return time.perf_counter() - start


def main() -> None:
    warnings.simplefilter("ignore")  # of d2l's, about plots and numbers of workers
    d2l.Animator = NoPlot
    os.environ["D2LHELPERS_DATA"] = "mini"
    data = datasets.load("cifar10")
    images = EPOCHS * len(data.train)
    best = dict.fromkeys(["ours", *WORKERS], float("inf"))
    for _ in range(RUNS):
        best["ours"] = min(best["ours"], seconds(ours, data))
        for workers in WORKERS:
            best[workers] = min(best[workers], seconds(book, data, workers))
    threads = torch.get_num_threads()
    print(
        f"Python {platform.python_version()}, torch {torch.__version__}, {platform.machine()}, {threads} threads\n"
        f"s32 on {len(data.train):,} pictures, batches of {BATCH}, {EPOCHS} epochs, each with a test\n"
    )
    print(f"{'':<34}{'images/s':>9}{'ratio':>8}")
    print(f"{'d2lhelpers.train':<34}{images / best['ours']:>9,.0f}")
    for workers in WORKERS:
        name = f"d2l.train_ch13, {workers} workers"
        print(f"{name:<34}{images / best[workers]:>9,.0f}{best[workers] / best['ours']:>7.1f}x")


if __name__ == "__main__":
    main()
