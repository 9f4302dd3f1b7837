import pytest
import torch
import torchvision
from boxes_strategies import boxes as box_strategy
from hypothesis import given, settings
from hypothesis import strategies as st

from d2lhelpers.proposals import roi_align, roi_pool

SCALES = [1.0, 0.3, 1 / 8]
SIZES = [1, 7, (3, 5)]


def features(dtype=torch.float32, seed=0, rectified=False):
    """(3, 5, 17, 11), taller than wide; rectified ones are full of ties."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(3, 5, 17, 11, generator=generator, dtype=dtype)
    return (values.relu() if rectified else values).requires_grad_()


def rois(dtype=torch.float32, seed=0, count=40, whole=False):
    """(count, 5): inside and outside the map, far larger than it, and the first three without area."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator, dtype=dtype) * 160 - 40
    side = torch.rand(count, 2, generator=generator, dtype=dtype) ** 3 * 300
    side[:3] = 0
    boxes = torch.cat((corner, corner + side), dim=1)
    image = torch.randint(0, 3, (count, 1), generator=generator).to(dtype)
    return torch.cat((image, boxes.round() if whole else boxes), dim=1)


def assert_same(ours, theirs, values):
    """The same values, and the same gradient for some loss."""
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn(ours.shape, dtype=ours.dtype, generator=torch.Generator().manual_seed(9))
    gradients = [torch.autograd.grad((out * weights).sum(), values)[0] for out in (ours, theirs)]
    torch.testing.assert_close(*gradients)


class TestPool:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("scale", SCALES)
    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("whole", [False, True])
    def test_equals_torchvision(self, dtype, scale, size, whole):
        for seed in range(2):
            # the second time with ties, whose gradient goes to one of them
            values, boxes = features(dtype, seed, rectified=seed == 1), rois(dtype, seed, 40, whole)
            theirs = torchvision.ops.roi_pool(values, boxes, size, scale)
            assert_same(roi_pool(values, boxes, size, scale), theirs, values)

    @given(box_strategy(0, 6, torch.float32), st.sampled_from([0.25, 0.5, 1.0, 2.0]))
    @settings(max_examples=50)
    def test_equals_torchvision_where_halves_are_rounded(self, boxes, scale):
        values = features(rectified=True)
        boxes = torch.nn.functional.pad(boxes - 2, (1, 0))
        theirs = torchvision.ops.roi_pool(values, boxes, 3, scale)
        assert_same(roi_pool(values, boxes, 3, scale), theirs, values)

    def test_numbers_on_paper(self):
        # cells 1 to 4 across and 0 to 2 down, 4 x 3 of them; bins of 2 x 1.5, that is rows 0-1 and 1-2
        values = torch.arange(30.0).view(1, 1, 5, 6)
        pooled = roi_pool(values, [torch.tensor([[0.9, 0.4, 4.4, 1.6]])], 2)
        assert pooled.flatten().tolist() == [8, 10, 14, 16]

    def test_boxes_outside_the_map_give_no_value_and_no_gradient(self):
        values = features()
        pooled = roi_pool(values, torch.tensor([[0.0, 50, 50, 60, 60]]), 2)
        pooled.sum().backward()
        assert not pooled.any()
        assert not values.grad.any()


