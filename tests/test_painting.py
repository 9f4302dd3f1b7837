import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.data import coffee

from d2lhelpers.painting import BRUSHWORK, Brushwork, gradient_map, paint

CUP = coffee()[20:380:4, 60:540:4]  # 90 x 120


def difference(a, b):
    return np.abs(a.astype(float) - b).mean()


@pytest.mark.parametrize("name", BRUSHWORK)
def test_paints_the_picture_but_does_not_copy_it(name):
    painting = paint(CUP, name)
    assert painting.shape == CUP.shape
    assert painting.dtype == np.uint8
    # half-closed eyes see the same
    soft, painted = (gaussian_filter(p.astype(float).mean(axis=2), 2) for p in (CUP, painting))
    assert np.corrcoef(soft.flat, painted.flat)[0, 1] > 0.9
    assert difference(painting, CUP) > 3


def test_the_same_seed_paints_the_same_and_another_does_not():
    assert np.array_equal(paint(CUP, seed=1), paint(CUP, seed=1))
    assert not np.array_equal(paint(CUP, seed=1), paint(CUP, seed=2))


def test_smaller_brushes_come_closer():
    flat = {"jitter": 0.0, "vividness": 1.0, "relief": 0.0}
    errors = [
        difference(paint(CUP, Brushwork(radii=radii, **flat)), CUP)
        for radii in ((8,), (8, 4), (8, 4, 2))
    ]
    assert errors[0] > 1.1 * errors[1] > 1.2 * errors[2]


def test_strokes_follow_edges():
    """On stripes, strokes run along them: a row of the painting stays what it is."""
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[(np.arange(64) // 16) % 2 == 1] = 200
    still = Brushwork(radii=(3,), jitter=0.05, relief=0, flow=2, shortest=8)
    for picture, along, across in ((stripes, 1, 0), (stripes.swapaxes(0, 1), 0, 1)):
        painting = paint(picture, still).astype(float).mean(axis=2)
        # away from the stripes' own edges
        inner = np.take(painting, np.r_[4:12, 20:28, 36:44, 52:60], axis=across)
        steps = [np.abs(np.diff(inner, axis=axis)).mean() for axis in (along, across)]
        assert steps[0] < 0.8 * steps[1]


def test_tolerance_saves_strokes():
    even = np.full((40, 60, 3), 120, np.uint8)
    even[:, 30:] = 124
    painted = Brushwork(radii=(8, 2), tolerance=0.1, jitter=0, relief=0, vividness=1)
    assert len(np.unique(paint(even, painted))) < 40
    assert difference(paint(even, painted), even) < 15


def test_vividness_and_jitter():
    calm = {"jitter": 0.0, "relief": 0.0}
    grey, vivid = (paint(CUP, Brushwork(vividness=v, **calm)).astype(float) for v in (0.0, 1.6))
    assert np.ptp(grey, axis=2).max() <= 1
    assert np.ptp(vivid, axis=2).mean() > 1.1 * np.ptp(CUP.astype(float), axis=2).mean()


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (5, 7), (17, 11)])
def test_pictures_of_any_size(shape):
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for name in BRUSHWORK:
        assert paint(picture, name).shape == picture.shape


@pytest.mark.parametrize("picture", [np.zeros((4, 4)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8),
                                     np.zeros((0, 4, 3), np.uint8)])  # fmt: skip
def test_refuses_other_pictures(picture):
    with pytest.raises(ValueError, match="picture must be"):
        paint(picture)


def test_refuses_an_unknown_brushwork():
    with pytest.raises(
        ValueError, match=r"brushwork must be one of impressionist, .* not 'cubist'"
    ):
        paint(CUP, "cubist")


class TestGradientMap:
    def test_darkest_and_lightest_get_the_ends(self):
        ramp = np.repeat(np.arange(0, 256, 5, dtype=np.uint8)[None, :, None], 3, axis=2)
        mapped = gradient_map(ramp, ((10, 0, 90), (0, 100, 0), (255, 240, 80)))
        assert mapped[0, 0].tolist() == [10, 0, 90]
        assert mapped[0, -1].tolist() == [255, 240, 80]
        assert mapped[0, len(ramp[0]) // 2].tolist() == pytest.approx([0, 100, 0], abs=6)

    def test_each_colour_gets_its_share_however_dark_the_picture_is(self):
        dark = (
            np.random.default_rng(0)
            .gamma(1, 8, (40, 50, 1))
            .clip(0, 255)
            .astype(np.uint8)
            .repeat(3, axis=2)
        )
        mapped = gradient_map(dark, ((0, 0, 0), (255, 255, 255)))
        assert dark.mean() < 15
        assert np.quantile(mapped, (0.25, 0.5, 0.75)) == pytest.approx((64, 128, 191), abs=12)
        # the same pixels in the same order
        order = np.argsort(dark[..., 0], axis=None)
        assert (np.diff(mapped[..., 0].flat[order].astype(int)) >= 0).all()

    def test_refuses_a_single_colour(self):
        with pytest.raises(ValueError, match="colours must be at least two, got 1"):
            gradient_map(CUP, ((1, 2, 3),))

    def test_an_even_picture(self):
        assert (
            gradient_map(np.full((2, 2, 3), 9, np.uint8), ((1, 2, 3), (4, 5, 6))).tolist()
            == [[[1, 2, 3]] * 2] * 2
        )
