import numpy as np
import pytest

from d2lhelpers.style import PAINTINGS, PHOTOGRAPHS, painting, photograph


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_photographs_come_without_a_download_in_any_size(name):
    assert photograph(name, (30, 45)).shape == (30, 45, 3)
    assert photograph(name).dtype == np.uint8


@pytest.mark.parametrize("name", PAINTINGS)
def test_paintings_are_painted_in_the_size_asked_for_and_the_same_again(name):
    one = painting(name, (40, 60))
    assert one.shape == (40, 60, 3)
    assert np.array_equal(one, painting(name, (40, 60)))
    assert not np.array_equal(one, painting(name, (40, 60), seed=1))


def test_night_is_blue_and_has_lights():
    red, _, blue = np.moveaxis(painting("night", (60, 90)).astype(float), -1, 0)
    assert blue.mean() > red.mean() + 20
    assert (red > blue + 40).mean() > 0.05


def test_unknown_names():
    with pytest.raises(ValueError, match=r"name must be one of night, .* not 'mona lisa'"):
        painting("mona lisa")
    with pytest.raises(ValueError, match=r"name must be one of astronaut, .* not 'dog'"):
        photograph("dog")
