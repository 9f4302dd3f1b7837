import numpy as np
import pytest
import torch
from PIL import Image

from d2lhelpers.style import as_picture, to_bytes

PIXELS = np.random.default_rng(0).integers(0, 256, (17, 11, 3), dtype=np.uint8)


def test_bytes_come_back():
    picture = as_picture(PIXELS)
    assert picture.shape == (1, 3, 17, 11)
    assert picture.dtype == torch.float32
    assert picture.is_contiguous()
    assert np.array_equal(to_bytes(picture), PIXELS)


@pytest.mark.parametrize(
    "source",
    [
        Image.fromarray(PIXELS),
        PIXELS / 255,
        (PIXELS / 255).astype(np.float32),
        torch.from_numpy(PIXELS).permute(2, 0, 1),
        torch.from_numpy(PIXELS).permute(2, 0, 1) / 255,
        np.asfortranarray(PIXELS),
        np.concatenate([PIXELS, np.full((17, 11, 1), 255, np.uint8)], axis=2),
    ],
)
def test_however_it_came(source):
    assert np.array_equal(to_bytes(as_picture(source)), PIXELS)


def test_from_a_file(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "x.png")
    assert np.array_equal(to_bytes(as_picture(tmp_path / "x.png")), PIXELS)
    assert np.array_equal(to_bytes(as_picture(str(tmp_path / "x.png"))), PIXELS)


@pytest.mark.parametrize(
    "grey", [PIXELS[..., 0], PIXELS[..., :1], torch.from_numpy(PIXELS[None, ..., 0])]
)
def test_grey_gets_three_equal_channels(grey):
    assert np.array_equal(to_bytes(as_picture(grey)), PIXELS[..., :1].repeat(3, axis=2))


def test_bools_are_black_and_white():
    assert np.array_equal(
        to_bytes(as_picture(PIXELS[..., 0] > 127))[..., 0], (PIXELS[..., 0] > 127) * 255
    )


def test_what_is_see_through_is_laid_on_white():
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0, 3], pixels[0, 1, 3] = 255, 51
    result = to_bytes(as_picture(pixels))
    assert result[..., 0].tolist() == [[0, 204], [255, 255]]


def test_a_palette_with_a_transparent_colour():
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.info["transparency"] = 0
    assert to_bytes(as_picture(image)).tolist() == [[[255, 255, 255], [0, 0, 255]]]


def test_a_photograph_is_turned_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.fromarray(PIXELS).save(tmp_path / "x.jpg", exif=exif)
    assert as_picture(tmp_path / "x.jpg").shape == (1, 3, 11, 17)


@pytest.mark.parametrize(
    ("size", "shape"),
    [((30, 45), (30, 45)), (34, (34, 22)), ((3, 40), (3, 40)), (1, (1, 1)), (17, (17, 11))],
)
def test_sizes(size, shape):
    assert as_picture(PIXELS, size).shape == (1, 3, *shape)


def test_a_frame_is_filled_from_the_middle_without_stretching():
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 255
    assert np.array_equal(to_bytes(as_picture(wide, (10, 10))), np.full((10, 10, 3), 255))


def test_a_single_pixel():
    assert as_picture(np.uint8([[[0, 51, 255]]]), (2, 3))[0, :, 1, 2].tolist() == pytest.approx(
        [0, 0.2, 1]
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros((2, 2, 2), np.uint8), r"source: pixels must be .* got \(2, 2, 2\)"),
        (np.zeros((0, 2, 3), np.uint8), r"source: pixels must be .* got \(0, 2, 3\)"),
        (np.zeros((1, 3, 4, 4), np.uint8), "source: pixels must be"),
        (np.full((2, 2), 200, np.int64), "must be bytes, bools or floats, got int64"),
        (np.full((2, 2), 200.0), r"floats must lie in \[0, 1\], but run from 200.0"),
        (np.array([[0, np.nan]]), r"floats must lie in \[0, 1\]"),
        (torch.zeros(2, 5, 5), "a tensor must be"),
        (torch.zeros(1, 3, 5, 5), "a tensor must be"),
        (Image.new("I", (3, 3)), "mode I has no fixed range"),
    ],
)
def test_refuses_with_words(source, message):
    with pytest.raises(ValueError, match=message):
        as_picture(source)


@pytest.mark.parametrize("size", [0, (4, 0), (1, 2, 3), -3])
def test_refuses_sizes(size):
    with pytest.raises(ValueError, match="size must be"):
        as_picture(PIXELS, size)


def test_refuses_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError):
        as_picture(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(ValueError, match=r"text\.png cannot be read as a picture"):
        as_picture(tmp_path / "text.png")


def test_to_bytes_brings_back_what_left_the_range_and_checks():
    picture = torch.tensor([-0.5, 0.5, 1.5]).view(1, 3, 1, 1)
    assert to_bytes(picture).tolist() == [[[0, 128, 255]]]
    with pytest.raises(ValueError, match="picture must be"):
        to_bytes(torch.zeros(3, 2, 2))
