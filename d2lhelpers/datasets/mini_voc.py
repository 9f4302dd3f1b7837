"""Scenes written as Pascal VOC writes pictures and labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy import ndarray
from PIL import Image
from scipy.ndimage import maximum_filter, minimum_filter

from d2lhelpers.datasets.voc import VOID, voc_palette
from d2lhelpers.files import write_bytes
from d2lhelpers.scenes import Scene

Window = tuple[int, int, int, int]


def write_voc(
    folder: Path, parts: dict[str, Iterable[tuple[Scene, Window]]], classes: Sequence[str]
) -> None:
    """Write what VOCdevkit/VOC2012 holds for segmentation and detection, and the classes' names beside it.

    Args:
        folder: is made here.
        parts: "train" and "val"; scenes, each with the window (x1, y1, x2, y2) in pixels that is written of it.
        classes: the names of labels 1, 2, ...; VOC's own are fixed, so these go into `classes.txt`.
    """
    for name in ("JPEGImages", "SegmentationClass", "SegmentationObject", "Annotations"):
        (folder / name).mkdir(parents=True)
    lists: dict[str, list[str]] = {}
    for part, scenes in parts.items():
        lists[part] = []
        for number, (scene, window) in enumerate(scenes):
            name = f"{part}_{number:06}"
            _write_picture(folder, name, scene, window, classes)
            lists[part].append(name)
    lists["trainval"] = sorted(name for names in lists.values() for name in names)
    for part, names in lists.items():
        _write_lines(names, folder / "ImageSets" / "Segmentation" / f"{part}.txt")
    _write_lines(classes, folder / "classes.txt")


def _write_picture(
    folder: Path, name: str, scene: Scene, window: Window, classes: Sequence[str]
) -> None:
    x1, y1, x2, y2 = window
    instances = scene.instances[y1:y2, x1:x2]
    # what the window leaves out does not count
    present = np.unique(instances[instances > 0])
    order = np.searchsorted(present, instances) + 1
    objects = np.where(instances > 0, order, 0).astype(np.uint8)
    # a pixel that has a neighbour of another object: 2 pixels along each outline, as VOC's people drew 5 on larger ones
    border = maximum_filter(objects, 3) != minimum_filter(objects, 3)

    Image.fromarray(scene.image[y1:y2, x1:x2]).save(
        folder / "JPEGImages" / f"{name}.jpg", quality=95
    )
    for place, labels in (
        ("SegmentationClass", scene.semantic[y1:y2, x1:x2]),
        ("SegmentationObject", objects),
    ):
        picture = Image.fromarray(np.where(border, VOID, labels).astype(np.uint8))
        picture.putpalette(voc_palette().tobytes())
        picture.save(folder / place / f"{name}.png")
    labels = [classes[scene.classes[number - 1]] for number in present]
    annotation = _annotation(name, objects, labels)
    write_bytes(annotation, folder / "Annotations" / f"{name}.xml")


def _annotation(name: str, objects: ndarray, labels: Sequence[str]) -> bytes:
    """VOC's XML; its boxes are of whole pixels counted from 1, both ends inside."""
    height, width = objects.shape
    root = ElementTree.Element("annotation")
    _add(root, folder="VOC2012", filename=f"{name}.jpg")
    _add(ElementTree.SubElement(root, "size"), width=width, height=height, depth=3)
    _add(root, segmented=1)
    for number, label in enumerate(labels, 1):
        rows, columns = np.nonzero(objects == number)
        x1, x2, y1, y2 = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
        at_rim = x1 == 0 or y1 == 0 or x2 == width or y2 == height
        item = ElementTree.SubElement(root, "object")
        _add(item, name=label, pose="Unspecified", truncated=int(at_rim), difficult=0)
        _add(ElementTree.SubElement(item, "bndbox"), xmin=x1 + 1, ymin=y1 + 1, xmax=x2, ymax=y2)
    ElementTree.indent(root)
    return ElementTree.tostring(root)


def _add(parent: ElementTree.Element, **values: object) -> None:
    for tag, value in values.items():
        ElementTree.SubElement(parent, tag).text = str(value)


def _write_lines(lines: Iterable[str], path: Path) -> None:
    write_bytes("".join(f"{line}\n" for line in lines).encode(), path)
