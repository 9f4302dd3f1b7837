"""What `python -m d2lhelpers fetch` can bring: the full tier's files, where they are and how they are known."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Source:
    """One file on somebody's server, and how to know that it is the right one.

    Attributes:
        name: what `fetch` is asked for; one word, which is also its folder's name.
        title: what it is, for people.
        addresses: https, the publisher's first, then mirrors of the very same file. Plain http is for 127.0.0.1, so
            that tests can bring a server of their own.
        algorithm: of the digest, as hashlib names it.
        digest: lower-case hexadecimal. It alone says whether the bytes are right, whoever sent them.
        size: bytes, where known from two places.
        licence: what the publisher says about it.
        contents: of an archive, the folder in it that the course reads; empty for a file used as it is.
    Raises:
        ValueError: an address that is neither https nor on this machine, or a digest that cannot be one.
    """

    name: str
    title: str
    addresses: tuple[str, ...]
    algorithm: str
    digest: str
    size: int | None
    licence: str
    contents: str = ""

    def __post_init__(self) -> None:
        for address in self.addresses:
            if not is_safe(address) and not is_loopback(address):
                raise ValueError(f"{self.name}: {address} must begin with https://")
        if len(self.digest) != 2 * hashlib.new(self.algorithm).digest_size:
            raise ValueError(f"{self.name}: {self.digest} is no {self.algorithm} digest")

    @property
    def filename(self) -> str:
        """As the publisher calls it."""
        return PurePosixPath(urlsplit(self.addresses[0]).path).name

    @property
    def megabytes(self) -> str:
        """The size for people."""
        return "size unknown" if self.size is None else f"{self.size / 1e6:,.0f} MB"


def is_safe(address: str) -> bool:
    """Whether nobody on the way can read or change what this address sends."""
    return urlsplit(address).scheme == "https"


def is_loopback(address: str) -> bool:
    """Whether the address is on this machine, given as a number, which no name server can bend."""
    try:
        return ipaddress.ip_address(urlsplit(address).hostname or "").is_loopback
    except ValueError:
        return False


_D2L = "https://d2l-data.s3-accelerate.amazonaws.com"
_PYTORCH = "https://download.pytorch.org/models"
_WEIGHTS_LICENCE = (
    "torchvision is BSD-3-Clause; it says that weights may have terms derived from their training data, ImageNet, "
    "which is for non-commercial research and education"
)

# Digests and sizes: CIFAR-10 and VOC from the publisher's MD5 and, for SHA-256 and size, TensorFlow Datasets; the two
# of d2l from its DATA_HUB (it gives no size); the weights' SHA-256 begins with the digits in their names.
_SOURCES = (
    Source(
        name="cifar10",
        title="CIFAR-10, binary version: 60,000 pictures of 32 x 32 in ten classes (Krizhevsky 2009)",
        addresses=("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
        algorithm="sha256",
        digest="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        size=170_052_171,
        licence="none stated; its authors ask to be cited",
        contents="cifar-10-batches-bin",
    ),
    Source(
        name="hotdog",
        title="d2l's hot dogs: 2,800 photographs, half of hot dogs, half of other food",
        addresses=(
            f"{_D2L}/hotdog.zip",
            "https://apache-mxnet.s3-accelerate.amazonaws.com/gluon/dataset/hotdog.zip",
        ),
        algorithm="sha1",
        digest="fba480ffa8aa7e0febbb511d181409f899b9baa5",
        size=None,
        licence="none stated; photographs that d2l's authors took from the web",
        contents="hotdog",
    ),
    Source(
        name="banana-detection",
        title="d2l's bananas: 1,100 pictures of 256 x 256, one pasted banana in each, with its box",
        addresses=(f"{_D2L}/banana-detection.zip",),
        algorithm="sha1",
        digest="5de26c8fce5ccdea9f91267273464dc968d20d72",
        size=None,
        licence="none stated; made by d2l's authors",
        contents="banana-detection",
    ),
    Source(
        name="voc2012",
        title="Pascal VOC 2012, training and validation: 17,125 photographs, 2,913 of them segmented",
        addresses=(
            "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
            f"{_D2L}/VOCtrainval_11-May-2012.tar",
        ),
        algorithm="sha256",
        digest="e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
        size=1_999_639_040,
        licence="photographs from Flickr, under Flickr's terms of use",
        contents="VOCdevkit/VOC2012",
    ),
    Source(
        name="resnet18",
        title="ResNet-18 trained on ImageNet, torchvision's IMAGENET1K_V1",
        addresses=(f"{_PYTORCH}/resnet18-f37072fd.pth",),
        algorithm="sha256",
        digest="f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
        size=46_830_571,
        licence=_WEIGHTS_LICENCE,
    ),
    Source(
        name="vgg19",
        title="VGG-19 trained on ImageNet, torchvision's IMAGENET1K_V1",
        addresses=(f"{_PYTORCH}/vgg19-dcbb9e9d.pth",),
        algorithm="sha256",
        digest="dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        size=574_673_361,
        licence=_WEIGHTS_LICENCE,
    ),
)

REGISTRY: dict[str, Source] = {source.name: source for source in _SOURCES}


def find(name: str) -> Source:
    """The source of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in REGISTRY:
        raise ValueError(f"{name!r} cannot be fetched: the names are {', '.join(REGISTRY)}")
    return REGISTRY[name]


def provenance_table() -> str:
    """The Markdown table of the full tier that `data/README.md` shows."""
    rows = ["| name | what | from | size | hash | licence |", "|---|---|---|---|---|---|"]
    for source in REGISTRY.values():
        places = "<br>".join(f"<{address}>" for address in source.addresses)
        digest = f"{source.algorithm} `{source.digest}`"
        cells = (f"`{source.name}`", source.title, places, source.megabytes, digest, source.licence)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)
