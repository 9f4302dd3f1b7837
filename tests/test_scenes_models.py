import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from d2lhelpers.scenes import CLASSES, solids, sprites
from d2lhelpers.scenes.dice import Dice
from d2lhelpers.scenes.model import Coat, Model, edge
from d2lhelpers.scenes.sprites import Pose
from d2lhelpers.scenes.trace import trace


def points(num=2000, reach=1.5, seed=0):
    return np.random.default_rng(seed).uniform(-reach, reach, (3, num)).astype(np.float32)


def sphere(radius=0.5):
    return Model(
        distance=lambda x, y, z: solids.length(x, y, z) - radius,
        coat=lambda x, y, z, pixel: Coat(x),
        pitch=20,
        yaw=30,
        step=1.0,
    )


class TestSolids:
    def test_a_box_without_rounding_is_the_textbook_one(self):
        x, y, z = points()
        found = solids.round_box(x, y, z, 0.5, 0.3, 0.4, 0.0)
        excess = np.abs(np.stack((x, y, z), axis=-1)) - (0.5, 0.3, 0.4)
        outside = np.linalg.norm(np.maximum(excess, 0), axis=-1)
        expected = np.where((excess < 0).all(axis=-1), excess.max(axis=-1), outside)
        np.testing.assert_allclose(found, expected, atol=1e-5)

    def test_a_capsule_is_the_distance_to_its_nearest_ball(self):
        x, y, z = points(300)
        start, end = np.array((-0.4, 0.1, 0.0)), np.array((0.5, 0.3, -0.2))
        middles = start + np.linspace(0, 1, 3001)[:, None] * (end - start)
        away = np.linalg.norm(np.stack((x, y, z), axis=-1)[:, None] - middles, axis=-1)
        found = solids.capsule(x, y, z, tuple(start), tuple(end), 0.2, 0.2)
        np.testing.assert_allclose(found, away.min(axis=1) - 0.2, atol=1e-4)

    def test_an_ellipsoid_with_equal_axes_is_a_ball(self):
        x, y, z = points()
        found = solids.ellipsoid(x, y, z, 0.6, 0.6, 0.6)
        np.testing.assert_allclose(found, solids.length(x, y, z) - 0.6, atol=1e-4)

    @given(st.floats(-1, 1, width=32), st.floats(-1, 1, width=32), st.floats(0.01, 0.5))
    def test_smooth_minimum(self, a, b, k):
        low, high = (
            f(np.float32(a), np.float32(b), k) for f in (solids.smooth_min, solids.smooth_max)
        )
        # never above the minimum, at most k / 4 below it, and the minimum itself away from the fillet
        assert min(a, b) - k / 4 - 1e-6 <= low <= min(a, b) + 1e-6
        assert max(a, b) - 1e-6 <= high <= max(a, b) + k / 4 + 1e-6
        if abs(a - b) >= k:
            assert low == pytest.approx(min(a, b), abs=1e-6)

    def test_turning_keeps_lengths_and_turns_back(self):
        x, y, _ = points()
        p, q = solids.turn(x, y, 33)
        np.testing.assert_allclose(solids.length(p, q), solids.length(x, y), atol=1e-5)
        np.testing.assert_allclose(solids.turn(p, q, -33), (x, y), atol=1e-5)
        np.testing.assert_allclose(
            solids.turn(np.float32(1), np.float32(0), 90), (0, -1), atol=1e-6
        )

    def test_noise_is_smooth_centred_and_repeats(self):
        noise = solids.Noise(Dice(0))
        x, y, z = points(20000, reach=8)
        values = noise(x, y, z)
        assert values.min() >= 0
        assert values.max() <= 1
        assert values.mean() == pytest.approx(0.5, abs=0.02)
        np.testing.assert_allclose(noise(x + 1e-3, y, z), values, atol=4e-3)
        np.testing.assert_allclose(noise(x + 16, y, z), values, atol=2e-3)
        # at a corner of the lattice, what the table says
        corner = [np.array([v], np.float32) for v in (3, 5, 7)]
        assert noise(*corner)[0] == noise._table[(3 << 8) + (5 << 4) + 7]

    def test_ramps_and_edges(self):
        value = np.linspace(-1, 2, 31, dtype=np.float32)
        rising, falling = solids.ramp(value, 0, 1), solids.ramp(value, 1, 0)
        np.testing.assert_allclose(rising + falling, 1, atol=1e-6)
        assert (np.diff(rising) >= 0).all()
        covered = edge(np.float32([-1, -0.05, 0, 0.05, 1]), 0.2)
        np.testing.assert_allclose(covered, [1, 0.75, 0.5, 0.25, 0], atol=1e-6)


