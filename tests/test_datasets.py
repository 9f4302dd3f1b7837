"""The two tiers, the readers, and the mini tier's files read by the libraries that read the full tier's."""

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
import torchvision
from d2l import torch as d2l
from PIL import Image
from torchvision.transforms.v2 import functional

from d2lhelpers import datasets, files
from d2lhelpers.datasets import labelled, mini, registry, tiers
from d2lhelpers.datasets.cifar10 import (
    RECORD,
    read_batches,
    read_classes,
    write_batch,
    write_classes,
)
from d2lhelpers.datasets.folders import read_folders
from d2lhelpers.datasets.mini_voc import write_voc
from d2lhelpers.datasets.registry import REGISTRY
from d2lhelpers.datasets.store import contents
from d2lhelpers.datasets.voc import VOC_CLASSES, VOID, voc_palette
from d2lhelpers.scenes import CLASSES, Scene, Setting, Thing, render
from d2lhelpers.scenes.dice import Dice


@pytest.fixture(scope="module")
def small():
    """Few pictures in each mini tier, so that they are rendered quickly."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mini, "NUM_CIFAR10", {"train": 20, "test": 10})
        patch.setattr(mini, "NUM_HOTDOG", {"train": 12, "test": 8})
        patch.setattr(mini, "NUM_BANANAS", {"train": 4, "test": 2})
        patch.setattr(mini, "NUM_VOC", {"train": 8, "test": 4})
        yield


@pytest.fixture(scope="module")
def rendered(small, tmp_path_factory):
    """A cache in which each mini tier is rendered once for this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("D2LHELPERS_HOME", str(tmp_path_factory.mktemp("home")))
        yield {name: datasets.folder(name) for name in mini.MINI}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder of its own for what is fetched and cached, and no tier pinned."""
    monkeypatch.setenv("D2LHELPERS_HOME", str(tmp_path))
    monkeypatch.delenv("D2LHELPERS_DATA")
    return tmp_path


def pretend_fetched(name):
    """An empty folder or file where the full tier would be."""
    path = contents(REGISTRY[name])
    if REGISTRY[name].contents:
        path.mkdir(parents=True)
    else:
        path.parent.mkdir(parents=True)
        path.touch()
    return path


# --------------------------------------------------------------------------------------------------- registry


def test_addresses_are_https_and_mirrors_have_the_same_file():
    for name, source in REGISTRY.items():
        assert source.name == name
        for address in source.addresses:
            assert address.startswith("https://")
            assert address.endswith(f"/{source.filename}")


@pytest.mark.parametrize("name", ["hotdog", "banana-detection"])
def test_digests_of_d2l_are_those_of_d2l(name):
    # hotdog is registered by the book's text only
    digest = d2l.DATA_HUB.get(name, (None, "fba480ffa8aa7e0febbb511d181409f899b9baa5"))[1]
    assert (REGISTRY[name].algorithm, REGISTRY[name].digest) == ("sha1", digest)


@pytest.mark.parametrize("name", ["resnet18", "vgg19"])
def test_weights_are_those_that_torchvision_means(name):
    known = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    source = REGISTRY[name]
    assert source.addresses == (known.url,)
    assert source.filename.removesuffix(".pth").split("-")[1] == source.digest[:8]
    assert source.size / 2**20 == pytest.approx(known.meta["_file_size"], abs=0.001)


def test_the_table_of_sources_is_in_data_readme():
    text = (files.ROOT / "data" / "README.md").read_text(encoding="utf-8")
    begin, end = "<!-- sources:begin -->\n", "\n<!-- sources:end -->"
    shown = text.partition(begin)[2].partition(end)[0]
    assert shown == registry.provenance_table(), (
        f"put what d2lhelpers.datasets.registry.provenance_table() returns between {begin!r} and {end!r}"
    )


# ------------------------------------------------------------------------------------------------------ tiers


def test_the_tier_follows_what_is_fetched(home):
    assert datasets.tier("voc2012") == "mini"
    pretend_fetched("voc2012")
    assert datasets.is_fetched("voc2012")
    assert datasets.tier("voc2012") == "full"
    assert datasets.folder("voc2012") == home / "downloads/voc2012/VOCdevkit/VOC2012"


def test_the_tier_can_be_pinned(home, monkeypatch):
    monkeypatch.setenv("D2LHELPERS_DATA", "full")
    with pytest.raises(FileNotFoundError, match="`python -m d2lhelpers fetch voc2012`"):
        datasets.tier("voc2012")
    pretend_fetched("voc2012")
    assert datasets.tier("voc2012") == "full"
    monkeypatch.setenv("D2LHELPERS_DATA", "mini")
    assert datasets.tier("voc2012") == "mini"
    assert datasets.is_fetched("voc2012")


def test_an_unknown_tier_or_name_is_refused(home, monkeypatch):
    with pytest.raises(ValueError, match="'voc' cannot be fetched: the names are cifar10, "):
        datasets.tier("voc")
    with pytest.raises(ValueError, match="'faces' is not a dataset with a folder"):
        datasets.folder("faces")
    with pytest.raises(ValueError, match="'resnet18' is not a dataset with a folder"):
        datasets.folder("resnet18")
    monkeypatch.setenv("D2LHELPERS_DATA", "large")
    with pytest.raises(ValueError, match="D2LHELPERS_DATA is 'large'"):
        datasets.tier("voc2012")


def test_weights_are_of_the_full_tier_only(home, monkeypatch):
    with pytest.raises(FileNotFoundError, match="`python -m d2lhelpers fetch resnet18`"):
        datasets.weights("resnet18")
    path = pretend_fetched("resnet18")
    assert datasets.weights("resnet18") == path
    monkeypatch.setenv("D2LHELPERS_DATA", "mini")
    with pytest.raises(FileNotFoundError, match="unset D2LHELPERS_DATA"):
        datasets.weights("resnet18")
    with pytest.raises(ValueError, match=r"'cifar10' are no weights .* resnet18, vgg19"):
        datasets.weights("cifar10")


# ------------------------------------------------------------------------------------------------ mini folders


def test_a_mini_tier_is_rendered_once_and_in_one_piece(small, home, monkeypatch):
    calls = []
    monkeypatch.setitem(mini.MINI, "cifar10", lambda f: (calls.append(f), mini.write_cifar10(f)))
    first = datasets.folder("cifar10")
    assert datasets.folder("cifar10") == first
    assert len(calls) == 1
    assert calls[0] != first

    def stopped(folder):
        folder.mkdir()
        (folder / "half").touch()
        raise KeyboardInterrupt

    monkeypatch.setitem(mini.MINI, "hotdog", stopped)
    with pytest.raises(KeyboardInterrupt):
        datasets.folder("hotdog")
    assert not list(home.rglob("half"))


def test_what_a_killed_rendering_left_is_cleared_away(small, home, monkeypatch):
    monkeypatch.setitem(mini.MINI, "cifar10", lambda folder: folder.mkdir())
    folder = datasets.folder("cifar10")
    left = folder.with_name(f".{folder.name}.0123abcd")
    folder.rename(left)
    assert datasets.folder("cifar10") == folder
    assert not left.exists()


def test_another_renderer_gives_another_folder(small, home, monkeypatch):
    monkeypatch.setitem(mini.MINI, "cifar10", lambda folder: folder.mkdir())
    first = datasets.folder("cifar10")
    monkeypatch.setattr(mini, "renderer_version", lambda: "another")
    assert datasets.folder("cifar10") != first


def test_a_second_caller_waits_for_the_first(home, monkeypatch):
    calls = []

    def write(folder):
        calls.append(folder)
        time.sleep(0.3)
        folder.mkdir()

    monkeypatch.setitem(mini.MINI, "cifar10", write)
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(datasets.folder, ["cifar10"] * 3))
    assert len(calls) == 1
    assert set(found) == {datasets.folder("cifar10")}
    assert found[0].is_dir()


def test_the_parts_share_no_picture(rendered):
    split = datasets.load("cifar10")
    both = torch.cat([split.train.images, split.test.images]).flatten(1)
    assert len(both.unique(dim=0)) == 30


def test_the_mini_tier_is_drawn_on_backgrounds_of_its_part(small, tmp_path, monkeypatch):
    asked = []

    def watched(seed, size, things, setting):
        asked.append((seed, setting.background))
        return render(seed, size, things, setting)

    monkeypatch.setattr(mini, "render", watched)
    for name, write in mini.MINI.items():
        write(tmp_path / name)
    seeds, backgrounds = zip(*asked, strict=True)
    assert len(set(seeds)) == len(seeds)
    assert backgrounds.count("train") == 20 + 12 + 4 + 8
    assert backgrounds.count("test") == 10 + 8 + 2 + 4


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("size", [0.2, 0.5, 0.95])
def test_a_crop_holds_all_of_the_last_object(seed, size):
    large = Thing("banana", size=size, angle=0)
    scene = render(seed, 96, [Thing("mug"), large], Setting(sizes=(0.2, 0.5), occlusion=0.6))
    x1, y1, x2, y2 = mini.crop_around(scene, Dice(seed), least=64)
    assert 0 <= x1 <= scene.boxes[-1][0]
    assert 0 <= y1 <= scene.boxes[-1][1]
    assert scene.boxes[-1][2] <= x2 <= 96
    assert scene.boxes[-1][3] <= y2 <= 96
    assert min(x2 - x1, y2 - y1) >= 64


# ---------------------------------------------------------------------------------------------------- cifar10


def test_cifar10_in_the_mini_tier(rendered):
    split = datasets.load("cifar10")
    assert split.tier == "mini"
    assert split.train.images.shape == (20, 3, 32, 32)
    assert split.test.labels.bincount().tolist() == [1] * 10
    assert set(split.train.classes) < set(CLASSES)
    assert str(split) == (
        "cifar10, mini tier (`python -m d2lhelpers fetch cifar10` for the full one): 10 classes (apple, banana, "
        "bottle, car, donut, duck, fish, mug, mushroom, star), 32 × 32 pixels, 20 pictures to train on, 10 to test on"
    )


def test_cifar10_in_the_full_tier(home):
    place = pretend_fetched("cifar10")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1200, 3, 32, 32), dtype=np.uint8)
    labels = rng.integers(0, 3, 1200)
    write_classes(("airplane", "automobile", "bird"), place)
    for k in range(5):
        write_batch(
            images[200 * k :][:200], labels[200 * k :][:200], place / f"data_batch_{k + 1}.bin"
        )
    write_batch(images[1000:], labels[1000:], place / "test_batch.bin")
    split = datasets.load("cifar10")
    assert str(split) == (
        "cifar10, full tier: 3 classes (airplane, automobile, bird), 32 × 32 pixels, "
        "1,000 pictures to train on, 200 to test on"
    )
    assert torch.equal(split.train.images, torch.from_numpy(images[:1000]))
    assert torch.equal(split.test.labels, torch.from_numpy(labels[1000:]))


def test_records_byte_by_byte(tmp_path):
    content = bytes([7]) + bytes([1]) * 1024 + bytes([2]) * 1024 + bytes(range(256)) * 4
    (tmp_path / "test_batch.bin").write_bytes(content)
    images, labels = read_batches(tmp_path, "test_batch.bin")
    assert labels.tolist() == [7]
    assert images[0, 0].unique().tolist() == [1]
    assert images[0, 1].unique().tolist() == [2]
    # row by row: the second row's first pixel is the plane's 33rd byte
    assert images[0, 2, 1, 0] == 32


def test_the_real_file_of_names_ends_in_an_empty_line(tmp_path):
    (tmp_path / "batches.meta.txt").write_bytes(b"airplane\nautomobile\n\n")
    assert read_classes(tmp_path) == ("airplane", "automobile")


def test_damaged_batches_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no data_batch_\*\.bin in"):
        read_batches(tmp_path, "data_batch_*.bin")
    (tmp_path / "data_batch_3.bin").write_bytes(bytes(RECORD + 1))
    with pytest.raises(ValueError, match=r"data_batch_3\.bin is damaged, 3074 bytes"):
        read_batches(tmp_path, "data_batch_*.bin")


@pytest.mark.parametrize("size", [16, 48])
def test_another_size_is_resized_like_torchvision(rendered, size):
    small = datasets.load("cifar10", size=size).train.images
    expected = functional.resize(
        datasets.load("cifar10").train.images, [size, size], antialias=True
    )
    assert (small.int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize(("name", "size"), [("imagenet", None), ("resnet18", None), ("faces", 0)])
def test_load_refuses_what_it_does_not_know(name, size):
    with pytest.raises(ValueError, match=f"{name!r}|size is 0"):
        datasets.load(name, size)


# ----------------------------------------------------------------------------------------------------- hotdog


def test_hotdog_in_the_mini_tier_is_a_folder_for_each_class(rendered):
    split = datasets.load("hotdog")
    assert split.train.classes == ("banana", "not-banana")
    assert split.train.images.shape == (12, 3, 64, 64)
    assert split.test.labels.bincount().tolist() == [4, 4]
    oracle = torchvision.datasets.ImageFolder(rendered["hotdog"] / "train")
    assert tuple(oracle.classes) == split.train.classes
    assert [label for _, label in oracle.samples] == split.train.labels.tolist()
    sizes = {picture.size for picture, _ in oracle}
    assert len(sizes) > 1
    assert any(width != height for width, height in sizes)


def test_hotdog_in_the_full_tier_is_224_pixels(home):
    place = pretend_fetched("hotdog")
    for part in ("train", "test"):
        for name in ("hotdog", "not-hotdog"):
            (place / part / name).mkdir(parents=True)
            Image.new("RGB", (300, 200), "red").save(place / part / name / "0.png")
    split = datasets.load("hotdog")
    assert split.tier == "full"
    assert split.train.images.shape == (2, 3, 224, 224)
    assert split.train.classes == ("hotdog", "not-hotdog")


@pytest.mark.parametrize(("width", "height"), [(90, 30), (30, 90), (30, 30)])
def test_the_middle_square_is_kept(tmp_path, width, height):
    """Green in the middle square of a red picture."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = 255
    top, left = (height - 30) // 2, (width - 30) // 2
    picture[top : top + 30, left : left + 30] = (0, 255, 0)
    (tmp_path / "a").mkdir()
    Image.fromarray(picture).save(tmp_path / "a" / "x.PNG")
    (image,) = read_folders(tmp_path, 10).images
    middle = image[:, 1:-1, 1:-1]
    assert middle.amin((1, 2)).tolist() == middle.amax((1, 2)).tolist() == [0, 255, 0]
    # the filter reaches over the rim a little
    assert image[1].min() > 200


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1"])
def test_pictures_of_any_mode_become_rgb(tmp_path, mode):
    (tmp_path / "a").mkdir()
    Image.new("RGB", (9, 7), "white").convert(mode).save(tmp_path / "a" / "x.png")
    assert (read_folders(tmp_path, 5).images == 255).all()


