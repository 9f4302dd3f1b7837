"""The mini tier: scenes written to disk as the full tier's files are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from d2lhelpers.datasets.cifar10 import SIDE, write_batch, write_classes
from d2lhelpers.datasets.mini_voc import write_voc
from d2lhelpers.files import cache, in_one_piece, locked, write_bytes
from d2lhelpers.scenes import CLASSES, Scene, Setting, Thing, render
from d2lhelpers.scenes.dice import Dice
from d2lhelpers.scenes.sets import renderer_version

CHOICES = 9  # a stream of random numbers that the renderer does not use

# One set's scenes are numbered from the set's own start, so that no picture is in two of them.
CIFAR10, HOTDOG, BANANAS, VOC = (k << 32 for k in (1001, 1002, 1003, 1004))

# ten of the generator's twelve, as CIFAR-10 has ten
CIFAR10_CLASSES = tuple(name for name in CLASSES if name not in ("ball", "box"))
NUM_CIFAR10 = {"train": 5000, "test": 2000}
NUM_HOTDOG = {"train": 600, "test": 400}
NUM_BANANAS = {"train": 300, "test": 60}
NUM_VOC = {"train": 300, "test": 100}


def render_mini(name: str) -> Path:
    """The folder of a mini tier, rendered on first use; a second process waits for the first.

    Args:
        name: a key of MINI.
    """
    # whatever changes a pixel or a file changes the folder's name
    version = hashlib.sha256(renderer_version().encode())
    for module in ("cifar10.py", "mini.py", "mini_voc.py", "voc.py"):
        version.update((Path(__file__).parent / module).read_bytes())
    folder = cache() / "mini" / f"{name}-{version.hexdigest()[:12]}" / name
    if not folder.exists():
        with locked(folder):
            if not folder.exists():
                with in_one_piece(folder) as temporary:
                    MINI[name](temporary)
    return folder


def write_cifar10(folder: Path) -> None:
    """Ten classes in equal numbers, one object a picture, in the files of CIFAR-10's binary version."""
    write_classes(CIFAR10_CLASSES, folder)
    for part, path in (("train", "data_batch_1.bin"), ("test", "test_batch.bin")):
        num = NUM_CIFAR10[part]
        setting = Setting(
            sizes=(0.35, 0.9), places=(0.0, 0.55), angles=(-60, 60), brightness=(0.5, 1.4), contrast=(0.2, 0.95),
            warmth=(-0.7, 0.7), occlusion=0.45, noise=(0.0, 0.08), blur=(0.4, 1.8), background=part,
        )  # fmt: skip
        labels = np.arange(num) % len(CIFAR10_CLASSES)
        images = np.empty((num, 3, SIDE, SIDE), np.uint8)
        for index, seed in enumerate(_seeds(CIFAR10, part, num)):
            thing = Thing(CIFAR10_CLASSES[labels[index]])
            fine = render(seed, 2 * SIDE, [thing], setting).image
            # the mean of each 2 x 2, which is what a camera with larger pixels would see
            coarse = fine.reshape(SIDE, 2, SIDE, 2, 3).mean((1, 3))
            images[index] = coarse.round().astype(np.uint8).transpose(2, 0, 1)
        write_batch(images, labels, folder / path)


def write_hotdog(folder: Path) -> None:
    """As many pictures with a banana as without, of various sizes and shapes, JPEGs in a folder for each class.

    Half of the other pictures hold something yellow or green, so that colour alone does not tell.
    """
    for part in ("train", "test"):
        setting = Setting(sizes=(0.35, 0.75), places=(0.0, 0.3), angles=(0, 360), background=part)
        for index, seed in enumerate(_seeds(HOTDOG, part, NUM_HOTDOG[part])):
            dice = Dice(seed, CHOICES)
            positive = index % 2 == 0
            colour = dice.pick(("yellow", "yellow", "green"))
            others = [Thing(dice.pick([name for name in CLASSES if name != "banana"])) for _ in range(2)]  # fmt: skip
            if positive:
                things = [*others[: dice.below(2)], Thing("banana", colour)]
            elif dice.chance(0.5):
                things = [*others[: dice.below(2)], Thing(others[1].class_name, colour)]
            else:
                things = others[: 1 + dice.below(2)]
            scene = render(seed, 96, things, setting)
            x1, y1, x2, y2 = crop_around(scene, dice, least=64)
            name = "banana" if positive else "not-banana"
            path = folder / part / name / f"{index // 2}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(scene.image[y1:y2, x1:x2]).save(path, quality=92)


def write_bananas(folder: Path) -> None:
    """One yellow banana a picture and a table of the boxes, as d2l's banana-detection has them."""
    for part, place in (("train", "bananas_train"), ("test", "bananas_val")):
        setting = Setting(sizes=(0.2, 0.5), angles=(0, 360), occlusion=0.05, background=part)
        images = folder / place / "images"
        images.mkdir(parents=True)
        rows = ["img_name,label,xmin,ymin,xmax,ymax"]
        for index, seed in enumerate(_seeds(BANANAS, part, NUM_BANANAS[part])):
            scene = render(seed, 256, [Thing("banana", "yellow")], setting)
            # little compression: it is a cache, and this is where the time goes
            Image.fromarray(scene.image).save(images / f"{index}.png", compress_level=1)
            box = ",".join(f"{edge:.0f}" for edge in scene.boxes[0])
            rows.append(f"{index}.png,0,{box}")
        write_bytes("".join(f"{row}\n" for row in rows).encode(), folder / place / "label.csv")


def write_voc2012(folder: Path) -> None:
    """One to four things of twelve classes a picture, tall or wide, with all of VOC's labels."""
    setting = {part: Setting(sizes=(0.25, 0.6), background=part) for part in ("train", "test")}

    def scenes(part: str) -> Iterator[tuple[Scene, tuple[int, int, int, int]]]:
        for seed in _seeds(VOC, part, NUM_VOC[part]):
            scene, dice = render(seed, 208, (1, 4), setting[part]), Dice(seed, CHOICES)
            width, height = dice.pick(((200, 160), (200, 152), (160, 200)))
            x, y = dice.below(208 - width + 1), dice.below(208 - height + 1)
            yield scene, (x, y, x + width, y + height)

    write_voc(folder, {"train": scenes("train"), "val": scenes("test")}, CLASSES)


def crop_around(scene: Scene, dice: Dice, least: int) -> tuple[int, int, int, int]:
    """A random window (x1, y1, x2, y2) in whole pixels with all of the last object in it.

    Args:
        least: pixels that each side of the window has at least.
    """
    size = len(scene.image)
    edges = []
    for low, high in scene.boxes[-1].reshape(2, 2).T:
        side = max(least, int(high - low), least + dice.below(size - least + 1))
        first, last = max(0, int(high) - side), min(int(low), size - side)
        start = first + dice.below(last - first + 1)
        edges.append((start, start + side))
    (x1, x2), (y1, y2) = edges
    return x1, y1, x2, y2


def _seeds(start: int, part: str, num: int) -> Iterator[int]:
    start += {"train": 0, "test": 1 << 31}[part]
    yield from range(start, start + num)


MINI: dict[str, Callable[[Path], None]] = {
    "cifar10": write_cifar10,
    "hotdog": write_hotdog,
    "banana-detection": write_bananas,
    "voc2012": write_voc2012,
}
