import math

import pytest
import torch
from boxes_strategies import random_boxes
from hypothesis import assume, given
from hypothesis import strategies as st
from torchvision.ops import complete_box_iou_loss, generalized_box_iou_loss

from d2lhelpers.detection.losses import ciou_loss, giou_loss, squared_loss

THEIRS = {giou_loss: generalized_box_iou_loss, ciou_loss: complete_box_iou_loss}
ALL = (squared_loss, *THEIRS)

with_torchvision = pytest.mark.parametrize("loss", THEIRS, ids=lambda f: f.__name__)
every_loss = pytest.mark.parametrize("loss", ALL, ids=lambda f: f.__name__)


def boxes_in_cells(shortest=0.125):
    """A pair of boxes on a grid of eighths of a cell: ties, equal boxes and touching ones are common."""
    eighths = st.integers(0, 32).map(lambda n: n / 8)
    sides = st.integers(round(8 * shortest), 32).map(lambda n: n / 8)
    box = st.tuples(eighths, eighths, sides, sides).map(
        lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
    )
    return st.tuples(box, box).map(lambda pair: torch.tensor(pair, dtype=torch.float64))


def with_gradient(loss, boxes, targets):
    boxes = boxes.clone().requires_grad_()
    value = loss(boxes, targets)
    value.sum().backward()
    return value.detach(), boxes.grad


def scalar_giou(a, b):
    area = lambda box: max(0, box[2] - box[0]) * max(0, box[3] - box[1])  # noqa: E731
    shared = area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    hull = area((min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])))
    union = area(a) + area(b) - shared
    return 1 - shared / union + (hull - union) / hull


class TestAgainstTorchvision:
    @with_torchvision
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_value_and_gradient_on_random_pairs(self, loss, seed, dtype):
        boxes = 128 * random_boxes(200, seed).to(dtype)
        targets = boxes[torch.randperm(200, generator=torch.Generator().manual_seed(seed))]
        targets = targets + torch.rand(200, 4, generator=torch.Generator().manual_seed(seed))
        for ours, theirs in zip(
            with_gradient(loss, boxes, targets),
            with_gradient(THEIRS[loss], boxes, targets),
            strict=True,
        ):
            torch.testing.assert_close(ours, theirs)

    @with_torchvision
    @given(pair=boxes_in_cells())
    def test_value_and_gradient_where_edges_meet(self, loss, pair):
        for ours, theirs in zip(
            with_gradient(loss, pair[:1], pair[1:]),
            with_gradient(THEIRS[loss], pair[:1], pair[1:]),
            strict=True,
        ):
            torch.testing.assert_close(ours, theirs)

    @with_torchvision
    @pytest.mark.parametrize("other", [(2.0, 0, 4, 3), (0, 2, 2, 4), (2, 2, 4, 4), (0, 0, 2, 3)])
    def test_the_slope_between_boxes_that_only_touch(self, loss, other):
        boxes, targets = torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([other])
        _, ours = with_gradient(loss, boxes, targets)
        _, theirs = with_gradient(THEIRS[loss], boxes, targets)
        torch.testing.assert_close(ours, theirs)

    @with_torchvision
    @given(pair=boxes_in_cells(shortest=0))
    def test_boxes_without_area_give_what_torchvision_gives_where_that_is_a_number(
        self, loss, pair
    ):
        ours, theirs = loss(pair[0], pair[1]), THEIRS[loss](pair[0], pair[1])
        if theirs.isfinite():
            torch.testing.assert_close(ours, theirs)


