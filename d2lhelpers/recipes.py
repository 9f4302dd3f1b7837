"""How the shipped weights are made: `python -m d2lhelpers train NAME --data FOLDER`."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from d2lhelpers import datasets
from d2lhelpers.augment import RandomCrop, RandomFlip
from d2lhelpers.datasets import Split, loader
from d2lhelpers.datasets.folders import read_folders
from d2lhelpers.files import WEIGHTS
from d2lhelpers.history import History
from d2lhelpers.models import BACKBONES, Classifier, save_weights
from d2lhelpers.models.vgg import finish_vgg, vgg_with_norm
from d2lhelpers.train import evaluate_accuracy, train

__all__ = ["RECIPES", "Recipe", "read_data", "train_weights"]

FINISHED_ON = 1000  # training pictures, about


@dataclass(frozen=True)
class Recipe:
    """AdamW and one cycle of the learning rate, on flipped and shifted pictures.

    Attributes:
        epochs: passes over the training pictures.
        learning_rate: at the cycle's top, after a fifth of the way.
        batch_size, weight_decay, label_smoothing: as everywhere.
        network: what is trained, for a number of classes; None for the backbone of the recipe's name.
        finish: makes of it, and of some training pictures, the backbone that is shipped; None where it is that already.
    """

    epochs: int
    learning_rate: float = 0.01
    batch_size: int = 128
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    # a function's repr is its address, which says nothing in a file
    network: Callable[[int], Classifier] | None = field(default=None, repr=False)
    finish: Callable[[Classifier, Tensor], Classifier] | None = field(default=None, repr=False)


RECIPES = {
    "s32": Recipe(epochs=30),
    "vgg": Recipe(epochs=14, network=vgg_with_norm, finish=finish_vgg),
}


def read_data(folder: Path | None, title: str | None = None) -> Split:
    """The pictures to train a backbone on, 32 x 32 pixels.

    Args:
        folder: holds `train` and `test`, each with a folder of pictures for each class; None for CIFAR-10 as fetched.
        title: what to call them; None for the folder's name.
    Raises:
        FileNotFoundError: there is no such folder, or CIFAR-10 has not been fetched.
    """
    if folder is None:
        if datasets.tier("cifar10") != "full":
            raise FileNotFoundError(
                "shipped weights are trained on photographs: `python -m d2lhelpers fetch cifar10`, or name a folder "
                "with --data"
            )
        return datasets.load("cifar10")
    for part in ("train", "test"):
        if not (folder / part).is_dir():
            raise FileNotFoundError(
                f"--data {folder} has no folder {part}, with a folder for each class in it"
            )
    pictures = [read_folders(folder / part, 32) for part in ("train", "test")]
    return Split(title or folder.name, "full", *pictures)


def train_weights(
    name: str, data: Split, epochs: int | None = None, seed: int = 0, folder: Path | None = None
) -> tuple[Path, History]:
    """Train a backbone and write its weights beside the shipped ones.

    An interrupted training goes on where it was when the same is asked for again.

    Args:
        name: one of RECIPES.
        data: pictures to train on, and others that the accuracy is measured on.
        epochs: in place of the recipe's; a short run to try things out.
        seed: of the first weights and of the training.
        folder: where the file goes; None for beside the shipped weights.
    Returns:
        The file, which also holds its accuracy, data and classes, and the history.
    Raises:
        ValueError: no recipe for such a name.
    """
    if name not in RECIPES:
        raise ValueError(f"name must be one of {', '.join(RECIPES)}, not {name!r}")
    recipe, folder = RECIPES[name], folder or WEIGHTS
    epochs = epochs or recipe.epochs
    torch.manual_seed(seed)
    net = (recipe.network or BACKBONES[name])(len(data.train.classes))
    augment = v2.Compose([RandomFlip(), RandomCrop(4)])
    batches = loader(data.train, recipe.batch_size, shuffle=True, transform=augment)
    tests = loader(data.test, 1000, shuffle=False)
    optimizer = torch.optim.AdamW(
        net.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=epochs * len(batches), pct_start=0.2
    )
    checkpoint = folder / f".{name}-{epochs}-epochs-seed-{seed}"
    history = train(
        net,
        batches,
        tests,
        nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing),
        optimizer,
        epochs,
        scheduler=scheduler,
        seed=seed,
        checkpoint=checkpoint,
    )
    if recipe.finish:
        # from all over: pictures read from folders come class by class
        every = max(len(data.train) // FINISHED_ON, 1)
        net = recipe.finish(net.cpu(), data.train.images[::every])
    path = folder / f"{name}.safetensors"
    facts = {
        "data": str(data),
        "classes": ", ".join(data.train.classes),
        # of the file as it is: finished, with weights of 16 bits, and not in bfloat16
        "test accuracy": f"{evaluate_accuracy(net.half().float(), tests):.4f}",
        "recipe": f"{recipe}, {epochs} epochs, seed {seed}",
        "versions": f"Python {platform.python_version()}, torch {torch.__version__}, {history.device}",
    }
    save_weights(net, path, facts)
    shutil.rmtree(checkpoint)
    return path, history
