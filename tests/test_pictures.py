import pytest
import torch
from torch.utils.data import DataLoader

from d2lhelpers.datasets.pictures import Pictures, loader


def pictures(per_class=(5, 4, 3)):
    labels = torch.cat([torch.full((n,), k) for k, n in enumerate(per_class)])
    images = torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 4, 6)
    return Pictures(images, labels, ("ball", "car", "fish"))


class TestPictures:
    def test_one_and_many_are_the_same(self):
        some = pictures()
        images, labels = some.__getitems__([3, 7])
        assert images[:, 0, 0, 0].tolist() == [3, 7]
        assert torch.equal(some[7][0], images[1])
        assert some[7][1] == labels[1]
        assert len(some) == 12

    def test_the_transform_gets_the_whole_batch(self):
        seen = []
        some = pictures().with_transform(lambda batch: (seen.append(batch.shape), batch + 1)[1])
        images, _ = some.__getitems__([0, 1])
        assert seen == [(2, 3, 4, 6)]
        assert images[:, 0, 0, 0].tolist() == [1, 2]

    def test_few_draws_so_many_of_each_class_and_keeps_its_draw(self):
        few = pictures().few(2, seed=1)
        assert few.labels.tolist() == [0, 0, 1, 1, 2, 2]
        assert torch.equal(few.images, pictures().few(2, seed=1).images)
        assert (
            len({tuple(pictures().few(2, seed=s).images[:, 0, 0, 0].tolist()) for s in range(9)})
            > 3
        )
        originals = pictures()
        for image, label in zip(few.images, few.labels, strict=True):
            assert originals.labels[image[0, 0, 0].long()] == label

    def test_few_says_which_class_has_fewer(self):
        with pytest.raises(ValueError, match="per_class is 4, but 'fish' has 3"):
            pictures().few(4, seed=0)

    @pytest.mark.parametrize(
        ("images", "labels", "message"),
        [
            (torch.zeros(2, 3, 4, 4), torch.zeros(2, dtype=torch.int64), "images must be"),
            (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), "images must be"),
            (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64), "labels must be"),
            (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(2), "labels must be"),
            (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.tensor([2]), "labels must be in 0..1"),
            (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.tensor([-1]), "labels must be in 0..1"),
        ],
    )  # fmt: skip
    def test_refuses_what_is_not_pictures(self, images, labels, message):
        with pytest.raises(ValueError, match=message):
            Pictures(images, labels, ("a", "b"))

    def test_none_at_all_is_allowed(self):
        none = pictures().subset(torch.empty(0, dtype=torch.int64))
        assert len(none) == 0


class TestLoader:
    def test_hands_out_each_picture_once_the_last_batch_short(self):
        batches = list(loader(pictures(), 5, shuffle=True))
        assert [len(labels) for _, labels in batches] == [5, 5, 2]
        assert sorted(torch.cat([i for i, _ in batches])[:, 0, 0, 0].tolist()) == list(range(12))

    def test_keeps_the_order_without_shuffling(self):
        batches = loader(pictures(), 5, shuffle=False)
        assert torch.cat([images for images, _ in batches])[:, 0, 0, 0].tolist() == list(range(12))

    def test_an_own_transform_takes_the_place_of_the_pictures(self):
        some = pictures().with_transform(lambda batch: batch + 1)
        ((images, _),) = loader(some, 12, shuffle=False, transform=lambda batch: batch + 2)
        assert images[0, 0, 0, 0] == 2

    def test_gives_the_batches_of_a_loader_that_collates_picture_by_picture(self):
        plain = DataLoader([pictures()[k] for k in range(12)], 5)
        for (images, labels), (expected, expected_labels) in zip(
            loader(pictures(), 5, shuffle=False), plain, strict=True
        ):
            assert torch.equal(images, expected)
            assert torch.equal(labels, expected_labels)