class TestTrace:
    def test_a_ball(self):
        side = 128
        seen = trace(sphere(), side)
        covered = seen[..., 0]
        radius = 0.5 / (2 * 1.1) * side
        # rays that pass within a pixel count in part, so the outline is half a pixel fuller
        assert covered.sum() == pytest.approx(np.pi * (radius + 0.5) ** 2, rel=0.01)
        y, x = np.nonzero(covered == 1)
        nx, ny = (x + 0.5 - side / 2) / radius, (y + 0.5 - side / 2) / radius
        np.testing.assert_allclose(seen[y, x, 1], nx, atol=0.02)
        np.testing.assert_allclose(seen[y, x, 2], ny, atol=0.02)
        np.testing.assert_allclose(seen[y, x, 3], 1, atol=0.01)
        np.testing.assert_array_equal(seen[covered == 0], 0)

    def test_rays_end_on_the_surface(self):
        away = []

        def measure(x, y, z, pixel):
            away.append(np.abs(solids.length(x, y, z) - 0.5) / pixel)
            return Coat(x)

        trace(Model(sphere().distance, measure, pitch=0, yaw=0, step=1.0), 128)
        assert np.median(away[0]) < 0.025

    def test_crevices_are_less_open(self):
        def two_balls(x, y, z):
            return np.minimum(
                solids.length(x - 0.4, y, z) - 0.4, solids.length(x + 0.4, y, z) - 0.4
            )

        model = Model(two_balls, lambda x, y, z, pixel: Coat(x), pitch=0, yaw=0, step=1.0)
        seen = trace(model, 96)
        openness = np.where(seen[..., 0] == 1, seen[..., 3], np.nan)[48]
        assert np.nanmin(openness[44:52]) < 0.6
        assert np.nanmin(openness[:24]) > 0.95

    def test_looking_down_shows_the_top(self):
        def lower(x, y, z, pixel):
            coat = Coat(x)
            coat.cover(edge(-y, pixel), (0, 0, 1))
            return coat

        model = Model(sphere().distance, lower, pitch=60, yaw=0, step=1.0)
        seen = trace(model, 64)
        # the part above the ball's equator is painted over
        painted, covered = (seen[..., 4] < 0.5) & (seen[..., 0] == 1), seen[..., 0] == 1
        assert painted.sum() > 0.85 * covered.sum()


class TestCoat:
    def test_paint_and_colours_share_a_surface(self):
        coat = Coat(np.zeros(3, np.float32))
        coat.cover(np.float32([0, 0.5, 1]), (0.5, 1.0, 0.0))
        np.testing.assert_allclose(coat.paint, [1, 0.5, 0])
        # linear light: the square of what the picture will show
        np.testing.assert_allclose(coat.fixed, [[0, 0.125, 0.25], [0, 0.5, 1], [0, 0, 0]])
        coat.shade(np.float32([0.5, 0.5, 0.5]))
        np.testing.assert_allclose(coat.paint, [0.5, 0.25, 0])
        np.testing.assert_allclose(coat.fixed[0], [0, 0.0625, 0.125])


class TestSprites:
    @pytest.mark.parametrize("class_name", CLASSES)
    def test_each_class_fits_its_frame_and_varies(self, class_name):
        first, second = (sprites._sprite(class_name, variant, 128) for variant in (0, 1))
        for level in first.levels:
            alpha = np.asarray(level.shape)[..., 3]
            rim = (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1])
            assert max(edge.max() for edge in rim) == 0
        assert max(first.width, first.height) == 1
        assert first.levels[0].coat.tobytes() != second.levels[0].coat.tobytes()

    def test_a_level_is_never_much_coarser_than_the_picture(self):
        for size in (5, 20, 33, 64, 100, 127):
            sprite = sprites.sprite_for("ball", 0, size)
            level = sprite.level(size)
            assert 0.9 * size <= level.longest < 1.9 * size or level is sprite.levels[-1]
        huge = sprites.sprite_for("ball", 0, 400)
        assert huge.level(400) is huge.levels[0]

    def test_mirroring_and_whole_pixels(self):
        sprite = sprites.sprite_for("mug", 0, 40)
        level = sprite.level(40)
        window = (0, 0, 64, 64)
        plain, mirrored = (
            sprites.warp(level.shape, level.longest, Pose(32, 32, 40, 0, flip), window)[..., 3]
            for flip in (False, True)
        )
        assert np.abs(plain[:, ::-1].astype(int) - mirrored).max() <= 1
        moved = sprites.warp(
            level.shape, level.longest, Pose(37, 30, 40, 0, False), (5, -2, 69, 62)
        )
        assert np.abs(moved[..., 3].astype(int) - plain).max() <= 1

    def test_a_window_holds_all_of_it(self):
        sprite = sprites.sprite_for("bottle", 0, 40)
        level = sprite.level(40)
        for angle in (0, 30, 90, 200):
            pose = Pose(50.3, 47.8, 40, angle, False)
            x1, y1, x2, y2 = pose.window(sprite)
            everywhere = sprites.warp(level.shape, level.longest, pose, (0, 0, 100, 100))[..., 3]
            assert (everywhere[y1:y2, x1:x2] >= 128).sum() == (everywhere >= 128).sum() > 100


class TestDice:
    def test_python_scalars_within_bounds(self):
        dice = Dice(1, 2, 3)
        values = [dice.uniform(-2, 3) for _ in range(1000)]
        assert type(values[0]) is float
        assert -2 <= min(values) < -1.9 < 2.9 < max(values) < 3
        indices = [dice.below(4) for _ in range(200)]
        assert set(indices) == {0, 1, 2, 3}
        assert type(indices[0]) is int
        assert np.mean([dice.chance(0.3) for _ in range(2000)]) == pytest.approx(0.3, abs=0.05)

    def test_keys_name_streams(self):
        def first(*key):
            return Dice(*key).uniform(0, 1)

        keys = [(0, 0, 0, 7), (0, 0, 0, 7 + 2**32), (1, 0, 0, 7), (0, 1, 0, 7), (0, 0, 1, 7)]
        assert first(0, 0, 0, 7) == first(0, 0, 0, 7)
        assert len({first(*key) for key in keys}) == len(keys)

    def test_bounds_do_not_change_what_comes_next(self):
        one, other = Dice(5), Dice(5)
        one.uniform(0, 1)
        other.uniform(3, 3)
        assert one.uniform(0, 1) == other.uniform(0, 1)
