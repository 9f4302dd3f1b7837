import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from d2lhelpers.augment_boxes import RandomBoxCrop, RandomBoxFlip, crop_boxes, flip_boxes

LABELS = torch.tensor([[[2, 0.1, 0.2, 0.4, 0.6], [-1, -1, -1, -1, -1]]] * 2)


class TestFlip:
    def test_x_is_mirrored_and_padding_stays(self):
        flipped = flip_boxes(LABELS, torch.tensor([True, False]))
        torch.testing.assert_close(flipped[0, 0], torch.tensor([2, 0.6, 0.2, 0.9, 0.6]))
        assert torch.equal(flipped[0, 1], LABELS[0, 1])
        assert torch.equal(flipped[1], LABELS[1])

    def test_twice_is_nothing(self):
        both = torch.tensor([True, True])
        torch.testing.assert_close(flip_boxes(flip_boxes(LABELS, both), both), LABELS)

    def test_the_box_stays_on_its_object(self):
        images = torch.zeros(2, 3, 10, 20, dtype=torch.uint8)
        images[:, :, 2:6, 2:8] = 255
        masks = (images[:, 0] > 0).byte()
        torch.manual_seed(0)
        for p, expected in ((1.0, [12, 2, 18, 6]), (0.0, [2, 2, 8, 6])):
            new, labels, mask = RandomBoxFlip(p)(images, LABELS, masks)
            pixels = (labels[0, 0, 1:] * torch.tensor([20, 10, 20, 10])).round().int().tolist()
            assert pixels == expected
            x1, y1, x2, y2 = pixels
            assert (new[0, :, y1:y2, x1:x2] == 255).all()
            assert int((new[0] > 0).sum()) == 3 * 24
            assert torch.equal(mask, (new[:, 0] > 0).byte())

    def test_about_half_are_flipped(self):
        torch.manual_seed(1)
        labels = LABELS[:1].expand(400, -1, -1)
        _, new = RandomBoxFlip()(torch.zeros(400, 3, 4, 4, dtype=torch.uint8), labels)
        assert 150 < int((new[:, 0, 1] > 0.5).sum()) < 250

    def test_no_pictures_and_no_objects(self):
        images, labels = RandomBoxFlip()(torch.zeros(0, 3, 4, 4), torch.zeros(0, 2, 5))
        assert len(images) == len(labels) == 0
        _, labels = RandomBoxFlip(p=1)(torch.zeros(2, 3, 4, 4), torch.zeros(2, 0, 5))
        assert labels.shape == (2, 0, 5)


class TestCrop:
    @pytest.mark.parametrize(
        ("window", "expected"),
        [
            ((0, 0, 1, 1), (2, 0.1, 0.2, 0.4, 0.6)),
            ((0, 0, 0.5, 1), (2, 0.2, 0.2, 0.8, 0.6)),
            ((0.2, 0.1, 0.7, 0.6), (2, 0, 0.2, 0.4, 1)),  # cut off on the left
            ((-0.5, -0.5, 1.5, 1.5), (2, 0.3, 0.35, 0.45, 0.55)),  # the picture shrinks
            (
                (-2, -2, 2, 2),
                (2, 0.525, 0.55, 0.6, 0.65),
            ),  # so far that it takes in what padding holds
            ((0.3, 0, 1, 1), (-1, -1, -1, -1, -1)),  # the middle is outside, on the left
            ((0, 0, 0.2, 1), (-1, -1, -1, -1, -1)),  # on the right
        ],
    )
    def test_by_hand(self, window, expected):
        cropped = crop_boxes(LABELS[:1], torch.tensor([window], dtype=torch.float32))
        torch.testing.assert_close(cropped[0, 0], torch.tensor(expected, dtype=torch.float32))
        assert (cropped[0, 1] == -1).all()

    def test_as_torchvisions_crop_and_resize(self):
        box = tv_tensors.BoundingBoxes([[10.0, 20, 40, 60]], format="XYXY", canvas_size=(100, 100))
        theirs = v2.functional.resized_crop(box, top=10, left=5, height=60, width=60, size=[30, 30])
        ours = crop_boxes(LABELS[:1], torch.tensor([[0.05, 0.1, 0.65, 0.7]]))
        torch.testing.assert_close(30 * ours[0, :1, 1:], theirs.as_subclass(torch.Tensor))

    def test_the_box_stays_on_its_object(self):
        torch.manual_seed(0)
        images = torch.zeros(64, 3, 40, 40, dtype=torch.uint8)
        images[:, :, 8:24, 4:16] = 200
        new, labels = RandomBoxCrop((0.5, 1.5))(images, LABELS[:1].expand(64, -1, -1))
        assert new.shape == images.shape
        for image, rows in zip(new, labels, strict=True):
            if rows[0, 0] < 0:
                continue
            found = (image[0] > 100).nonzero()
            edges = torch.cat((found.min(0).values.flip(0), found.max(0).values.flip(0) + 1))
            assert (edges - 40 * rows[0, 1:]).abs().max() <= 1
        kept = (labels[:, 0, 0] == 2).sum()
        assert 32 < kept < 64
