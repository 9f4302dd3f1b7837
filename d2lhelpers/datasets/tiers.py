"""Which tier of a dataset is to be used, and where its files are."""

from __future__ import annotations

import os
from pathlib import Path

from d2lhelpers.datasets.registry import REGISTRY, find
from d2lhelpers.datasets.store import contents, fetch_source

FACES = "faces"  # comes with scikit-image and has no other tier


def fetch(name: str, progress: bool = True) -> Path:
    """Download the full tier of a name in the registry, unless it is here already.

    Args:
        name: a key of REGISTRY.
        progress: bars on stderr.
    Returns:
        The folder of the dataset, or the file of the weights.
    Raises:
        ValueError: no such name.
        FetchError: it could not be had; the text says in one line what to do.
    """
    return fetch_source(find(name), progress)


def is_fetched(name: str) -> bool:
    """Whether the full tier of a name in the registry is on this machine.

    Raises:
        ValueError: no such name.
    """
    return contents(find(name)).exists()


def tier(name: str) -> str:
    """The tier that a name means now: "full" where it has been fetched, else "mini".

    D2LHELPERS_DATA=mini or =full pins the choice; "faces" is mini in any case.

    Raises:
        ValueError: no such name, or D2LHELPERS_DATA is neither.
        FileNotFoundError: "full" is asked for and not fetched.
    """
    if name == FACES:
        return "mini"
    fetched = is_fetched(name)
    pinned = os.environ.get("D2LHELPERS_DATA", "")
    if pinned not in ("", "mini", "full"):
        raise ValueError(
            f"D2LHELPERS_DATA is {pinned!r}: set it to mini or full, or unset it for what is here"
        )
    if pinned == "full" and not fetched:
        raise FileNotFoundError(
            f"D2LHELPERS_DATA is full, but {name} has not been fetched: `{command(name)}`"
        )
    return pinned or ("full" if fetched else "mini")


def folder(name: str) -> Path:
    """The folder with a dataset's files, in the layout of the full tier whichever tier it is.

    The mini tier is rendered on first use and kept in the cache.

    Args:
        name: "cifar10", "hotdog", "banana-detection" or "voc2012".
    Raises:
        ValueError: no such dataset.
        FileNotFoundError: D2LHELPERS_DATA is full and it has not been fetched.
    """
    from d2lhelpers.datasets.mini import MINI, render_mini

    if name not in MINI:
        raise ValueError(f"{name!r} is not a dataset with a folder: those are {', '.join(MINI)}")
    return contents(find(name)) if tier(name) == "full" else render_mini(name)


def weights(name: str) -> Path:
    """The file of fetched weights, to be read with `torch.load(path, weights_only=True)`.

    Args:
        name: "resnet18" or "vgg19".
    Raises:
        ValueError: no such weights.
        FileNotFoundError: they have not been fetched, or D2LHELPERS_DATA is mini, in which tier they do not exist.
    """
    names = [source.name for source in REGISTRY.values() if not source.contents]
    if name not in names:
        raise ValueError(
            f"{name!r} are no weights that can be fetched: those are {', '.join(names)}"
        )
    if tier(name) == "mini":
        remedy = (
            "unset D2LHELPERS_DATA, which is mini" if is_fetched(name) else f"`{command(name)}`"
        )
        raise FileNotFoundError(f"torchvision's {name} weights are of the full tier: {remedy}")
    return contents(find(name))


def command(name: str) -> str:
    """What to type to get the full tier."""
    return f"python -m d2lhelpers fetch {name}"