def test_classes_are_in_the_order_of_their_names_on_every_disk(tmp_path, monkeypatch):
    for number, name in enumerate(("pear", "apple", "Zebra")):
        (tmp_path / name).mkdir()
        Image.new("L", (5, 5), number).save(tmp_path / name / "x.png")
    listed = {tmp_path: [tmp_path / name for name in ("pear", "Zebra", "apple")]}
    iterdir = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: iter(listed.get(self) or iterdir(self)))
    pictures = read_folders(tmp_path, 5)
    assert pictures.classes == ("Zebra", "apple", "pear")
    assert pictures.images[:, 0, 0, 0].tolist() == [2, 1, 0]
    assert pictures.labels.tolist() == [0, 1, 2]


def test_folders_without_pictures_are_refused(tmp_path):
    with pytest.raises(ValueError, match="there must be one for each class"):
        read_folders(tmp_path, 5)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"no picture in .*a: a class is a folder"):
        read_folders(tmp_path, 5)


# ------------------------------------------------------------------------------------------------------ faces


def test_faces_are_split_in_halves_always_the_same(monkeypatch):
    split = datasets.load("faces")
    assert str(split).startswith(
        "faces, mini tier: 2 classes (face, not-face), 32 × 32 pixels, 100 "
    )
    for part in (split.train, split.test):
        assert part.labels.bincount().tolist() == [50, 50]
        assert torch.equal(part.images[:, 0], part.images[:, 1])
        assert torch.equal(part.images[:, 0], part.images[:, 2])
    assert torch.equal(split.train.images, datasets.load("faces").train.images)
    monkeypatch.setenv("D2LHELPERS_DATA", "full")  # there is no other tier to ask for
    assert datasets.load("faces").tier == "mini"


