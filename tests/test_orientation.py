import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from d2lhelpers.orientation import coherence, directions


def waves(degrees, size=40, period=8):
    """A grey picture of stripes that run at an angle, counted from x towards y."""
    y, x = np.mgrid[:size, :size]
    angle = np.deg2rad(degrees)
    across = y * np.cos(angle) - x * np.sin(angle)
    return (127 + 100 * np.sin(2 * np.pi * across / period))[..., None].repeat(3, axis=2)


@given(st.integers(0, 179))
def test_directions_run_along_the_stripes(degrees):
    middle = directions(waves(degrees), 3)[10:-10, 10:-10]
    np.testing.assert_allclose(np.linalg.norm(middle, axis=-1), 1)
    along = np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])
    assert np.abs(middle @ along).min() > 0.99


def test_brightness_counts_as_the_eye_sees_it():
    stripes = waves(0).round().astype(np.uint8)
    blue = stripes * np.uint8([0, 0, 1])
    green = waves(90) * [0, 1, 0]
    assert np.abs(directions(blue + green, 3)[20, 20] @ [0, 1]) > 0.99


def test_coherence_is_one_in_stripes_and_small_in_specks():
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3))
    assert coherence(waves(30)) > 0.95
    assert coherence(noise) < 0.25
    assert coherence(noise, 6) < coherence(noise, 3) < coherence(noise, 1)
    crossed = waves(0) + waves(90)
    assert coherence(crossed) < 0.2


def test_coherence_does_not_depend_on_contrast_and_flat_pictures_have_none():
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3))
    assert coherence(noise / 10) == pytest.approx(coherence(noise))
    assert coherence(np.full((5, 6, 3), 70)) == 0
