"""What attention is worth for a small object among others, for a large one alone, and where all count: chapter 13."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from d2lhelpers.attention import mass_on_mask, peaks_on_mask
from d2lhelpers.datasets.marked import MarkedPictures, load_marked
from d2lhelpers.datasets.pictures import loader
from d2lhelpers.experiments.runner import Experiment, Row
from d2lhelpers.features import activations
from d2lhelpers.models import backbone
from d2lhelpers.models.readers import READERS, MapReader
from d2lhelpers.train import train

__all__ = [
    "ATTENTION",
    "ROWS",
    "TASKS",
    "FeatureMaps",
    "feature_maps",
    "maps_of",
    "measure",
    "patch_maps",
    "train_reader",
]

TASKS = ("needle", "portrait", "crowd")
LAYERS = ("features.3", "features.4")  # blocks 2 and 3, 64 and 128 channels
PATCH = 8  # pixels on a side, the stride of those features: 192 numbers at each position as well
EPOCHS, BATCH_SIZE, LR, WEIGHT_DECAY = 7, 64, 3e-3, 0.05


@dataclass(frozen=True)
class FeatureMaps(Dataset):
    """What a frozen network makes of pictures, computed once, with their labels and masks.

    Attributes:
        maps: (N, C, h, w) float32.
        labels: (N,) int64.
        masks: (N, height, width) bool.
    """

    maps: Tensor
    labels: Tensor
    masks: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.maps[index], self.labels[index]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        index = torch.as_tensor(indices)
        return self.maps[index], self.labels[index]


def feature_maps(pictures: MarkedPictures) -> FeatureMaps:
    """Blocks 2 and 3 of the trained `s32`, one on top of the other: (N, 192, height / 8, width / 8)."""
    net = backbone("s32")
    parts = []
    for images in pictures.images.split(200):
        fine, coarse = activations(net, images, LAYERS).values()
        parts.append(torch.cat((F.avg_pool2d(fine, 2), coarse), dim=1))
    return FeatureMaps(torch.cat(parts), pictures.labels, pictures.masks)


def patch_maps(pictures: MarkedPictures) -> FeatureMaps:
    """Patches of pixels as they are, which is what a vision transformer reads: (N, 192, height / 8, width / 8)."""
    patches = F.pixel_unshuffle(pictures.images.float() / 255, PATCH)
    return FeatureMaps(patches, pictures.labels, pictures.masks)


# row of the table -> the reader, and what it reads
ROWS: dict[str, tuple[str, Callable[[MarkedPictures], FeatureMaps]]] = {
    how: (how, feature_maps) for how in READERS
} | {"vision transformer": ("transformer", patch_maps)}


def train_reader(how: str, maps: FeatureMaps, seed: int, epochs: int = EPOCHS) -> MapReader:
    """A reader, trained on the maps."""
    torch.manual_seed(seed)
    reader = MapReader(how, maps.maps.shape[1], num_classes=int(maps.labels.max()) + 1)
    batches = loader(maps, BATCH_SIZE, shuffle=True)
    optimizer = torch.optim.AdamW(reader.parameters(), LR, weight_decay=WEIGHT_DECAY, fused=True)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LR, total_steps=epochs * len(batches), pct_start=0.2
    )
    loss = nn.CrossEntropyLoss()
    train(
        reader, batches, None, loss, optimizer, epochs, scheduler=scheduler, seed=seed, show=False
    )
    return reader


@torch.inference_mode()
def measure(reader: MapReader, maps: FeatureMaps) -> Row:
    """Accuracy, and where there is a map the share of it on the object, and how often its highest place touches it."""
    device = next(reader.parameters()).device
    right, mass, hit = [], [], []
    for start in range(0, len(maps), 200):
        part = slice(start, start + 200)
        features, masks = maps.maps[part].to(device), maps.masks[part]
        right.append((reader(features).argmax(dim=1).cpu() == maps.labels[part]).float())
        weights = reader.attend(features)
        if weights is not None:
            mass.append(mass_on_mask(weights.cpu(), masks))
            hit.append(peaks_on_mask(weights.cpu(), masks).float())
    row = {"accuracy": torch.cat(right).mean().item()}
    if mass:
        row |= {"mass": torch.cat(mass).mean().item(), "hit": torch.cat(hit).mean().item()}
    return row


# of one task at a time: all readers are trained on the same maps
@lru_cache(maxsize=4)
def maps_of(
    task: str, part: str, make: Callable[[MarkedPictures], FeatureMaps] = feature_maps
) -> FeatureMaps:
    """The maps of one part of a task."""
    return make(load_marked(task, part))


def trained_and_measured(task: str, name: str, seed: int) -> Row:
    """One reader of ROWS."""
    how, make = ROWS[name]
    train_maps, test_maps = (maps_of(task, part, make) for part in ("train", "test"))
    reader = train_reader(how, train_maps, seed)
    row = measure(reader, test_maps)
    row["training accuracy"] = measure(reader, train_maps)["accuracy"]
    row["weights"] = sum(weights.numel() for weights in reader.parameters())
    return row


ATTENTION = Experiment(
    name="attention",
    question="What does attention gain for a small object, for a large one, and where all objects count?",
    settings={
        "data": "needle, portrait and crowd, 1800 pictures of 96 x 96 to train on",
        "features": "s32, blocks 2 and 3, frozen; of the vision transformer, patches of 8 x 8 pixels",
        "epochs": EPOCHS,
        "batch size": BATCH_SIZE,
        "learning rate": LR,
        "weight decay": WEIGHT_DECAY,
    },
    variants={
        f"{task}, {name}": partial(trained_and_measured, task, name)
        for task in TASKS
        for name in ROWS
    },
)
