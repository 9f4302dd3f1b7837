import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as vision

from d2lhelpers.augment import (
    PerImage,
    RandomCrop,
    RandomFlip,
    RandomResizedCrop,
    crop_and_resize,
    flip,
    shift,
)

NUMBER, HEIGHT, WIDTH = 6, 17, 11


def pictures(dtype=torch.uint8, number=NUMBER, height=HEIGHT, width=WIDTH):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (number, 3, height, width), generator=generator).to(torch.uint8)
    return images if dtype == torch.uint8 else images.to(dtype) / 255


class TestFlip:
    @pytest.mark.parametrize(
        ("dim", "oracle"), [(-1, vision.horizontal_flip), (-2, vision.vertical_flip)]
    )
    def test_mirrors_those_that_it_is_told_to(self, dim, oracle):
        images = pictures()
        which = torch.tensor([True, False, True, True, False, False])
        flipped = flip(images, which, dim)
        for image, before, mirrored in zip(flipped, images, which, strict=True):
            assert torch.equal(image, oracle(before) if mirrored else before)

    def test_twice_is_nothing(self):
        images, which = pictures(torch.float32), torch.ones(NUMBER, dtype=torch.bool)
        assert torch.equal(flip(flip(images, which), which), images)

    @pytest.mark.parametrize(("p", "expected"), [(0.0, 0), (1.0, 2000)])
    def test_never_and_always(self, p, expected):
        images = torch.arange(3 * 2, dtype=torch.float32).view(1, 3, 1, 2).expand(2000, -1, -1, -1)
        assert (RandomFlip(p=p)(images)[:, 0, 0, 0] == 1).sum() == expected

    def test_half_of_the_images_by_default_each_for_itself(self):
        images = torch.arange(3 * 2, dtype=torch.float32).view(1, 3, 1, 2).expand(2000, -1, -1, -1)
        torch.manual_seed(0)
        # 8 standard deviations on either side
        assert abs((RandomFlip()(images)[:, 0, 0, 0] == 1).sum() - 1000) < 180


class TestShift:
    @given(
        down=st.lists(st.integers(-4, 4), min_size=NUMBER, max_size=NUMBER),
        right=st.lists(st.integers(-4, 4), min_size=NUMBER, max_size=NUMBER),
        dtype=st.sampled_from([torch.uint8, torch.float32]),
    )
    def test_is_padding_by_reflection_and_a_crop(self, down, right, dtype):
        images = pictures(dtype)
        padded = F.pad(images.float(), (4, 4, 4, 4), mode="reflect").to(dtype)
        moved = shift(images, torch.tensor(down), torch.tensor(right), padding=4)
        for k in range(NUMBER):
            y, x = 4 - down[k], 4 - right[k]
            assert torch.equal(moved[k], padded[k, :, y : y + HEIGHT, x : x + WIDTH])

    def test_draws_for_each_image_over_the_whole_range(self):
        torch.manual_seed(0)
        ramp = torch.arange(11.0).expand(500, 3, 11, 11)
        middle = RandomCrop(2)(ramp)[:, 0, 5, 5]
        assert sorted(set(middle.tolist())) == [3, 4, 5, 6, 7]

    @pytest.mark.parametrize("padding", [-1, 11])
    def test_refuses_a_padding_that_cannot_be_reflected(self, padding):
        with pytest.raises(ValueError, match="padding must be from 0 to 10"):
            RandomCrop(padding)(pictures())


class TestCropAndResize:
    @pytest.mark.parametrize("size", [5, 16, (7, 23)])
    def test_is_torchvisions_resized_crop_on_whole_pixels(self, size):
        images = pictures(torch.float64).float()
        boxes = torch.tensor(
            [
                [0, 0, 11, 17],
                [2, 3, 9, 10],
                [5, 0, 6, 17],
                [0, 16, 11, 17],
                [1, 1, 3, 3],
                [4, 8, 8, 12],
            ]
        )
        ours = crop_and_resize(images, boxes, size)
        side = (size, size) if isinstance(size, int) else size
        for image, before, (x1, y1, x2, y2) in zip(ours, images, boxes.tolist(), strict=True):
            patch = vision.resized_crop(before, y1, x1, y2 - y1, x2 - x1, side, antialias=False)
            # beyond the box's outermost pixel centres torchvision repeats the box's edge, ours looks past it
            inside = _between_centres(side, (y2 - y1, x2 - x1))
            torch.testing.assert_close(image[:, inside], patch[:, inside], rtol=1e-4, atol=1e-4)

    def test_the_whole_image_in_its_own_size_is_itself(self):
        images = pictures()
        boxes = torch.tensor([[0.0, 0.0, WIDTH, HEIGHT]]).expand(NUMBER, -1)
        assert torch.equal(crop_and_resize(images, boxes, (HEIGHT, WIDTH)), images)

    def test_random_boxes_keep_to_their_area_and_shape(self, monkeypatch):
        seen = []
        monkeypatch.setattr(
            "d2lhelpers.augment.crop_and_resize", lambda images, boxes, size: seen.append(boxes)
        )
        torch.manual_seed(0)
        images = torch.zeros(3000, 3, 40, 40, dtype=torch.uint8)
        RandomResizedCrop(32, scale=(0.2, 0.5), ratio=(0.5, 2.0))(images)
        x1, y1, x2, y2 = seen[0].unbind(1)
        width, height = x2 - x1, y2 - y1
        assert min(x1.min(), y1.min()) >= 0
        assert max(x2.max(), y2.max()) <= 40 + 1e-4
        area = width * height / 1600
        assert area.min() >= 0.2 * 0.99
        assert area.max() <= 0.5 * 1.01
        assert (width / height).min() >= 0.5 * 0.99
        assert (width / height).max() <= 2.0 * 1.01
        # spread over the whole range, not stuck at one end
        assert area.min() < 0.22
        assert area.max() > 0.48
        assert abs((width / height).log().mean()) < 0.05


def _between_centres(side, box):
    """Where bilinear sampling of the box needs no pixel beyond it, (height, width) bool."""
    rows, columns = (
        ((torch.arange(out) + 0.5) / out * length - 0.5 >= -1e-6)
        & ((torch.arange(out) + 0.5) / out * length - 0.5 <= length - 1 + 1e-6)
        for out, length in zip(side, box, strict=True)
    )
    return rows[:, None] & columns[None, :]


class TestPerImage:
    def test_draws_anew_for_each_image_where_a_batch_would_get_one_draw(self):
        images = pictures(number=1).expand(40, -1, -1, -1)
        crop = v2.RandomCrop((8, 8))
        torch.manual_seed(0)
        assert len({bytes(image.numpy().tobytes()) for image in crop(images)}) == 1
        assert len({bytes(image.numpy().tobytes()) for image in PerImage(crop)(images)}) > 10

    def test_the_seed_holds(self):
        images = pictures()
        augment = v2.Compose([RandomFlip(), RandomCrop(2), PerImage(v2.ColorJitter(0.5))])
        torch.manual_seed(3)
        first = augment(images)
        torch.manual_seed(3)
        assert torch.equal(augment(images), first)
