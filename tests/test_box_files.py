import inspect

import numpy as np
import pytest
import torch
from d2l import torch as d2l
from PIL import Image

from d2lhelpers.datasets import BananasDataset, load_boxes, load_data_bananas, read_data_bananas
from d2lhelpers.datasets.box_files import read_boxes

HEADER = "img_name,label,xmin,ymin,xmax,ymax\n"


def write(folder, rows, sizes=None):
    (folder / "images").mkdir()
    for name, (width, height) in (
        sizes or dict.fromkeys(("a.png", "b.png", "c.png"), (20, 10))
    ).items():
        Image.fromarray(np.full((height, width, 3), ord(name[0]), np.uint8)).save(
            folder / "images" / name
        )
    (folder / "label.csv").write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return folder


class TestReadBoxes:
    def test_many_rows_one_row_and_none(self, tmp_path):
        rows = ("b.png,1,5,0,10,10", "c.png,0,0,5,20,10", "b.png,0,0,1,2,3")
        images, labels = read_boxes(write(tmp_path, rows))
        assert images.dtype == torch.uint8
        assert images.shape == (3, 3, 10, 20)
        assert images[:, 0, 0, 0].tolist() == [ord("b"), ord("c"), ord("a")]
        torch.testing.assert_close(
            labels,
            torch.tensor(
                [
                    [[1, 0.25, 0, 0.5, 1], [0, 0, 0.1, 0.1, 0.3]],
                    [[0, 0, 0.5, 1, 1], [-1, -1, -1, -1, -1]],
                    [[-1, -1, -1, -1, -1], [-1, -1, -1, -1, -1]],
                ]
            ),
        )

    def test_pictures_without_any_row(self, tmp_path):
        images, labels = read_boxes(write(tmp_path, ()))
        assert images.shape == (3, 3, 10, 20)
        assert labels.shape == (3, 0, 5)

    @pytest.mark.parametrize(
        "row",
        ["a.png,-1,0,0,5,5", "a.png,0,-1,0,5,5", "a.png,0,5,0,5,5", "a.png,0,0,4,5,3", "a.png,0,0,0,21,5",
         "a.png,0,0,0,5,11", "a.png,0,nan,0,5,5"],
    )  # fmt: skip
    def test_a_bad_row_is_named(self, tmp_path, row):
        with pytest.raises(ValueError, match=r"label\.csv, line 3, .*a\.png.* 20 x 10 pixels"):
            read_boxes(write(tmp_path, ("b.png,0,0,0,20,10", row)))

    def test_a_missing_column_a_missing_picture_and_two_sizes(self, tmp_path):
        place = write(tmp_path, ("d.png,0,0,0,5,5",))
        with pytest.raises(FileNotFoundError, match=r"d\.png"):
            read_boxes(place)
        (place / "label.csv").write_text("img_name,label,xmin,ymin,xmax\na.png,0,0,0,5\n")
        with pytest.raises(ValueError, match="no column ymax"):
            read_boxes(place)
        (place / "label.csv").write_text(HEADER)
        Image.new("RGB", (8, 8)).save(place / "images" / "d.png")
        with pytest.raises(ValueError, match="one size"):
            read_boxes(place)

    def test_an_empty_folder(self, tmp_path):
        with pytest.raises(ValueError, match="no picture"):
            read_boxes(write(tmp_path, (), sizes={"a.jpg": (4, 4)}))


@pytest.fixture
def small_bananas(tmp_path, monkeypatch):
    """Two pictures to train on and one to validate on, for d2l's functions and for ours."""
    rng = np.random.default_rng(0)
    for part, num in (("bananas_train", 2), ("bananas_val", 1)):
        images = tmp_path / part / "images"
        images.mkdir(parents=True)
        rows = []
        for i in range(num):
            picture = rng.integers(0, 256, (256, 256, 3), dtype=np.uint8)
            Image.fromarray(picture).save(images / f"{i}.png")
            rows.append(f"{i}.png,0,{10 + i},20,{100 + i},140\n")
        (tmp_path / part / "label.csv").write_text(HEADER + "".join(rows))
    monkeypatch.setattr("d2lhelpers.datasets.box_files.folder", lambda name: tmp_path)
    monkeypatch.setattr(d2l, "download_extract", lambda name: str(tmp_path))
    return tmp_path


class TestInPlaceOfD2l:
    def test_the_arrays_are_d2ls(self, small_bananas):
        for is_train in (True, False):
            (ours, labels), (theirs, their_labels) = (
                read(is_train) for read in (read_data_bananas, d2l.read_data_bananas)
            )
            assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
            torch.testing.assert_close(labels, their_labels)

    def test_the_dataset_and_the_loaders_are_d2ls(self, small_bananas, capsys):
        ours, theirs = BananasDataset(True), d2l.BananasDataset(True)
        assert len(ours) == len(theirs) == 2
        for mine, other in zip(ours[1], theirs[1], strict=True):
            assert mine.dtype == other.dtype
            torch.testing.assert_close(mine, other)
        for mine, other in zip(load_data_bananas(2), d2l.load_data_bananas(2), strict=True):
            (images, labels), (their_images, their_labels) = next(iter(mine)), next(iter(other))
            assert images.shape == their_images.shape
            assert labels.shape == their_labels.shape

    def test_d2l_divides_the_class_as_well(self, small_bananas):
        table = small_bananas / "bananas_val" / "label.csv"
        table.write_text(HEADER + "0.png,1,0,0,128,256\n")
        assert read_data_bananas(False)[1].tolist() == [[[1, 0, 0, 0.5, 1]]]
        assert d2l.read_data_bananas(False)[1].tolist() == [[[1 / 256, 0, 0, 0.5, 1]]]
        assert "/ 256" in inspect.getsource(d2l.read_data_bananas)


def test_the_mini_tier_reads_as_one_banana_a_picture():
    split = load_boxes("banana-detection")
    assert str(split).startswith("banana-detection, mini tier (`python -m d2lhelpers fetch")
    assert split.train.images.shape[1:] == (3, 256, 256)
    assert split.train.labels.shape[1:] == (1, 5)
    assert (split.train.labels[..., 0] == 0).all()
    sides = split.test.labels[..., 3:] - split.test.labels[..., 1:3]
    assert sides.min() > 0.02