class TestProperties:
    @given(pair=boxes_in_cells())
    def test_giou_is_what_a_scalar_calculation_says(self, pair):
        expected = scalar_giou(*pair.tolist())
        torch.testing.assert_close(
            giou_loss(*pair), torch.tensor(expected).double(), atol=1e-5, rtol=1e-5
        )

    @every_loss
    @given(pair=boxes_in_cells())
    def test_symmetric_and_zero_only_for_equal_boxes(self, loss, pair):
        torch.testing.assert_close(loss(*pair), loss(*pair.flip(0)))
        torch.testing.assert_close(loss(pair, pair), torch.zeros(2).double(), atol=1e-5, rtol=0)
        assume((pair[0] != pair[1]).any())
        assert loss(*pair) > 1e-4

    @with_torchvision
    @given(pair=boxes_in_cells(), scale=st.sampled_from([2, 8, 100]), shift=st.integers(-50, 50))
    def test_blind_to_the_unit_and_the_origin(self, loss, pair, scale, shift):
        torch.testing.assert_close(loss(*(scale * pair + shift)), loss(*pair), atol=1e-4, rtol=1e-4)

    def test_squared_error_is_not_blind_to_the_unit(self):
        pair = torch.tensor([[0.0, 0, 4, 4], [1, 0, 5, 4]])
        assert squared_loss(*pair) == 1
        assert squared_loss(*(8 * pair)) == 64

    def test_squared_error_on_paper(self):
        # centres (2, 2) and (5, 6), sides 4 x 4 and 9 x 16: 3**2 + 4**2 + (2 - 3)**2 + (2 - 4)**2
        boxes, targets = torch.tensor([0.0, 0, 4, 4]), torch.tensor([0.5, -2, 9.5, 14])
        torch.testing.assert_close(squared_loss(boxes, targets), torch.tensor(30.0))

    def test_ciou_on_paper(self):
        # apart along x, squares of side 1: 1 + 2**2 / (3**2 + 1)
        pair = torch.tensor([[0.0, 0, 1, 1], [2, 0, 3, 1]])
        torch.testing.assert_close(ciou_loss(*pair), torch.tensor(1.4))
        # one middle, 1 x 3 in 3 x 1: IoU 1 / 5, and the shapes' angles differ by atan 3 - atan 1/3
        pair = torch.tensor([[1.0, 0, 2, 3], [0, 1, 3, 2]])
        v = 4 / math.pi**2 * (math.atan(3) - math.atan(1 / 3)) ** 2
        expected = 0.8 + v * v / (0.8 + v)
        torch.testing.assert_close(ciou_loss(*pair), torch.tensor(expected))

    @with_torchvision
    def test_boxes_apart_are_drawn_together(self, loss):
        boxes = torch.tensor([[0.0, 0, 1, 1]])
        _, gradient = with_gradient(loss, boxes, torch.tensor([[3.0, 0, 4, 1]]))
        # a step against the gradient moves the box to the right
        assert gradient[0, [0, 2]].sum() < -0.01
        assert gradient[0, 2] < 0


class TestEdges:
    @every_loss
    @given(pair=boxes_in_cells(shortest=0))
    def test_no_nan_and_no_infinity_with_or_without_area(self, loss, pair):
        for value in with_gradient(loss, pair[:1], pair[1:]):
            assert value.isfinite().all()

    @every_loss
    def test_points_lines_and_no_boxes_at_all(self, loss):
        some = torch.tensor([[1.0, 1, 1, 1], [1, 1, 3, 1], [1, 1, 1, 3], [1, 1, 3, 3]])
        boxes, targets = some.repeat(4, 1), some.repeat_interleave(4, dim=0)
        for value in with_gradient(loss, boxes, targets):
            assert value.isfinite().all()
        assert loss(some[:0], some[:0]).shape == (0,)

    @every_loss
    def test_any_leading_dimensions(self, loss):
        boxes, targets = random_boxes(6, 0), random_boxes(6, 1)
        torch.testing.assert_close(
            loss(boxes.view(2, 3, 4), targets.view(2, 3, 4)), loss(boxes, targets).view(2, 3)
        )

    @every_loss
    def test_bad_input_is_named(self, loss):
        with pytest.raises(ValueError, match="last dimension of 4"):
            loss(torch.zeros(2, 3), torch.zeros(2, 3))
        with pytest.raises(ValueError, match=r"targets must be \(2, 4\)"):
            loss(torch.zeros(2, 4), torch.zeros(3, 4))
