import math

import pytest
import torch
import torchvision
from boxes_strategies import boxes, random_boxes
from hypothesis import given
from hypothesis import strategies as st

from d2lhelpers import box_area, box_center_to_corner, box_corner_to_center, box_iou, clip_boxes


def scalar_iou(a, b):
    """Counts overlap on each axis by sorting, unlike the code under test."""
    sides = []
    for axis in (0, 1):
        inner = sorted([a[axis], a[axis + 2], b[axis], b[axis + 2]])[1:3]
        apart = a[axis + 2] <= b[axis] or b[axis + 2] <= a[axis]
        sides.append(0.0 if apart else inner[1] - inner[0])
    shared = sides[0] * sides[1]
    total = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / total if total else 0.0


def test_iou_of_two_unit_squares_half_a_side_apart_is_a_third():
    assert box_iou(
        torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([[0.5, 0, 1.5, 1]])
    ).item() == pytest.approx(1 / 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("n", "m"), [(1, 1), (17, 11), (200, 3)])
def test_iou_and_area_agree_with_torchvision(dtype, seed, n, m):
    a, b = random_boxes(n, seed, dtype), random_boxes(m, seed + 100, dtype)
    torch.testing.assert_close(box_iou(a, b), torchvision.ops.box_iou(a, b))
    torch.testing.assert_close(box_area(a), torchvision.ops.box_area(a))


@given(boxes(), boxes())
def test_iou_agrees_with_a_scalar_loop(a, b):
    expected = torch.tensor(
        [[scalar_iou(p.tolist(), q.tolist()) for q in b] for p in a], dtype=torch.float64
    )
    torch.testing.assert_close(box_iou(a, b), expected)


@given(boxes(), boxes(), st.integers(-8, 8), st.integers(1, 8))
def test_iou_is_symmetric_bounded_and_blind_to_shift_and_scale(a, b, shift, scale):
    iou = box_iou(a, b)
    assert ((iou >= 0) & (iou <= 1)).all()
    assert torch.equal(iou, box_iou(b, a).T)
    torch.testing.assert_close(box_iou(a * scale + shift, b * scale + shift), iou)
    assert torch.equal(box_iou(a, a).diagonal(), torch.ones(len(a), dtype=a.dtype))


def test_iou_of_boxes_without_area_is_zero_where_d2l_gives_nan():
    point = torch.zeros(1, 4)
    assert box_iou(point, point).item() == 0
    assert box_iou(point, torch.tensor([[0.0, 0, 1, 1]])).item() == 0


def test_iou_of_touching_boxes_is_zero_and_of_nothing_is_empty():
    assert box_iou(torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([[1.0, 0, 2, 1]])).item() == 0
    assert box_iou(torch.zeros(0, 4), torch.zeros(3, 4)).shape == (0, 3)


def test_iou_takes_whole_numbers_and_other_strides():
    assert box_iou(
        torch.tensor([[0, 0, 2, 2]]), torch.tensor([[1, 1, 3, 3]])
    ).item() == pytest.approx(1 / 7)
    a = random_boxes(6, 0)
    strided = a.T.contiguous().T
    assert not strided.is_contiguous()
    assert torch.equal(box_iou(strided, strided), box_iou(a, a))


def test_iou_has_the_right_gradient():
    a, b = random_boxes(4, 1, torch.float64), random_boxes(3, 2, torch.float64)
    assert torch.autograd.gradcheck(box_iou, (a.requires_grad_(), b.requires_grad_()))


def test_iou_leaves_its_arguments_alone():
    a, b = random_boxes(4, 1), random_boxes(3, 2)
    a_before, b_before = a.clone(), b.clone()
    box_iou(a, b)
    assert torch.equal(a, a_before)
    assert torch.equal(b, b_before)


@given(boxes())
def test_formats_convert_there_and_back(corners):
    assert torch.equal(box_center_to_corner(box_corner_to_center(corners)), corners)


@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 4), (0, 4), (4,)])
def test_formats_agree_with_torchvision_on_any_leading_shape(shape):
    corners = random_boxes(math.prod(shape[:-1]), 3).reshape(shape)
    centres = box_corner_to_center(corners)
    torch.testing.assert_close(centres, torchvision.ops.box_convert(corners, "xyxy", "cxcywh"))
    torch.testing.assert_close(box_center_to_corner(centres), corners)


def test_clip_agrees_with_torchvision_on_a_picture_that_is_not_square():
    boxes_out = random_boxes(50, 4) * 40 - 10
    torch.testing.assert_close(
        clip_boxes(boxes_out, height=11, width=17),
        torchvision.ops.clip_boxes_to_image(boxes_out, (11, 17)),
    )


@pytest.mark.parametrize("function", [box_area, box_corner_to_center, box_center_to_corner])
def test_wrong_last_dimension_is_refused(function):
    with pytest.raises(ValueError, match="last dimension of 4"):
        function(torch.zeros(3, 5))


@pytest.mark.parametrize("bad", [[1.0, 0, 0, 1], [0, 1.0, 1, 0], [0, 0, float("nan"), 1]])
def test_swapped_corners_and_nan_are_refused_with_the_row(bad):
    corners = torch.tensor([[0.0, 0, 1, 1], bad])
    with pytest.raises(ValueError, match=r"boxes2\[1\]"):
        box_iou(corners[:1], corners)
    with pytest.raises(ValueError, match=r"boxes\[1\]"):
        box_area(corners)


def test_wrong_rank_device_and_size_are_refused():
    corners = torch.zeros(2, 4)
    with pytest.raises(ValueError, match="boxes1 must be"):
        box_iou(corners[None], corners)
    with pytest.raises(ValueError, match="one device"):
        box_iou(corners, corners.to("meta"))
    with pytest.raises(ValueError, match="must not be negative"):
        clip_boxes(corners, height=-1, width=1)
