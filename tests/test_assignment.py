import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from d2lhelpers.detection.assignment import (
    aligned_values,
    assign_aligned,
    assign_centre_area,
    assign_centre_cell,
)

STRIDE = 8
HEIGHT, WIDTH = 3, 5  # cells


def grid(height=HEIGHT, width=WIDTH, stride=STRIDE):
    return torch.tensor(
        [((x + 0.5) * stride, (y + 0.5) * stride) for y in range(height) for x in range(width)]
    )


POINTS = grid()


def random_pictures(batch, most, seed):
    """(B, G, 4) boxes in whole pixels, so that middles on a border are common, and (B, G) bool."""
    generator = torch.Generator().manual_seed(seed)
    size = torch.tensor([8 * WIDTH, 8 * HEIGHT])
    ends = (torch.rand(2, batch, most, 2, generator=generator) * (size + 1)).floor().sort(0).values
    corner = ends[0].minimum(size - 1)
    boxes = torch.cat((corner, ends[1].maximum(corner + 1)), dim=-1)
    return boxes, torch.rand(batch, most, generator=generator) < 0.8


def pictures(least=0):
    return st.builds(
        random_pictures, st.integers(1, 3), st.integers(least, 5), st.integers(0, 10**6)
    )


def middle_cell(box):
    """Row by row, the number of the cell that holds the middle."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    column, row = math.floor(x / STRIDE), math.floor(y / STRIDE)
    return min(row, HEIGHT - 1) * WIDTH + min(column, WIDTH - 1)


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def owner(wanting, boxes):
    """The smallest of the objects that want a cell, the first of equals."""
    return min(wanting, key=lambda g: (area(boxes[g]), g), default=-1)


def scalar_assign(boxes, real, wants):
    """For each picture and cell the smallest object of which `wants(box, cell)` is true."""
    return [
        [
            owner([g for g, box in enumerate(rows) if there[g] and wants(box, cell)], rows)
            for cell in range(len(POINTS))
        ]
        for rows, there in zip(boxes.tolist(), real.tolist(), strict=True)
    ]


def inside(box, cell):
    x, y = POINTS[cell].tolist()
    return box[0] < x < box[2] and box[1] < y < box[3]


def in_centre_area(box, cell, radius):
    x, y = POINTS[cell].tolist()
    away = max(abs(x - (box[0] + box[2]) / 2), abs(y - (box[1] + box[3]) / 2))
    return cell == middle_cell(box) or (away <= radius * STRIDE and inside(box, cell))


class TestCentreCell:
    @given(pictures())
    def test_agrees_with_a_scalar_loop(self, given_pictures):
        actual = assign_centre_cell(POINTS, *given_pictures, STRIDE)
        wants = lambda box, cell: cell == middle_cell(box)  # noqa: E731
        assert actual.tolist() == scalar_assign(*given_pictures, wants)

    def test_a_middle_on_a_corner_of_four_cells_gets_one(self):
        row = assign_centre_cell(
            POINTS, torch.tensor([[[6.0, 6, 10, 10]]]), torch.ones(1, 1).bool(), STRIDE
        )
        assert row.tolist() == [[-1] * 6 + [0] + [-1] * 8]

    def test_of_two_in_a_cell_the_smaller_has_it_whatever_their_order(self):
        boxes = torch.tensor([[[0.0, 0, 8, 8], [2, 2, 6, 6]]])
        real = torch.ones(1, 2).bool()
        assert assign_centre_cell(POINTS, boxes, real, STRIDE)[0, 0] == 1
        assert assign_centre_cell(POINTS, boxes.flip(1), real, STRIDE)[0, 0] == 0

    def test_a_picture_wider_than_its_grid_leaves_nobody_out(self):
        points = grid(1, 2)
        boxes = torch.tensor([[[15.0, 2, 20, 6], [-9, -9, -4, -4]]])  # middles right and left of it
        row = assign_centre_cell(points, boxes, torch.ones(1, 2).bool(), STRIDE)
        assert row.tolist() == [[1, 0]]


class TestCentreArea:
    @given(pictures(), st.sampled_from([0.5, 1.0, 1.5, 2.5]))
    def test_agrees_with_a_scalar_loop(self, given_pictures, radius):
        actual = assign_centre_area(POINTS, *given_pictures, STRIDE, radius)
        wants = lambda box, cell: in_centre_area(box, cell, radius)  # noqa: E731
        assert actual.tolist() == scalar_assign(*given_pictures, wants)

    def test_nine_cells_for_a_large_object_and_one_for_a_tiny_one(self):
        boxes = torch.tensor([[[0.0, 0, 39, 24]], [[0, 0, 3, 3]]])
        row = assign_centre_area(POINTS, boxes, torch.ones(2, 1).bool(), STRIDE)
        assert (row >= 0).sum(1).tolist() == [9, 1]


class TestAligned:
    def assign(self, boxes, real, quality, most=8):
        return assign_aligned(POINTS, boxes, real, STRIDE, quality, most)

    @given(pictures(), st.integers(1, 20), st.integers(0, 1000))
    def test_agrees_with_a_scalar_loop(self, given_pictures, most, seed):
        boxes, real = given_pictures
        generator = torch.Generator().manual_seed(seed)
        quality = torch.rand(*real.shape, len(POINTS), generator=generator)
        expected = [[-1] * len(POINTS) for _ in boxes]
        for b, rows in enumerate(boxes.tolist()):
            found = {}
            for g, box in enumerate(rows):
                cells = [c for c in range(len(POINTS)) if inside(box, c) or c == middle_cell(box)]
                cells.sort(key=lambda c: -quality[b, g, c])
                for c in cells[:most] if real[b, g] else []:
                    found.setdefault(c, []).append((quality[b, g, c].item(), g))
            for c, wanting in found.items():
                expected[b][c] = max(wanting)[1]
        assert self.assign(boxes, real, quality, most).tolist() == expected

    def test_a_quality_of_nothing_is_still_enough(self):
        boxes, real = torch.tensor([[[0.0, 0, 16, 8]]]), torch.ones(1, 1).bool()
        row = self.assign(boxes, real, torch.zeros(1, 1, 15))
        assert row.tolist() == [[0, 0] + [-1] * 13]

    def test_quality_of_another_shape_is_named(self):
        with pytest.raises(ValueError, match=r"quality must be \(1, 2, 15\)"):
            self.assign(torch.zeros(1, 2, 4), torch.ones(1, 2).bool(), torch.zeros(1, 15, 2))


class TestAlignedValues:
    def test_on_paper(self):
        # object 0 has cells 0 and 1, object 1 cell 3; cell 2 is background
        row = torch.tensor([[0, 0, -1, 1]])
        quality = torch.tensor([[[0.2, 0.1, 0.9, 0.8], [0.7, 0.7, 0.7, 0.5]]])
        iou = torch.tensor([[[0.6, 0.4, 1.0, 1.0], [1.0, 1.0, 1.0, 0.3]]])
        expected = torch.tensor([[0.6, 0.3, 0.0, 0.3]])
        torch.testing.assert_close(aligned_values(row, quality, iou), expected)

    @given(pictures(), st.integers(0, 1000))
    def test_the_best_cell_of_an_object_has_its_best_overlap(self, given_pictures, seed):
        boxes, real = given_pictures
        generator = torch.Generator().manual_seed(seed)
        quality, iou = torch.rand(2, *real.shape, len(POINTS), generator=generator)
        row = assign_aligned(POINTS, boxes, real, STRIDE, quality)
        values = aligned_values(row, quality, iou)
        assert ((values > 0) == (row >= 0)).all()
        for b, g in real.nonzero().tolist():
            if (mine := row[b] == g).any():
                assert values[b][mine].max() == pytest.approx(iou[b, g][mine].max().item())
                assert values[b][mine].argmax() == quality[b, g][mine].argmax()

    def test_before_anything_is_learnt_nothing_is_asked_and_nothing_breaks(self):
        row = torch.tensor([[0, -1]])
        assert aligned_values(row, torch.zeros(1, 1, 2), torch.zeros(1, 1, 2)).tolist() == [[0, 0]]
        assert aligned_values(row - 1, torch.zeros(1, 0, 2), torch.zeros(1, 0, 2)).shape == (1, 2)


ALL = {
    "cell": assign_centre_cell,
    "area": assign_centre_area,
    "aligned": lambda points, boxes, real, stride: assign_aligned(
        points, boxes, real, stride, torch.ones(*boxes.shape[:2], len(points))
    ),
}
everywhere = pytest.mark.parametrize("assign", ALL.values(), ids=ALL)


class TestAll:
    @everywhere
    @settings(max_examples=30)
    @given(given_pictures=pictures())
    def test_what_padding_holds_changes_nothing(self, assign, given_pictures):
        boxes, real = given_pictures
        rubbish = torch.where(real[..., None], boxes, torch.nan)
        assert torch.equal(
            assign(POINTS, boxes, real, STRIDE), assign(POINTS, rubbish, real, STRIDE)
        )

    @everywhere
    @settings(max_examples=30)
    @given(given_pictures=pictures(least=1))
    def test_a_picture_gets_alone_what_it_gets_in_a_batch(self, assign, given_pictures):
        boxes, real = given_pictures
        together = assign(POINTS, boxes, real, STRIDE)
        alone = [
            assign(POINTS, boxes[i : i + 1], real[i : i + 1], STRIDE) for i in range(len(boxes))
        ]
        assert torch.equal(together, torch.cat(alone))

    @everywhere
    @settings(max_examples=30)
    @given(given_pictures=pictures())
    def test_an_object_alone_has_a_cell(self, assign, given_pictures):
        alone = given_pictures[0].flatten(0, 1)[:, None]
        row = assign(POINTS, alone, torch.ones(len(alone), 1).bool(), STRIDE)
        assert (row >= 0).any(1).all()

    @everywhere
    def test_pictures_without_objects_are_all_background(self, assign):
        for real in (torch.zeros(2, 0).bool(), torch.zeros(2, 3).bool()):
            row = assign(POINTS, torch.full((*real.shape, 4), -1.0), real, STRIDE)
            assert row.dtype == torch.int64
            assert row.shape == (2, 15)
            assert (row == -1).all()

    @everywhere
    def test_bad_input_is_named(self, assign):
        real = torch.ones(1, 2).bool()
        with pytest.raises(ValueError, match="points"):
            assign(POINTS.T, torch.zeros(1, 2, 4), real, STRIDE)
        with pytest.raises(ValueError, match="last dimension of 4"):
            assign(POINTS, torch.zeros(1, 2, 5), real, STRIDE)
        with pytest.raises(ValueError, match="boxes must be"):
            assign(POINTS, torch.zeros(2, 4), real, STRIDE)
        with pytest.raises(ValueError, match=r"real must be \(1, 3\)"):
            assign(POINTS, torch.zeros(1, 3, 4), real, STRIDE)