def test_all_faces_are_used_and_the_first_hundred_are_faces():
    split = datasets.load("faces", size=25)
    original = torch.from_numpy(labelled.lfw_subset()).float().mul(255).flatten(1)
    for label, expected in enumerate((original[:100], original[100:])):
        parts = [part.images[part.labels == label, 0] for part in (split.train, split.test)]
        distance = torch.cdist(torch.cat(parts).flatten(1).float(), expected)
        nearest = distance.min(dim=1)
        assert nearest.values.max() < 0.5 * 25
        assert nearest.indices.sort().values.tolist() == list(range(100))


# --------------------------------------------------------------------------------------------- bananas and VOC


# torchvision says that its reading of files is to go; d2l still uses it
@pytest.mark.filterwarnings("ignore:The image decoding")
@pytest.mark.parametrize(("is_train", "num"), [(True, 4), (False, 2)])
def test_d2l_reads_our_bananas(rendered, monkeypatch, is_train, num):
    monkeypatch.setattr(d2l, "download_extract", lambda _: str(rendered["banana-detection"]))
    images, targets = d2l.read_data_bananas(is_train)
    assert [image.shape for image in images] == [(3, 256, 256)] * num
    assert targets.shape == (num, 1, 5)
    assert (targets[..., 0] == 0).all()
    assert (targets[..., 1:3] < targets[..., 3:5]).all()
    assert targets.min() >= 0
    assert targets.max() <= 1


