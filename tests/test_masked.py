import pytest
import torch
from scipy.ndimage import maximum_filter, minimum_filter

from d2lhelpers import datasets
from d2lhelpers.augment_masks import RandomMaskFlip
from d2lhelpers.datasets.masked import (
    MaskedPictures,
    from_boxes,
    load_masks,
    outlines,
    semantic_labels,
)
from d2lhelpers.scenes import scene_set

CLASSES = ("background", "ball", "car")


def pictures():
    images = torch.arange(3, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 4)
    labels = torch.zeros(3, 8, 4, dtype=torch.uint8)
    labels[0, :2, :1], labels[1, 5:, 2:], labels[2] = 1, 2, 255
    return MaskedPictures(images, labels, CLASSES)


def random_instances(seed, shape=(4, 17, 11)):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 4, (shape[0], 1, 5, 4), generator=generator)
    return torch.nn.functional.interpolate(coarse.float(), size=shape[1:])[:, 0].to(torch.uint8)


class TestMaskedPictures:
    def test_one_and_many_are_the_same(self):
        some = pictures()
        images, labels = some.__getitems__([2, 0])
        assert len(some) == 3
        assert (images.shape, labels.shape) == ((2, 3, 8, 4), (2, 8, 4))
        for one, many in zip(some[0], (images, labels), strict=True):
            assert torch.equal(one, many[1])

    def test_the_transform_gets_the_whole_batch(self):
        flipped = pictures().with_transform(RandomMaskFlip(p=1))
        _, labels = flipped.__getitems__([0, 1])
        assert labels[0, 0].tolist() == [0, 0, 0, 1]
        assert flipped[1][1][7].tolist() == [2, 2, 0, 0]

    def test_a_subset_keeps_images_and_labels_together(self):
        images, labels = pictures().subset([2, 1]).__getitems__([0, 1])
        assert images[:, 0, 0, 0].tolist() == [2, 1]
        assert labels[:, 7, 3].tolist() == [255, 2]

    def test_a_loader_hands_out_batches_with_a_short_last_one(self):
        batches = list(datasets.loader(pictures(), 2, shuffle=False))
        assert [len(images) for images, _ in batches] == [2, 1]
        assert torch.equal(torch.cat([labels for _, labels in batches]), pictures().labels)

    @pytest.mark.parametrize(
        ("images", "labels", "message"),
        [
            (torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.uint8), "images must be"),
            (torch.zeros(2, 3, 4, 4).byte(), torch.zeros(2, 4, 4), r"labels must be \(2, 4, 4\) uint8"),
            (torch.zeros(2, 3, 4, 4).byte(), torch.zeros(2, 4, 5).byte(), "labels must be"),
            (torch.zeros(1, 3, 4, 4).byte(), torch.full((1, 4, 4), 3).byte(), r"0\.\.2, or 255 for void, but 3"),
            (torch.zeros(1, 3, 4, 4).byte(), torch.full((1, 4, 4), 254).byte(), "but 254 is among them"),
        ],
    )  # fmt: skip
    def test_refuses_what_is_not_pictures_with_labels(self, images, labels, message):
        with pytest.raises(ValueError, match=message):
            MaskedPictures(images, labels, CLASSES)

    def test_no_pictures_and_only_void(self):
        assert len(pictures().subset([])) == 0
        assert len(pictures().subset([2])) == 1


class TestFlip:
    def test_labels_stay_on_their_object(self):
        torch.manual_seed(0)
        labels = torch.zeros(50, 6, 9, dtype=torch.uint8)
        labels[:, 1:3, 2:5] = 4
        images = labels[:, None].expand(-1, 3, -1, -1)
        new, new_labels = RandomMaskFlip()(images, labels)
        assert torch.equal(new[:, 1], new_labels)
        assert 10 < int((new_labels[:, 1, 4:7] == 4).all(1).sum()) < 40

    def test_none_and_all(self):
        images, labels = pictures().images, pictures().labels
        assert torch.equal(RandomMaskFlip(0.0)(images, labels)[1], labels)
        assert torch.equal(RandomMaskFlip(1.0)(images, labels)[1], labels.flip(-1))


