import pytest
import torch
from torchvision.transforms import v2

from d2lhelpers import datasets
from d2lhelpers.augment_boxes import RandomBoxFlip
from d2lhelpers.datasets.boxed import BoxedPictures, from_scenes, load_boxes
from d2lhelpers.scenes import CLASSES, Thing, scene_set

LABELS = torch.tensor(
    [
        [[1, 0.25, 0.5, 0.75, 1.0], [0, 0.0, 0.0, 0.5, 0.25]],
        [[0, 0.5, 0.25, 1.0, 0.5], [-1, -1, -1, -1, -1]],
        [[-1, -1, -1, -1, -1], [-1, -1, -1, -1, -1]],
    ]
)


def pictures(instances=False):
    images = torch.arange(3, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 4)
    masks = None
    if instances:
        masks = torch.zeros(3, 8, 4, dtype=torch.uint8)
        masks[0, 4:, 1:3], masks[0, :2, :2], masks[1, 2:4, 2:] = 1, 2, 1
    return BoxedPictures(images, LABELS, ("ball", "car"), masks)


class TestBoxedPictures:
    def test_one_and_many_are_the_same(self):
        some = pictures(instances=True)
        batch = some.__getitems__([2, 0])
        assert len(some) == 3
        assert [part.shape for part in batch] == [(2, 3, 8, 4), (2, 2, 5), (2, 8, 4)]
        for one, many in zip(some[0], batch, strict=True):
            assert torch.equal(one, many[1])

    def test_without_instances_an_item_has_two_parts(self):
        assert len(pictures()[0]) == 2
        assert len(pictures(instances=True).without_instances()[0]) == 2

    def test_the_transform_gets_the_whole_batch_and_all_its_parts(self):
        flipped = pictures(instances=True).with_transform(RandomBoxFlip(p=1))
        images, labels, instances = flipped.__getitems__([0, 1])
        assert images.shape == (2, 3, 8, 4)
        assert labels[0, 1].tolist() == [0, 0.5, 0, 1, 0.25]
        assert instances[0, 0].tolist() == [0, 0, 2, 2]

    def test_a_subset_keeps_labels_and_instances_together(self):
        some = pictures(instances=True).subset([1, 2])
        assert torch.equal(some.labels, LABELS[1:])
        assert torch.equal(some.instances, pictures(instances=True).instances[1:])

    def test_a_loader_hands_out_batches_with_a_short_last_one(self):
        batches = list(datasets.loader(pictures(), 2, shuffle=False))
        assert [len(images) for images, _ in batches] == [2, 1]
        assert torch.equal(torch.cat([labels for _, labels in batches]), LABELS)

    @pytest.mark.parametrize(
        ("images", "labels", "instances", "message"),
        [
            (torch.zeros(2, 3, 4, 4), LABELS[:2], None, "images must be"),
            (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), LABELS, None, r"labels must be \(2, G, 5\)"),
            (torch.zeros(3, 3, 4, 4, dtype=torch.uint8), LABELS[..., :4], None, "labels must be"),
            (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), 2 + LABELS[:1], None, r"classes in 0\.\.1"),
            (torch.zeros(3, 3, 4, 4, dtype=torch.uint8), LABELS, torch.zeros(3, 4, 5), "instances must be"),
        ],
    )  # fmt: skip
    def test_refuses_what_is_not_pictures_with_boxes(self, images, labels, instances, message):
        with pytest.raises(ValueError, match=message):
            BoxedPictures(images, labels, ("ball", "car"), instances)


class TestTvItem:
    def test_boxes_are_in_pixels_and_padding_is_gone(self):
        image, target = pictures(instances=True).tv_item(0)
        assert image.shape == (3, 8, 4)
        assert target["boxes"].tolist() == [[1, 4, 3, 8], [0, 0, 2, 2]]
        assert target["boxes"].canvas_size == (8, 4)
        assert target["labels"].tolist() == [1, 0]
        assert target["masks"].sum((1, 2)).tolist() == [8, 4]
        _, target = pictures(instances=True).tv_item(2)
        assert target["boxes"].shape == (0, 4)
        assert target["masks"].shape == (0, 8, 4)

    def test_torchvision_transforms_the_picture_its_boxes_and_its_masks_alike(self):
        _, target = v2.RandomHorizontalFlip(p=1)(pictures(instances=True).tv_item(0))
        _, labels, instances = RandomBoxFlip(p=1)(*pictures(instances=True).__getitems__([0]))
        assert torch.equal(target["boxes"] / torch.tensor([4, 8, 4, 8]), labels[0, :, 1:])
        assert torch.equal(target["masks"][0], instances[0] == 1)

    def test_without_instances_there_are_no_masks(self):
        assert pictures().tv_item(0)[1].keys() == {"boxes", "labels"}


class TestScenes:
    def test_scenes_keep_classes_boxes_and_instances(self):
        things = [(Thing("car"), Thing("apple")), (), (Thing("apple"),)]
        found = scene_set(3, 48, 5, things)
        some = from_scenes(found, ("apple", "car"))
        assert some.labels[..., 0].tolist() == [[1, 0], [-1, -1], [0, -1]]
        assert torch.equal(some.labels[0, :, 1:] * 48, torch.from_numpy(found.boxes[0]))
        assert (some.labels[1] == -1).all()
        for row, box in enumerate(some.tv_item(0)[1]["boxes"].int().tolist()):
            y, x = (some.instances[0] == row + 1).nonzero().unbind(1)
            assert [x.min(), y.min(), x.max() + 1, y.max() + 1] == box

    def test_the_set_is_what_it_says(self, monkeypatch):
        from d2lhelpers.datasets import boxed

        monkeypatch.setattr(boxed, "NUM_SCENES", {"train": 40, "test": 30})
        monkeypatch.setattr(boxed, "SCENES_SIDE", 48)
        split = load_boxes("scenes")
        assert str(split).startswith("scenes, mini tier: banana, bottle, car")
        assert (len(split.train), len(split.test)) == (40, 30)
        assert not torch.equal(split.train.images[:30], split.test.images)
        counts = (split.train.labels[..., 0] >= 0).sum(1)
        assert counts.min() == 0  # pictures without any object are among them
        assert counts.max() >= 7
        assert set(split.train.labels[..., 0].unique().tolist()) <= {-1, 0, 1, 2, 3, 4, 5}
        assert set(split.train.classes) < set(CLASSES)

    def test_an_unknown_name_is_refused(self):
        with pytest.raises(ValueError, match="banana-detection and scenes"):
            load_boxes("coco")