def test_a_banana_is_in_its_box(rendered):
    folder = rendered["banana-detection"] / "bananas_val"
    lines = (folder / "label.csv").read_text().splitlines()
    assert lines[0] == "img_name,label,xmin,ymin,xmax,ymax"
    seed = next(mini._seeds(mini.BANANAS, "test", 1))
    setting = Setting(sizes=(0.2, 0.5), angles=(0, 360), occlusion=0.05, background="test")
    scene = render(seed, 256, [Thing("banana", "yellow")], setting)
    assert lines[1] == "0.png,0," + ",".join(str(int(edge)) for edge in scene.boxes[0])
    assert np.array_equal(np.array(Image.open(folder / "images" / "0.png")), scene.image)


def test_voc_has_the_names_and_colours_of_d2l():
    # d2l writes out two of the names that the annotations abbreviate
    names = {"potted plant": "pottedplant", "tv/monitor": "tvmonitor"}
    assert list(VOC_CLASSES) == [names.get(name, name) for name in d2l.VOC_CLASSES]
    assert voc_palette()[:21].tolist() == d2l.VOC_COLORMAP
    assert voc_palette()[VOID].tolist() == [224, 224, 192]


@pytest.mark.filterwarnings("ignore:The image decoding")
@pytest.mark.parametrize(("is_train", "num"), [(True, 8), (False, 4)])
def test_d2l_reads_our_voc(rendered, is_train, num):
    images, labels = d2l.read_voc_images(str(rendered["voc2012"]), is_train)
    assert len(images) == len(labels) == num
    for image, label in zip(images, labels, strict=True):
        assert image.shape == label.shape
        assert image.shape[1] != image.shape[2]


