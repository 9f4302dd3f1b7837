import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d2lhelpers.scenes import CLASSES, COLOURS, Setting, Thing, backgrounds, layout, render

GOLDEN = Path(__file__).with_name("golden") / "scenes.npz"
# nothing but what a test is about
STILL = {
    "brightness": (1.0, 1.0),
    "warmth": (0.0, 0.0),
    "noise": (0.0, 0.0),
    "blur": (0.0, 0.0),
    "light": (0.0, 0.0),
    "contrast": (0.5, 0.5),
    "angles": (0.0, 0.0),
    "background": "plain",
}
CLASSES_CHEAP_TO_TRACE = ("ball", "star", "bottle", "mug")
MIDDLE_BALL = [Thing("ball", "blue", (0.5, 0.5), 0.5, 0.0)]


def still(**changes):
    return Setting(**{**STILL, **changes})


def golden_maker():
    spec = importlib.util.spec_from_file_location("golden_scenes", GOLDEN.with_suffix(".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pictures_and_truth_are_the_same_everywhere():
    made = golden_maker().scenes()
    with np.load(GOLDEN, allow_pickle=False) as golden:
        for name in ("classes", "colours", "boxes", "instances", "semantic"):
            np.testing.assert_array_equal(made[name], golden[name], err_msg=name)
            assert made[name].dtype == golden[name].dtype
        away = np.abs(made["image"].astype(int) - golden["image"])
    assert set(made["classes"].ravel()) == set(range(len(CLASSES)))
    assert away.max() <= 1


class TestTruth:
    @settings(max_examples=40, deadline=None)
    @given(
        st.integers(0, 2**70), st.integers(16, 90), st.integers(0, 7), st.sampled_from([0.0, 0.6])
    )
    def test_boxes_masks_and_classes_agree(self, seed, size, num, occlusion):
        setting = Setting(occlusion=occlusion, sizes=(0.15, 0.4), background="plain")
        scene = render(seed, size, num, setting, classes=CLASSES_CHEAP_TO_TRACE)
        assert scene.image.shape == (size, size, 3)
        assert scene.image.dtype == scene.instances.dtype == scene.semantic.dtype == np.uint8
        assert scene.classes.dtype == scene.colours.dtype == np.int64
        assert scene.classes.shape == scene.colours.shape == (num,)
        assert scene.boxes.shape == (num, 4)
        assert scene.boxes.dtype == np.float32
        assert set(np.unique(scene.instances)) <= set(range(num + 1))
        for k in range(num):
            y, x = np.nonzero(scene.instances == k + 1)
            assert scene.boxes[k].tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]
            assert (scene.semantic[y, x] == scene.classes[k] + 1).all()
            assert CLASSES[scene.classes[k]] in CLASSES_CHEAP_TO_TRACE
        np.testing.assert_array_equal(scene.semantic == 0, scene.instances == 0)

    @pytest.mark.parametrize("occlusion", [0.0, 0.25, 0.5])
    def test_no_object_is_hidden_more_than_allowed(self, occlusion):
        setting = Setting(occlusion=occlusion, sizes=(0.2, 0.5), places=(0.0, 1.0))
        hidden = []
        for seed in range(60):
            chosen = layout.choose(seed, 4, CLASSES_CHEAP_TO_TRACE)
            placed, instances = layout.lay_out(seed, 64, chosen, setting)
            hidden += [
                1 - np.count_nonzero(instances == k + 1) / one.area for k, one in enumerate(placed)
            ]
        assert max(hidden) <= occlusion
        # and what is allowed happens
        assert max(hidden) >= 0.9 * occlusion

    def test_the_area_behind_hidden_is_that_of_the_object_alone(self):
        things = [
            Thing("star", place=(0.4, 0.5), size=0.6),
            Thing("ball", place=(0.7, 0.5), size=0.4),
        ]
        setting = still(occlusion=0.6)
        whole = np.count_nonzero(render(5, 64, things[:1], setting).instances)
        both = render(5, 64, things, setting)
        placed, _ = layout.lay_out(5, 64, layout.choose(5, things, CLASSES), setting)
        assert placed[0].area == whole > np.count_nonzero(both.instances == 1)

    def test_later_things_lie_on_top(self):
        things = [
            Thing("ball", place=(0.5, 0.5), size=0.9),
            Thing("ball", place=(0.5, 0.5), size=0.3),
        ]
        scene = render(0, 64, things, still(occlusion=0.3))
        assert scene.instances[32, 32] == 2
        assert scene.instances[32, 8] == 1

    def test_nothing_to_see(self):
        scene = render(3, 40, things=0)
        assert scene.boxes.shape == (0, 4)
        assert len(scene.classes) == 0
        assert not scene.instances.any()
        assert not scene.semantic.any()
        np.testing.assert_array_equal(scene.image, render(3, 40, things=[]).image)

    def test_a_range_gives_every_number_in_it(self):
        counts = {len(layout.choose(seed, (np.int64(2), 4), CLASSES)) for seed in range(60)}
        assert counts == {2, 3, 4}

    def test_every_class_and_every_colour_turns_up(self):
        chosen = [one[0] for seed in range(100) for one in layout.choose(seed, 4, CLASSES)]
        assert {thing.class_name for thing in chosen} == set(CLASSES)
        assert {thing.colour for thing in chosen} == set(COLOURS)


class TestObjects:
    @pytest.mark.parametrize("class_name", CLASSES)
    def test_every_class_can_be_painted(self, class_name):
        means = {}
        for colour in ("red", "green", "blue"):
            scene = render(1, 48, [Thing(class_name, colour, (0.5, 0.5), 0.8)], still())
            assert CLASSES[scene.classes[0]] == class_name
            assert list(COLOURS)[scene.colours[0]] == colour
            means[colour] = scene.image[scene.instances == 1].mean(axis=0)
        for channel, colour in enumerate(means):
            others = [means[other][channel] for other in means if other != colour]
            assert means[colour][channel] > max(others) + 8

    def test_size_and_place_are_those_asked_for(self):
        x1, y1, x2, y2 = render(0, 100, [Thing("ball", place=(0.6, 0.3), size=0.4)], still()).boxes[
            0
        ]
        assert x2 - x1 == pytest.approx(40, abs=1.5)
        assert y2 - y1 == pytest.approx(40, abs=1.5)
        assert (x1 + x2) / 2 == pytest.approx(60, abs=1)
        assert (y1 + y2) / 2 == pytest.approx(30, abs=1)

    def test_the_longest_side_is_what_is_measured(self):
        for class_name in ("banana", "bottle"):
            box = render(0, 96, [Thing(class_name, place=(0.5, 0.5), size=0.7)], still()).boxes[0]
            assert max(box[2] - box[0], box[3] - box[1]) == pytest.approx(0.7 * 96, abs=2)

    @pytest.mark.parametrize(("near", "far"), [(0.0, 0.0), (0.5, 0.5), (0.2, 0.6)])
    def test_places_are_distances_from_the_middle(self, near, far):
        setting = still(places=(near, far), sizes=(0.2, 0.2))
        centres = []
        for seed in range(40):
            x1, y1, x2, y2 = render(seed, 80, 1, setting, classes=["ball"]).boxes[0]
            centres.append(((x1 + x2) / 80 - 1, (y1 + y2) / 80 - 1))
        away = np.abs(centres).max(axis=1)
        assert away.min() >= near - 0.03
        assert away.max() <= far + 0.03
        if far > near:
            assert away.min() < near + 0.1
            assert away.max() > far - 0.1
        if far:
            # on all four sides
            assert (np.sign(np.array(centres)).min(axis=0) == -1).all()
            assert (np.sign(np.array(centres)).max(axis=0) == 1).all()

    def test_upside_down_is_upright_turned_by_half(self):
        things = [Thing("mushroom", place=(0.5, 0.5), size=0.8)]
        upright = render(2, 65, things, still()).instances
        turned = render(2, 65, things, still(angles=(180.0, 180.0))).instances
        assert np.mean(turned[::-1, ::-1] == upright) > 0.99
        assert np.mean(turned == upright) < 0.9
        # the cap is above
        assert upright[:32].sum() > 1.3 * upright[32:].sum()

    def test_angles_turn_clockwise(self):
        # a bottle's neck is the narrow end
        setting = still(angles=(90.0, 90.0))
        mask = render(0, 64, [Thing("bottle", place=(0.5, 0.5), size=0.9)], setting).instances
        columns = np.flatnonzero(mask.any(axis=0))
        heights = mask.sum(axis=0)[columns]
        assert heights[-8:].mean() < 0.7 * heights[:8].mean()

    def test_a_thing_says_what_the_setting_would_have_drawn(self):
        setting = still(angles=(-40.0, 40.0))
        free = render(7, 64, [Thing("star")], setting)
        angle = render(7, 64, [Thing("star", angle=180.0)], setting)
        # the place is drawn all the same
        assert np.abs(free.boxes - angle.boxes).max() < 6


class TestNuisances:
    @pytest.mark.parametrize(
        "change",
        [
            {"background": "test"},
            {"brightness": (1.5, 1.5)},
            {"warmth": (0.9, 0.9)},
            {"noise": (0.1, 0.1)},
            {"blur": (2.0, 2.0)},
            {"light": (90.0, 90.0)},
            {"contrast": (1.0, 1.0)},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_each_leaves_the_truth_as_it_was(self, change):
        base, other = (
            render(11, 48, 3, setting, classes=CLASSES_CHEAP_TO_TRACE)
            for setting in (still(), still(**change))
        )
        np.testing.assert_array_equal(base.instances, other.instances)
        np.testing.assert_array_equal(base.colours, other.colours)
        assert np.abs(base.image.astype(int) - other.image).mean() > 0.5

    def test_brightness(self):
        means = [
            render(4, 64, 2, still(brightness=(b, b)), classes=["ball"]).image.mean()
            for b in (0.3, 0.6, 0.9, 1.2)
        ]
        assert means == sorted(means)
        # the exposure is a factor on the light, of which the picture shows about the root
        assert means[1] / means[0] == pytest.approx(2**0.5, rel=0.03)

    def test_warmth(self):
        ratios = []
        for warmth in (-1.0, -0.4, 0.0, 0.4, 1.0):
            image = render(4, 48, 0, still(warmth=(warmth, warmth))).image.astype(float)
            ratios.append(image[..., 0].mean() / image[..., 2].mean())
        assert ratios == sorted(ratios)
        assert ratios[-1] > 1.5 * ratios[0]

    @pytest.mark.parametrize("noise", [0.02, 0.05])
    def test_noise_is_the_standard_deviation(self, noise):
        clean = render(4, 128, 0, still()).image.astype(float)
        noisy = render(4, 128, 0, still(noise=(noise, noise))).image
        assert (noisy - clean).std() == pytest.approx(255 * noise, rel=0.05)
        assert abs((noisy - clean).mean()) < 0.5

    def test_noise_differs_from_scene_to_scene(self):
        noisy = [
            render(seed, 64, 0, still(noise=(0.1, 0.1)), np.full((64, 64, 3), 128, np.uint8)).image
            for seed in (1, 2)
        ]
        assert abs(np.corrcoef(noisy[0].ravel(), noisy[1].ravel())[0, 1]) < 0.2

    @pytest.mark.parametrize("blur", [0.5, 1.5, 3.0])
    def test_blur_is_the_spread_of_a_point(self, blur):
        point = np.zeros((41, 41, 3), np.uint8)
        point[20, 20] = 255
        # noise-free linear light from the picture: its square
        spread = render(0, 41, 0, still(blur=(blur, blur), contrast=(0.0, 0.0)), point).image
        light = spread[..., 1].astype(float) ** 2
        x = np.arange(41) - 20
        assert (light.sum(axis=0) * x**2).sum() / light.sum() == pytest.approx(blur**2, rel=0.1)
        assert (np.diff(light[20, 20:32]) <= 0).all()

    @pytest.mark.parametrize("turned", [0.0, 90.0, 180.0])
    @pytest.mark.parametrize(("angle", "side"), [(-90.0, "left"), (90.0, "right"), (0.0, "top")])
    def test_the_light_comes_from_where_it_says(self, angle, side, turned):
        setting = still(light=(angle, angle), contrast=(0.9, 0.9))
        thing = Thing("apple", "blue", (0.5, 0.5), 0.8, turned)
        for seed in range(4):  # some are mirrored
            scene = render(seed, 64, [thing], setting)
            image = np.where(scene.instances == 1, scene.image.astype(int).sum(axis=-1), 0)
            left, right, top, bottom = (
                part.sum() / np.count_nonzero(part)
                for part in (image[:, :32], image[:, 32:], image[:32], image[32:])
            )
            brighter, darker = {
                "left": (left, right), "right": (right, left), "top": (top, bottom),
            }[side]  # fmt: skip
            assert brighter > darker + 20

    def test_contrast_throws_shadows(self):
        paper = np.full((64, 64, 3), 200, np.uint8)
        flat, hard = (
            render(0, 64, MIDDLE_BALL, still(contrast=(c, c)), paper).image[48:60, 20:44].mean()
            for c in (0.0, 1.0)
        )
        assert hard < flat - 12


class TestBackgrounds:
    def test_training_and_testing_share_nothing(self):
        names = {
            which: {row[0] for row in rows} for which, rows in backgrounds._PHOTOGRAPHS.items()
        }
        makers = {which: {row[0] for row in rows} for which, rows in backgrounds._SURFACES.items()}
        assert not names["train"] & names["test"]
        assert not makers["train"] & makers["test"]
        assert names.keys() == makers.keys() == {"train", "test"}

    @pytest.mark.parametrize("which", ["train", "test"])
    def test_every_picture_is_used_and_crops_differ(self, which):
        images = [render(seed, 24, 0, still(background=which)).image for seed in range(120)]
        assert len({image.tobytes() for image in images}) == 120
        total = sum(
            row[-1] for row in backgrounds._PHOTOGRAPHS[which] + backgrounds._SURFACES[which]
        )
        assert len(backgrounds._sources(which)) == total

    def test_a_studio_is_smooth(self):
        images = (
            render(1, 64, 0, setting).image for setting in (still(), still(background="train"))
        )
        smooth, busy = (np.abs(np.diff(image.astype(int), axis=0)).mean() for image in images)
        assert smooth < 1.5 < busy

    def test_a_background_of_ones_own(self):
        own = np.random.default_rng(0).integers(60, 200, (50, 50, 3)).astype(np.uint8)
        image = render(1, 50, 0, still(contrast=(0.0, 0.0)), background=own).image
        assert np.abs(image[20:30, 20:30].astype(int) - own[20:30, 20:30]).max() <= 4

    def test_photographs_stay_small(self):
        pictures = [
            p for w in ("train", "test") for s in backgrounds._sources(w) for p in s.pictures
        ]
        unique = {id(p): p.width * p.height * len(p.getbands()) for p in pictures}
        assert sum(unique.values()) < 60e6


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "word"),
        [
            ({"size": 15}, "size"),
            ({"size": 5000}, "size"),
            ({"seed": -1}, "seed"),
            ({"things": -1}, "things"),
            ({"things": (4, 1)}, "things"),
            ({"things": 500}, "things"),
            ({"things": "apple"}, "things"),
            ({"things": 1.5}, "things"),
            ({"things": (1, 2, 3)}, "things"),
            ({"things": [Thing("ball"), "apple"]}, "things"),
            ({"classes": ()}, "classes"),
            ({"classes": ["ball", "whale"]}, "whale"),
            ({"classes": "ball"}, "classes"),
            ({"background": np.zeros((20, 20, 3), np.uint8)}, "background"),
            ({"background": np.zeros((32, 32, 3))}, "background"),
        ],
    )
    def test_render(self, arguments, word):
        with pytest.raises(ValueError, match=word):
            render(**{"seed": 0, "size": 32, **arguments})

    @pytest.mark.parametrize(
        ("arguments", "word"),
        [
            ({"class_name": "whale"}, "whale"),
            ({"colour": "beige"}, "beige"),
            ({"place": (0.5,)}, "place"),
            ({"place": (0.5, float("nan"))}, "place"),
            ({"size": 0.0}, "size"),
            ({"size": 3.0}, "size"),
            ({"angle": float("inf")}, "angle"),
        ],
    )
    def test_thing(self, arguments, word):
        with pytest.raises(ValueError, match=word):
            Thing(**arguments)

    @pytest.mark.parametrize(
        ("arguments", "word"),
        [
            ({"background": "beach"}, "beach"),
            ({"occlusion": 1.0}, "occlusion"),
            ({"occlusion": -0.1}, "occlusion"),
            ({"sizes": (0.5, 0.2)}, "sizes"),
            ({"sizes": (0.0, 0.2)}, "sizes"),
            ({"noise": 0.1}, "noise"),
            ({"warmth": (-2.0, 0.0)}, "warmth"),
            ({"angles": (0.0, float("nan"))}, "angles"),
            ({"blur": (0.0, 1.0, 2.0)}, "blur"),
        ],
    )
    def test_setting(self, arguments, word):
        with pytest.raises(ValueError, match=word):
            Setting(**arguments)

    def test_no_room(self):
        with pytest.raises(ValueError, match="no room found for 6 things"):
            render(0, 32, 6, Setting(sizes=(0.9, 1.0), occlusion=0.1), classes=["ball"])

    def test_a_thing_outside_the_picture(self):
        with pytest.raises(ValueError, match="no room"):
            render(0, 32, [Thing("ball", place=(3.0, 0.5), size=0.3)])