class TestAlign:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("scale", SCALES)
    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("ratio", [-1, 0, 1, 2, 3])
    @pytest.mark.parametrize("aligned", [True, False])
    def test_equals_torchvision(self, dtype, scale, size, ratio, aligned):
        seed = ratio + 1
        values, boxes = features(dtype, seed), rois(dtype, seed, whole=seed % 2 == 1)
        theirs = torchvision.ops.roi_align(values, boxes, size, scale, ratio, aligned)
        assert_same(roi_align(values, boxes, size, scale, ratio, aligned), theirs, values)

    @given(box_strategy(0, 6, torch.float32), st.sampled_from([-1, 2]), st.booleans())
    @settings(max_examples=50)
    def test_equals_torchvision_at_the_edges_of_cells(self, boxes, ratio, aligned):
        values = features()
        boxes = torch.nn.functional.pad(boxes - 2, (1, 0))
        theirs = torchvision.ops.roi_align(values, boxes, 3, 1.0, ratio, aligned)
        assert_same(roi_align(values, boxes, 3, 1.0, ratio, aligned), theirs, values)

    def test_is_exact_on_a_slope(self):
        # bilinear sampling of x + 10 y gives x + 10 y, at the bins' middles less the half cell
        y, x = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
        aligned = roi_align((x + 10 * y)[None, None], [torch.tensor([[2.0, 3, 6, 9]])], 2)
        middles = torch.tensor([[3 + 10 * 4.5, 5 + 10 * 4.5], [3 + 10 * 7.5, 5 + 10 * 7.5]])
        torch.testing.assert_close(aligned[0, 0], middles - 0.5 - 10 * 0.5)

    def test_moves_with_the_box_where_pooling_stands_still(self):
        values, box = features(), torch.tensor([[0.0, 2.1, 3.1, 7.1, 9.1]])
        moved = box + torch.tensor([0, 0.3, 0.3, 0.3, 0.3])
        assert torch.equal(roi_pool(values, box, 3), roi_pool(values, moved, 3))
        assert (roi_align(values, box, 3) - roi_align(values, moved, 3)).abs().max() > 0.05

    def test_computes_places_in_float32_on_features_of_bfloat16(self):
        values, boxes = features().detach(), rois()
        low = roi_align(values.bfloat16(), boxes, 3, 1 / 8)
        assert low.dtype == torch.bfloat16
        torch.testing.assert_close(
            low.float(), roi_align(values, boxes, 3, 1 / 8), atol=0.05, rtol=0.05
        )


@pytest.mark.parametrize("cut", [roi_align, roi_pool])
class TestBoth:
    def test_a_list_is_what_rows_with_images_are(self, cut):
        values, boxes = features(), rois()
        boxes = boxes[boxes[:, 0].argsort(stable=True)]
        boxes[boxes[:, 0] == 1, 0] = 2  # none for the image in between
        each = [boxes[boxes[:, 0] == image, 1:] for image in range(3)]
        assert torch.equal(cut(values, each, 3, 0.3), cut(values, boxes, 3, 0.3))

    def test_the_order_of_rows_does_not_matter(self, cut):
        values, boxes = features(), rois()
        order = torch.randperm(len(boxes), generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(cut(values, boxes[order], 3, 0.3), cut(values, boxes, 3, 0.3)[order])  # fmt: skip

    def test_no_boxes_at_all(self, cut):
        values = features()
        for none in (torch.zeros(0, 5), [torch.zeros(0, 4)] * 3):
            out = cut(values, none, (3, 5))
            assert out.shape == (0, 5, 3, 5)
            out.sum().backward()
        assert not values.grad.any()
        assert cut(torch.zeros(0, 5, 4, 4), [], 2).shape == (0, 5, 2, 2)

    def test_takes_any_layout(self, cut):
        values, boxes = features(), rois()
        expected = cut(values, boxes, 3, 0.3)
        for other in (
            values.contiguous(memory_format=torch.channels_last),
            values.mT.contiguous().mT,
        ):
            torch.testing.assert_close(cut(other, boxes, 3, 0.3), expected)

    def test_no_gradient_reaches_the_boxes(self, cut):
        boxes = rois().requires_grad_()
        cut(features(), boxes, 3, 0.3).sum().backward()
        assert boxes.grad is None

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ((torch.zeros(2, 3, 4), [], 2), "features"),
            ((torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.zeros(1, 5), 2), "features"),
            ((torch.zeros(1, 3, 4, 4), torch.zeros(1, 4), 2), r"boxes must be \(K, 5\)"),
            ((torch.zeros(1, 3, 4, 4), [torch.zeros(1, 5)], 2), r"boxes\[0\]"),
            ((torch.zeros(1, 3, 4, 4), [], 2), "one tensor for each of 1 images, got 0"),
            ((torch.zeros(1, 3, 4, 4), torch.tensor([[1.0, 0, 0, 1, 1]]), 2), "images in 0..0"),
            ((torch.zeros(1, 3, 4, 4), torch.tensor([[0.0, 2, 0, 1, 1]]), 2), "x1 <= x2"),
            ((torch.zeros(1, 3, 4, 4), torch.zeros(1, 5), 0), "output_size"),
            ((torch.zeros(1, 3, 4, 4), torch.zeros(1, 5), (2, 2, 2)), "output_size"),
            ((torch.zeros(1, 3, 4, 4), torch.zeros(1, 5), 2, 0.0), "spatial_scale"),
            ((torch.zeros(1, 3, 4, 4), torch.zeros(1, 5, device="meta"), 2), "boxes on meta"),
        ],
    )
    def test_bad_input_is_named(self, cut, arguments, named):
        with pytest.raises(ValueError, match=named):
            cut(*arguments)