def voc_pictures(folder):
    """Each picture's classes, objects and annotation."""
    names = (folder / "ImageSets/Segmentation/trainval.txt").read_text().split()
    for name in names:
        kinds = ("SegmentationClass", "SegmentationObject")
        files_ = [Image.open(folder / kind / f"{name}.png") for kind in kinds]
        assert [file.mode for file in files_] == ["P", "P"]
        assert [file.getpalette()[3:6] for file in files_] == [[128, 0, 0]] * 2
        xml = ElementTree.parse(folder / "Annotations" / f"{name}.xml").getroot()
        yield *(np.array(file) for file in files_), xml


def test_voc_lists_and_classes(rendered):
    folder = rendered["voc2012"]
    train, val, both = (
        (folder / f"ImageSets/Segmentation/{part}.txt").read_text().split()
        for part in ("train", "val", "trainval")
    )
    assert (len(train), len(val)) == (8, 4)
    assert both == sorted(train + val)
    assert tuple((folder / "classes.txt").read_text().split()) == CLASSES
    sizes = {Image.open(folder / "JPEGImages" / f"{name}.jpg").size for name in both}
    assert len(sizes) > 1
    assert sizes <= {(200, 160), (200, 152), (160, 200)}


def test_voc_labels_agree_with_each_other(rendered):
    for classes, objects, xml in voc_pictures(rendered["voc2012"]):
        size = [int(xml.find(f"size/{side}").text) for side in ("height", "width", "depth")]
        assert size == [*classes.shape, 3]
        assert np.array_equal(classes == VOID, objects == VOID)
        assert np.array_equal(classes == 0, objects == 0)
        items = xml.findall("object")
        assert set(np.unique(objects)) <= {0, VOID, *range(1, len(items) + 1)}
        for number, item in enumerate(items, 1):
            inside = objects == number
            if not inside.any():
                continue  # so thin that its border is all of it
            (label,) = np.unique(classes[inside])
            assert CLASSES[label - 1] == item.find("name").text
            x1, y1, x2, y2 = (int(item.find(f"bndbox/{k}").text) for k in ("xmin", "ymin", "xmax", "ymax"))  # fmt: skip
            rows, columns = np.nonzero(inside)
            assert x1 <= columns.min() + 1 <= columns.max() + 1 <= x2
            assert y1 <= rows.min() + 1 <= rows.max() + 1 <= y2


