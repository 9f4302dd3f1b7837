import inspect
import os
import pickle

import d2l.torch as d2l
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from voc_folder import SIZES, write_voc_folder

import d2lhelpers
from d2lhelpers import VOCSegDataset, load_data_voc, read_voc_images, voc_rand_crop
from d2lhelpers.datasets.voc import VOID, voc_palette
from d2lhelpers.segmentation import crop_window, loading

VOID_COLOUR = voc_palette()[VOID].tolist()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return write_voc_folder(tmp_path_factory.mktemp("voc"))


def numbered(height, width):
    """A picture and labels in which each pixel of both says where it is, in 1..height * width."""
    number = 1 + torch.arange(height * width).reshape(height, width)
    return number.float().expand(3, -1, -1), number


class TestCrops:
    @pytest.mark.parametrize("seed", range(20))
    def test_larger_pictures_are_cropped_as_d2l_does(self, seed, place):
        images, labels = read_voc_images(place)
        torch.manual_seed(seed)
        ours = voc_rand_crop(images[0], labels[0], 31, 47)
        torch.manual_seed(seed)
        theirs = d2l.voc_rand_crop(images[0], labels[0], 31, 47)
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))

    @given(*[st.integers(1, 9)] * 4, st.integers(0, 100))
    def test_picture_and_labels_are_cut_at_one_place(self, h, w, height, width, seed):
        image, labels = numbered(h, w)
        torch.manual_seed(seed)
        crop, mask = voc_rand_crop(image, labels, height, width)
        assert crop.shape == (3, height, width)
        assert mask.shape == (height, width)
        inside = mask != VOID
        assert torch.equal(crop[0][inside].long(), mask[inside])
        # as much of the picture as fits: all of a smaller one
        assert inside.sum() == min(h, height) * min(w, width)

    def test_every_place_is_drawn_also_for_a_smaller_picture(self):
        for size in ((6, 5), (3, 2)):
            image, labels = numbered(*size)
            seen = {tuple(voc_rand_crop(image, labels, 4, 4)[1].flatten().tolist()) for _ in range(300)}  # fmt: skip
            assert len(seen) == (abs(size[0] - 4) + 1) * (abs(size[1] - 4) + 1)

    def test_outside_is_void_and_the_mean_colour(self):
        image = torch.tensor([[[10, 21]], [[0, 0]], [[255, 255]]], dtype=torch.uint8)
        labels = torch.tensor([[3, 4]], dtype=torch.uint8)
        crop, mask = crop_window(image, labels, -1, -1, 3, 4)
        assert mask.tolist() == [[VOID] * 4, [VOID, 3, 4, VOID], [VOID] * 4]
        assert crop[:, 0, 0].tolist() == [16, 0, 255]
        assert torch.equal(crop[:, 1:2, 1:3], image)
        assert crop.dtype == mask.dtype == torch.uint8

    def test_label_pictures_are_filled_with_the_colour_of_void(self):
        image = torch.zeros(3, 2, 2, dtype=torch.uint8)
        crop, mask = crop_window(image, image, 0, 0, 2, 3)
        assert mask[:, 0, 2].tolist() == VOID_COLOUR
        assert not crop.any()

    @pytest.mark.parametrize("corner", [(-9, 0), (0, -9), (20, 0), (0, 25), (-9, 30)])
    def test_a_window_beside_the_picture_is_all_void(self, corner):
        assert (crop_window(*numbered(20, 25), *corner, 3, 3)[1] == VOID).all()

    @pytest.mark.parametrize(
        ("feature", "label", "size", "named"),
        [
            (torch.zeros(4, 5), torch.zeros(4, 5), (2, 2), "feature must be"),
            (torch.zeros(3, 4, 5), torch.zeros(5, 4), (2, 2), r"label must be \(4, 5\).*got \(5, 4\)"),
            (torch.zeros(3, 4, 5), torch.zeros(1, 4, 5), (2, 2), "label must be"),
            (torch.zeros(3, 4, 5), torch.zeros(4, 5), (0, 2), "height and width"),
        ],
    )  # fmt: skip
    def test_bad_input_is_named(self, feature, label, size, named):
        for crop in (voc_rand_crop, lambda *pair_and_size: crop_window(*pair_and_size[:2], 0, 0, *size)):  # fmt: skip
            with pytest.raises(ValueError, match=named):
                crop(feature, label, *size)


class TestDataset:
    def test_evaluation_gives_every_pixel_once_the_same_way_every_time(self, place):
        images, _ = read_voc_images(place, is_train=False)
        test = VOCSegDataset(False, (10, 10), place)
        for _ in range(2):
            items = [test[index] for index in range(len(test))]
            assert all(torch.equal(a, b) for (a, _), b in zip(items, images, strict=True))
            assert [tuple(labels.shape) for _, labels in items] == SIZES["val"]

    def test_pictures_to_train_on_are_cropped_anew_each_time_and_all_are_there(self, place):
        train = VOCSegDataset(True, (40, 50), place)
        assert train.names == [f"train_{k}" for k in range(5)]
        first, second = train[0], train[0]
        assert [tuple(one.shape) for one in first] == [(3, 40, 50), (40, 50)]
        assert {one.dtype for one in first} == {torch.uint8}
        assert not torch.equal(first[0], second[0])
        # 30 rows of the picture, 10 of void
        assert (train[3][1] == VOID).all(1).sum() >= 10

    def test_smaller_ones_are_dropped_when_asked_for_as_d2l_does(self, place):
        train = VOCSegDataset(True, (40, 50), place, drop_small=True)
        assert train.names == ["train_0", "train_1", "train_2"]
        assert len(VOCSegDataset(False, (40, 50), place, drop_small=True)) == 2
        with pytest.raises(ValueError, match=r"crop_size \(100, 100\) leaves no picture"):
            VOCSegDataset(True, (100, 100), place, drop_small=True)

    def test_it_holds_no_more_than_the_files(self, place):
        held = len(pickle.dumps(VOCSegDataset(True, (40, 50), place)))
        files = [
            path
            for name in ("JPEGImages", "SegmentationClass")
            for path in (place / name).glob("train_*")
        ]
        assert held < sum(path.stat().st_size for path in files) + 2000

    @pytest.fixture
    def loaders(self, place, monkeypatch):
        monkeypatch.setattr(loading, "folder", lambda name: {"voc2012": place}[name])
        return load_data_voc(2, (40, 50))

    def test_loaders(self, loaders):
        train, test = loaders
        assert [tuple(image.shape) for image, _ in train] == [(2, 3, 40, 50)] * 2 + [(1, 3, 40, 50)]
        assert [tuple(labels.shape) for _, labels in test] == [(1, *size) for size in SIZES["val"]]
        for _ in range(3):
            assert [image.float().mean() for image, _ in test] == [
                image.float().mean() for image, _ in test
            ]

    @pytest.mark.parametrize("name", ["VOCSegDataset", "load_data_voc", "voc_rand_crop"])
    def test_every_call_that_d2l_takes_is_taken(self, name):
        ours, theirs = (
            list(inspect.signature(getattr(package, name)).parameters.values())
            for package in (d2lhelpers, d2l)
        )
        assert [one.name for one in ours[: len(theirs)]] == [one.name for one in theirs]
        assert all(one.kind == one.KEYWORD_ONLY for one in ours[len(theirs) :])

    def test_processes_only_where_there_are_cores_for_them(self, monkeypatch):
        for cores, workers in ((None, 0), (1, 0), (2, 0), (4, 2), (16, 8), (64, 8)):
            monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
            assert loading.num_workers() == workers
