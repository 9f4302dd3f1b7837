import numpy as np
import pytest
import torch

from d2lhelpers.datasets import tied
from d2lhelpers.datasets.tied import COLOURS, PARTS, SCENES, SHAPES, load_tied


@pytest.fixture(autouse=True)
def a_small_one(monkeypatch, tmp_path):
    """Few pictures, in a cache of their own."""
    monkeypatch.setenv("D2LHELPERS_HOME", str(tmp_path))
    monkeypatch.setattr(tied, "NUM_TRAIN", 60)
    monkeypatch.setattr(tied, "NUM_TEST", 24)


@pytest.mark.parametrize("part", PARTS)
def test_shapes_and_types(part):
    made = load_tied(part)
    num = 60 if part == "train" else 24
    assert len(made) == num
    assert (made.images.shape, made.images.dtype) == ((num, 3, 64, 64), torch.uint8)
    assert (made.masks.shape, made.masks.dtype) == ((num, 64, 64), torch.bool)
    for values in (made.shapes, made.colours, made.scenes):
        assert (values.shape, values.dtype) == ((num,), torch.int64)
        assert values.min() >= 0
        assert values.max() < 6
    share = made.masks.float().mean(dim=(1, 2))
    assert share.min() > 0.005
    assert share.max() < 0.25


@pytest.mark.parametrize(
    ("part", "scene_colour", "scene_shape", "colour_shape"),
    [
        ("as trained", True, True, True),
        ("scene swapped", False, False, True),
        ("colour swapped", False, True, False),
        ("shape swapped", True, False, False),
        ("all different", False, False, False),
    ],
)
def test_what_goes_together(part, scene_colour, scene_shape, colour_shape):
    made = load_tied(part)
    for first, second, together in (
        (made.scenes, made.colours, scene_colour),
        (made.scenes, made.shapes, scene_shape),
        (made.colours, made.shapes, colour_shape),
    ):
        assert (first == second).all() if together else (first != second).all()


def test_in_training_most_go_together_and_each_by_itself():
    dice = (tied.Dice(5, index) for index in range(4000))
    scenes, colours, shapes = np.array([tied._which("train", one) for one in dice]).T
    assert (colours == scenes).mean() == pytest.approx(0.95, abs=0.015)
    assert (shapes == scenes).mean() == pytest.approx(0.95, abs=0.015)
    both = ((colours == scenes) & (shapes == scenes)).mean()
    assert both == pytest.approx(0.95**2, abs=0.02)


@pytest.mark.parametrize("part", ["scene swapped", "all different"])
def test_all_others_are_as_likely(part):
    drawn = np.array([tied._which(part, tied.Dice(6, index)) for index in range(6000)])
    for column in (1, 2):
        away = (drawn[:, column] - drawn[:, 0]) % 6
        assert np.bincount(away, minlength=6)[1:] == pytest.approx(np.full(5, 1200), abs=150)


def test_things_have_their_colour_and_no_scene_has_the_colour_that_goes_with_it():
    made = load_tied("as trained")
    for kind, name in enumerate(COLOURS):
        of_kind = made.colours == kind
        images, masks = made.images[of_kind].float(), made.masks[of_kind][:, None]
        thing, around = (
            (images * where).sum(dim=(0, 2, 3)) / where.sum() for where in (masks, ~masks)
        )
        if name in ("red", "orange"):
            assert thing[0] > thing[1]
        if name == "blue":
            assert thing.argmax() == 2
            assert around.argmax() != 2
        if name == "green":
            assert thing.argmax() == 1
            assert around.argmax() != 1


def test_the_same_again_and_other_pictures_in_each_part():
    first, again = load_tied("as trained"), load_tied("as trained")
    torch.testing.assert_close(first.images, again.images)
    other = load_tied("all different")
    assert not (first.images == other.images).flatten(1).all(dim=1).any()


def test_a_damaged_file_is_drawn_anew(tmp_path):
    first = load_tied("as trained")
    (path,) = tmp_path.glob("cache/tied/*/as-trained.npz")
    path.write_bytes(path.read_bytes()[:1000])
    torch.testing.assert_close(load_tied("as trained").images, first.images)


def test_a_subset_keeps_all_that_belongs_together():
    whole = load_tied("all different")
    part = whole.subset(torch.tensor([5, 2]))
    for name in ("images", "shapes", "colours", "scenes", "masks"):
        torch.testing.assert_close(getattr(part, name), getattr(whole, name)[[5, 2]])


def test_an_unknown_part():
    with pytest.raises(ValueError, match=r"part must be one of train, as trained, .* not 'val'"):
        load_tied("val")


def test_six_of_each():
    assert len(SHAPES) == len(COLOURS) == len(SCENES) == 6