class TestOutlines:
    @pytest.mark.parametrize("seed", range(5))
    def test_as_the_files_of_voc_have_them(self, seed):
        instances = random_instances(seed)
        expected = [maximum_filter(one, 3) != minimum_filter(one, 3) for one in instances.numpy()]
        assert outlines(instances).tolist() == [one.tolist() for one in expected]
        assert outlines(instances).any()

    def test_one_pixel_on_each_side_and_none_at_the_edge(self):
        instances = torch.zeros(1, 5, 7, dtype=torch.uint8)
        instances[:, :, 4:] = 3
        assert outlines(instances)[0].int().tolist() == [[0, 0, 0, 1, 1, 0, 0]] * 5

    @pytest.mark.parametrize("size", [(1, 1), (1, 6), (6, 1)])
    def test_tiny_pictures(self, size):
        instances = torch.zeros(1, *size, dtype=torch.uint8)
        assert not outlines(instances).any()


class TestSemanticLabels:
    def test_against_a_loop(self):
        instances = random_instances(7)
        labels = torch.tensor([[[2.0, 0, 0, 1, 1], [0, 0, 0, 1, 1], [5, 0, 0, 1, 1]]]).repeat(
            4, 1, 1
        )
        labels[1, 2] = -1
        instances[1][instances[1] == 3] = 0
        found, void = semantic_labels(labels, instances), outlines(instances)
        for b, y, x in torch.cartesian_prod(torch.arange(4), torch.arange(17), torch.arange(11)):
            k = int(instances[b, y, x])
            expected = 255 if void[b, y, x] else 0 if k == 0 else int(labels[b, k - 1, 0]) + 1
            assert found[b, y, x] == expected

    def test_more_pictures_than_are_done_at_once(self, monkeypatch):
        from d2lhelpers.datasets import masked

        instances = random_instances(8)
        labels = torch.tensor([[[0.0, 0, 0, 1, 1], [1, 0, 0, 1, 1], [2, 0, 0, 1, 1]]]).repeat(
            4, 1, 1
        )
        labels[3, :, 0] = 4
        whole = semantic_labels(labels, instances)
        monkeypatch.setattr(masked, "AT_ONCE", 3)
        assert torch.equal(semantic_labels(labels, instances), whole)


class TestScenes:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch):
        from d2lhelpers.datasets import boxed, masked

        monkeypatch.setattr(boxed, "NUM_SCENES", {"train": 20, "test": 12})
        monkeypatch.setattr(boxed, "SCENES_SIDE", 48)
        monkeypatch.setattr(masked, "NUM_FAMILIAR", 12)

    def test_the_set_is_what_it_says(self):
        split = load_masks("scenes")
        assert str(split).startswith("scenes, mini tier: background, banana, bottle")
        assert "20 pictures to train on" in str(split)
        assert [len(p) for p in (split.train, split.familiar, split.test)] == [20, 12, 12]
        for part in (split.train, split.familiar, split.test):
            assert part.classes[0] == "background"
            assert set(part.labels.unique().tolist()) <= {0, 1, 2, 3, 4, 5, 6, 255}
            assert (part.labels == 255).any()
        assert not torch.equal(split.familiar.images, split.test.images)
        assert not torch.equal(split.familiar.images, split.train.images[:12])

    def test_familiar_scenes_are_drawn_as_those_to_train_on(self, monkeypatch):
        from d2lhelpers.datasets import boxed, masked

        asked = []

        def recorded(num, side, seed, *rest, **named):
            asked.append((seed, side, rest, named))
            return scene_set(num, side, seed, *rest, **named)

        monkeypatch.setattr(boxed, "scene_set", recorded)
        load_masks("scenes")
        by_seed = {seed: how for seed, *how in asked}
        assert len(by_seed) == 3  # no scene is in two of the parts
        assert by_seed[masked.FAMILIAR_SEED] == by_seed[boxed.SCENES_SEED]
        assert by_seed[masked.FAMILIAR_SEED][1][1].background == "train"

    def test_inside_its_outline_each_object_has_its_class(self):
        boxed = datasets.load_boxes("scenes").train
        masked = from_boxes(boxed)
        void = outlines(boxed.instances)
        for i in range(len(boxed)):
            for row, label in enumerate(boxed.labels[i, :, 0].long().tolist()):
                own = (boxed.instances[i] == row + 1) & ~void[i]
                assert (masked.labels[i][own] == label + 1).all()
        assert torch.equal(masked.labels == 255, void)

    def test_an_unknown_name_is_refused(self):
        with pytest.raises(ValueError, match="there is scenes"):
            load_masks("voc2012")