def test_voc_counts_pixels_from_one_and_leaves_out_what_the_window_does(tmp_path):
    instances = np.zeros((30, 40), np.uint8)
    instances[1:5, 1:5] = 1  # outside the window
    instances[10:20, 12:30] = 2
    instances[14:30, 20:24] = 3  # before the second, and down to the rim
    scene = Scene(
        image=np.zeros((30, 40, 3), np.uint8),
        classes=np.array([0, 1, 2]),
        colours=np.array([0, 0, 0]),
        boxes=np.zeros((3, 4), np.float32),
        instances=instances,
        semantic=instances,
    )
    write_voc(tmp_path / "voc", {"train": [(scene, (6, 5, 36, 30))]}, ("apple", "ball", "banana"))
    ((classes, objects, xml),) = voc_pictures(tmp_path / "voc")
    found = [
        [item.find("name").text, item.find("truncated").text]
        + [item.find(f"bndbox/{k}").text for k in ("xmin", "ymin", "xmax", "ymax")]
        for item in xml.findall("object")
    ]
    assert found == [
        ["ball", "0", "7", "6", "24", "15"],
        ["banana", "1", "15", "10", "18", "25"],
    ]
    assert objects.shape == classes.shape == (25, 30)
    assert objects[7].tolist() == [0] * 5 + [VOID] * 2 + [1] * 16 + [VOID] * 2 + [0] * 5
    assert objects[20, 13:19].tolist() == [VOID] * 2 + [2] * 2 + [VOID] * 2
    assert classes[20, 13:19].tolist() == [VOID] * 2 + [3] * 2 + [VOID] * 2
    assert objects[24, 16] == 2  # the picture's rim is no border


def test_void_parts_each_object_from_all_else(rendered):
    widths = []
    for _, objects, _ in voc_pictures(rendered["voc2012"]):
        for pairs in ((objects[:, :-1], objects[:, 1:]), (objects[:-1], objects[1:])):
            left, right = (pair.astype(int) for pair in pairs)
            assert ((left == right) | (left == VOID) | (right == VOID)).all()
        # at least, since two outlines may touch
        runs = np.diff(np.flatnonzero(np.diff((objects.ravel() == VOID).astype(int))))[::2]
        widths.append(np.median(runs))
    assert 2 <= np.median(widths) <= 3


def test_fetching_by_name_goes_to_the_registry(home, monkeypatch):
    asked = []
    monkeypatch.setattr(tiers, "fetch_source", lambda source, progress: asked.append(source))
    datasets.fetch("vgg19", progress=False)
    assert asked == [REGISTRY["vgg19"]]


def test_a_source_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        REGISTRY["vgg19"].digest = ""
