"""Which remedy takes which shortcut away, for the colour and for the shape of things: chapter 14."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from d2lhelpers.attention import mass_on_mask
from d2lhelpers.augment import RandomFlip
from d2lhelpers.datasets.pictures import loader
from d2lhelpers.datasets.tied import COLOURS, TiedScenes, load_tied
from d2lhelpers.experiments.runner import Experiment, Row
from d2lhelpers.models import backbone
from d2lhelpers.models.lookers import BANDWIDTH, BINS, TINTS, Looker
from d2lhelpers.remedies import RandomBackgrounds, RandomChannels, RandomMixtures, Scramble
from d2lhelpers.scenes import COLOURS as PAINTS
from d2lhelpers.train import train

__all__ = ["REMEDIES", "SHORTCUTS", "TESTS", "TiedPictures", "answers", "measure", "train_looker"]

Change = Callable[[Tensor, Tensor], Tensor]

# what is asked -> the tests in which what goes with it is taken away, piece by piece
TESTS = {
    "colours": ("as trained", "scene swapped", "shape swapped", "all different"),
    "shapes": ("as trained", "scene swapped", "colour swapped", "all different"),
}
EPOCHS, BATCH_SIZE, LR, WEIGHT_DECAY = 7, 32, 4e-3, 0.02


@dataclass(frozen=True)
class TiedPictures(Dataset):
    """Scenes with one of their three labels.

    Attributes:
        scenes: the pictures.
        label: "shapes", "colours" or "scenes".
        change: (images, masks) -> images, for each batch.
    """

    scenes: TiedScenes
    label: str
    change: Change | None = None

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        images, labels = self.__getitems__([index])
        return images[0], labels[0]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        batch = self.scenes.subset(torch.as_tensor(indices))
        images = batch.images if self.change is None else self.change(batch.images, batch.masks)
        return RandomFlip()(images), getattr(batch, self.label)


def _in_turn(*changes: Change) -> Change:
    # backgrounds, the only ones that look at the masks, come first: scrambled pictures no longer fit them
    def change(images: Tensor, masks: Tensor) -> Tensor:
        for one in changes:
            images = one(images, masks)
        return images

    return change


# what is asked -> remedy -> the network, and what is done to its pictures
REMEDIES: dict[str, dict[str, tuple[str, Change | None]]] = {
    "colours": {
        "plain": ("average", None),
        "new head": ("new head", None),
        "attention": ("attention", None),
        "attention and histogram": ("histogram", None),
        "backgrounds swapped": ("average", RandomBackgrounds()),
        "scrambled": ("average", Scramble(8)),
        "backgrounds, scrambled": ("average", _in_turn(RandomBackgrounds(), Scramble(8))),
    },
    "shapes": {
        "plain": ("average", None),
        "new head": ("new head", None),
        "attention": ("attention", None),
        "backgrounds swapped": ("average", RandomBackgrounds()),
        "channels permuted": ("average", RandomChannels()),
        "backgrounds, permuted": ("average", _in_turn(RandomBackgrounds(), RandomChannels())),
        "backgrounds, mixed": ("average", _in_turn(RandomBackgrounds(), RandomMixtures())),
        "backgrounds, mixed, attention": (
            "attention",
            _in_turn(RandomBackgrounds(), RandomMixtures()),
        ),
    },
}


def untrained(how: str) -> nn.Module:
    """A network for six classes: a way of `Looker`, or "new head", the trained `s32`, frozen, with one."""
    if how == "new head":
        net = backbone("s32", num_classes=6)
        net.features.requires_grad_(False)
        return net
    paints = torch.tensor([PAINTS[name] for name in COLOURS]) if how == "histogram" else None
    return Looker(how, 6, paints)


def train_looker(task: str, remedy: str, seed: int, epochs: int = EPOCHS) -> nn.Module:
    """A network trained on the tied scenes, with a remedy against what is tied to its label.

    Args:
        task: "colours" or "shapes".
        remedy: one of REMEDIES[task].
        seed: of its weights, its batches and the remedy's draws.
        epochs: over the training scenes.
    """
    how, change = REMEDIES[task][remedy]
    torch.manual_seed(seed)
    net = untrained(how)
    batches = loader(TiedPictures(load_tied("train"), task, change), BATCH_SIZE, shuffle=True)
    trained = [weights for weights in net.parameters() if weights.requires_grad]
    optimizer = torch.optim.AdamW(trained, LR, weight_decay=WEIGHT_DECAY, fused=True)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LR, total_steps=epochs * len(batches), pct_start=0.2
    )
    loss = nn.CrossEntropyLoss()
    train(net, batches, None, loss, optimizer, epochs, scheduler=scheduler, seed=seed, show=False)
    return net


@torch.inference_mode()
def answers(net: nn.Module, images: Tensor) -> Tensor:
    """(N,) int64, the class that the network names for each picture."""
    device = next(net.parameters()).device
    return torch.cat([net(part.to(device)).argmax(dim=1).cpu() for part in images.split(150)])


def measure(net: nn.Module, task: str) -> Row:
    """Accuracy in each test; in the last one, where all differ, also whom the network follows in place of the label."""
    row = {}
    for part in TESTS[task]:
        found = load_tied(part)
        said = answers(net, found.images)
        row[part] = (said == getattr(found, task)).float().mean().item()
    other = "shapes" if task == "colours" else "colours"
    row["follows the scene"] = (said == found.scenes).float().mean().item()
    row[f"follows the {other[:-1]}"] = (said == getattr(found, other)).float().mean().item()
    if isinstance(net, Looker) and net.pool is not None:
        with torch.inference_mode():
            weights = net.attend(found.images.to(next(net.parameters()).device))[1].cpu()
        row["mass"] = mass_on_mask(weights, found.masks).mean().item()
    return row


def trained_and_measured(task: str, remedy: str, seed: int) -> Row:
    return measure(train_looker(task, remedy, seed), task)


SHORTCUTS = Experiment(
    name="shortcuts",
    question="Scene, colour and shape go together in training: which remedy makes a network look at the right one?",
    settings={
        "data": "1500 tied scenes of 64 x 64",
        "epochs": EPOCHS,
        "batch size": BATCH_SIZE,
        "learning rate": LR,
        "weight decay": WEIGHT_DECAY,
        "histogram": {"bins": BINS, "bandwidth": BANDWIDTH, "white in the cards": TINTS},
    },
    variants={
        f"{task}, {remedy}": partial(trained_and_measured, task, remedy)
        for task, remedies in REMEDIES.items()
        for remedy in remedies
    },
)
