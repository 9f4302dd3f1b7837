import itertools

import pytest
import torch
from boxes_strategies import boxes, random_boxes
from hypothesis import given
from hypothesis import strategies as st

from d2lhelpers import (
    anchors as anchors_module,
)
from d2lhelpers import (
    assign_anchor_to_bbox,
    box_corner_to_center,
    box_iou,
    multibox_prior,
    multibox_target,
    offset_boxes,
    offset_inverse,
)

# The example of d2l, section 14.4.3: a dog, a cat and five anchors.
TRUTH = torch.tensor([[0, 0.1, 0.08, 0.52, 0.92], [1, 0.55, 0.2, 0.9, 0.88]])
ANCHORS = torch.tensor(
    [
        [0, 0.1, 0.2, 0.3],
        [0.15, 0.2, 0.4, 0.4],
        [0.63, 0.05, 0.88, 0.98],
        [0.66, 0.45, 0.8, 0.8],
        [0.57, 0.3, 0.92, 0.9],
    ]
)


def scalar_match(truth, anchors, threshold):
    """The two passes with plain lists: sort all pairs once, then walk down the list."""
    iou = box_iou(anchors, truth).tolist()
    result = [-1] * len(anchors)
    for a, row in enumerate(iou):
        best = max(row, default=-1)
        if row and best >= threshold:
            result[a] = row.index(best)
    pairs = sorted(
        itertools.product(range(len(anchors)), range(len(truth))),
        key=lambda p: (-iou[p[0]][p[1]], p),
    )
    used_anchors, used_boxes = set(), set()
    for a, g in pairs:
        if a not in used_anchors and g not in used_boxes:
            result[a] = g
            used_anchors.add(a)
            used_boxes.add(g)
    return result


class TestMultiboxPrior:
    def test_numbers_of_the_notes(self):
        anchors = multibox_prior(
            torch.zeros(1, 3, 561, 728), sizes=[0.75, 0.5, 0.25], ratios=[1, 2, 0.5]
        )
        assert anchors.shape == (1, 2042040, 4)
        first = anchors.reshape(561, 728, 5, 4)[250, 250, 0]
        torch.testing.assert_close(
            first, torch.tensor([0.06, 0.07, 0.63, 0.82]), atol=0.005, rtol=0
        )

    @pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 2), (11, 17)])
    def test_agrees_with_a_scalar_loop(self, height, width):
        sizes, ratios = [0.6, 0.3], [1.0, 2.0, 0.5]
        expected = []
        for row, column in itertools.product(range(height), range(width)):
            for s, r in [(0.6, 1.0), (0.3, 1.0), (0.6, 2.0), (0.6, 0.5)]:
                tall, wide = height * s / r**0.5, height * s * r**0.5  # pixels
                x, y = column + 0.5, row + 0.5
                expected.append(
                    [
                        (x - wide / 2) / width,
                        (y - tall / 2) / height,
                        (x + wide / 2) / width,
                        (y + tall / 2) / height,
                    ]
                )
        actual = multibox_prior(torch.zeros(height, width, dtype=torch.float64), sizes, ratios)
        torch.testing.assert_close(actual[0], torch.tensor(expected, dtype=torch.float64))

    def test_ratio_is_width_over_height_in_pixels(self):
        centre = box_corner_to_center(multibox_prior(torch.zeros(30, 70), [0.5], [2.0])[0])
        torch.testing.assert_close(
            centre[:, 2] * 70 / (centre[:, 3] * 30), torch.full((30 * 70,), 2.0)
        )

    def test_takes_whole_number_pictures_and_keeps_the_dtype(self):
        assert multibox_prior(torch.zeros(2, 2, dtype=torch.uint8), [1], [1]).dtype == torch.float32
        assert (
            multibox_prior(torch.zeros(2, 2, dtype=torch.float64), [1], [1]).dtype == torch.float64
        )

    @pytest.mark.parametrize(
        ("data", "sizes", "ratios", "named"),
        [
            (torch.zeros(5), [0.5], [1], "data"),
            (torch.zeros(0, 5), [0.5], [1], "data"),
            (torch.zeros(2, 2), [], [1], "sizes"),
            (torch.zeros(2, 2), [0.5, 0], [1], "sizes"),
            (torch.zeros(2, 2), [0.5], [-1], "ratios"),
        ],
    )
    def test_bad_input_is_named(self, data, sizes, ratios, named):
        with pytest.raises(ValueError, match=named):
            multibox_prior(data, sizes, ratios)


class TestAssignment:
    def test_example_of_the_notes(self):
        assert assign_anchor_to_bbox(TRUTH[:, 1:], ANCHORS).tolist() == [-1, 0, 1, -1, 1]

    @given(boxes(0, 6), boxes(0, 9), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
    def test_agrees_with_a_scalar_loop(self, truth, anchors, threshold):
        actual = assign_anchor_to_bbox(truth, anchors, iou_threshold=threshold)
        assert actual.tolist() == scalar_match(truth, anchors, threshold)

    @pytest.mark.parametrize("seed", range(10))
    def test_every_box_gets_an_anchor_while_there_are_enough(self, seed):
        assigned = assign_anchor_to_bbox(random_boxes(12, seed), random_boxes(30, seed + 50))
        assert set(range(12)) <= set(assigned.tolist())

    def test_an_overlap_equal_to_the_threshold_is_enough(self):
        truth = torch.tensor([[0.0, 0, 4, 1]])
        anchors = torch.tensor([[0.0, 0, 3, 1], [0, 0, 2, 1], [0, 0, 1.9, 1]])
        assert assign_anchor_to_bbox(truth, anchors, iou_threshold=0.5).tolist() == [0, 0, -1]

    def test_no_ground_truth_means_background_where_d2l_crashes(self):
        assert assign_anchor_to_bbox(torch.zeros(0, 4), ANCHORS).tolist() == [-1] * 5

    def test_more_boxes_than_anchors_does_not_rewrite_the_first_anchor_as_d2l_does(self):
        truth = torch.tensor([[0.5, 0.5, 1, 1], [0, 0, 0.5, 0.5], [0, 0.5, 0.5, 1]])
        assert assign_anchor_to_bbox(truth, truth[:2]).tolist() == [0, 1]

    def test_index_is_exact_above_two_to_the_24_pairs_where_d2l_divides_floats(self):
        # One box for each of the last anchors; 450,001 x 40 = 18 million pairs.
        anchors = torch.zeros(450_001, 4)
        anchors[:, 2:] = 1e-3
        truth = torch.zeros(40, 4)
        truth[:, 0] = 10 + 2 * torch.arange(40)
        truth[:, 2:] = truth[:, :2] + 1
        anchors[-41:-1] = truth
        assigned = assign_anchor_to_bbox(truth, anchors)
        assert assigned[-41:-1].tolist() == list(range(40))
        assert (assigned >= 0).sum() == 40

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="ground_truth"):
            assign_anchor_to_bbox(torch.tensor([[1.0, 0, 0, 1]]), ANCHORS)
        with pytest.raises(ValueError, match=r"iou_threshold must lie in \[0, 1\], got 1.5"):
            assign_anchor_to_bbox(TRUTH[:, 1:], ANCHORS, iou_threshold=1.5)
        with pytest.raises(ValueError, match="anchors on meta"):
            assign_anchor_to_bbox(TRUTH[:, 1:], ANCHORS.to("meta"))


class TestOffsets:
    def test_right_offset_where_the_notes_divide_only_the_anchor(self):
        anchor, box = torch.tensor([[0.0, 0, 2, 4]]), torch.tensor([[1.0, 1, 3, 5]])
        torch.testing.assert_close(
            offset_boxes(anchor, box), torch.tensor([[5.0, 2.5, 0, 0]]), atol=1e-5, rtol=0
        )

    @given(boxes(5, 5), boxes(5, 5))
    def test_decoding_undoes_encoding(self, anchors, truth):
        decoded = offset_inverse(anchors, offset_boxes(anchors, truth, eps=0))
        torch.testing.assert_close(decoded, truth)

    @given(boxes(3, 3), boxes(3, 3), st.integers(-8, 8), st.integers(1, 8))
    def test_blind_to_shift_and_scale(self, anchors, truth, shift, scale):
        moved = offset_boxes(anchors * scale + shift, truth * scale + shift)
        torch.testing.assert_close(moved, offset_boxes(anchors, truth))

    def test_agree_with_the_coder_of_torchvision_detection(self):
        from torchvision.models.detection._utils import BoxCoder

        anchors, truth = random_boxes(20, 0), random_boxes(20, 1)
        coder = BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))
        offsets = offset_boxes(anchors, truth, eps=0)
        torch.testing.assert_close(
            offsets, coder.encode_single(truth, anchors), atol=1e-4, rtol=1e-4
        )
        torch.testing.assert_close(
            offset_inverse(anchors, offsets), coder.decode_single(offsets, anchors)
        )

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="last dimension of 4"):
            offset_boxes(ANCHORS[:, :3], ANCHORS)
        with pytest.raises(ValueError, match="offset_preds"):
            offset_inverse(ANCHORS, ANCHORS[:, :3])
        with pytest.raises(ValueError, match="one device"):
            offset_inverse(ANCHORS, ANCHORS.to("meta"))


class TestMultiboxTarget:
    def test_example_of_the_notes_with_the_right_offsets(self):
        offsets, mask, classes = multibox_target(ANCHORS[None], TRUTH[None])
        assert classes.tolist() == [[0, 1, 2, 0, 2]]
        assert mask.reshape(5, 4)[:, 0].tolist() == [0, 1, 1, 0, 1]
        # Anchor 1, side by side with the dog, on paper: centres (0.275, 0.3) and (0.31, 0.5), sizes 0.25 x 0.2
        # and 0.42 x 0.84: 10 * 0.035 / 0.25 = 1.4, 10 * 0.2 / 0.2 = 10, 5 log 1.68, 5 log 4.2.
        expected = torch.tensor([1.4, 10, 2.594, 7.175])
        torch.testing.assert_close(offsets.reshape(5, 4)[1], expected, atol=1e-3, rtol=0)

    def test_padding_rows_change_nothing(self):
        padding = torch.tensor([[-1.0, -1, -1, -1, -1], [-1, 0, 0, 1, 1], [-1, 9, 9, 3, 3]])
        padded = torch.cat((padding[:1], TRUTH, padding[1:]))
        for with_padding, without in zip(
            multibox_target(ANCHORS[None], padded[None]),
            multibox_target(ANCHORS[None], TRUTH[None]),
            strict=True,
        ):
            assert torch.equal(with_padding, without)

    @pytest.mark.parametrize("labels", [torch.zeros(2, 0, 5), torch.full((2, 3, 5), -1.0)])
    def test_pictures_without_objects_are_all_background(self, labels):
        offsets, mask, classes = multibox_target(ANCHORS[None], labels)
        assert not offsets.any()
        assert not mask.any()
        assert not classes.any()
        assert classes.shape == (2, 5)

    @pytest.mark.parametrize("seed", range(3))
    def test_a_batch_gives_what_its_pictures_give_alone(self, seed, monkeypatch):
        # Small enough that the batch is matched in several parts, of two pictures and then one.
        monkeypatch.setattr(anchors_module, "MAX_PAIRS", 2 * 6 * 40)
        generator = torch.Generator().manual_seed(seed)
        classes = torch.randint(-1, 3, (5, 6, 1), generator=generator).float()
        labels = torch.cat((classes, random_boxes(6, seed, batch=(5,))), dim=-1)
        anchors = random_boxes(40, seed + 10)[None]
        together = multibox_target(anchors, labels)
        alone = [
            torch.cat(parts)
            for parts in zip(*(multibox_target(anchors, one[None]) for one in labels), strict=True)
        ]
        for a, b in zip(together, alone, strict=True):
            assert torch.equal(a, b)

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="labels must be"):
            multibox_target(ANCHORS[None], TRUTH)
        with pytest.raises(ValueError, match="anchors must be"):
            multibox_target(ANCHORS, TRUTH[None])
        with pytest.raises(ValueError, match="labels"):
            multibox_target(ANCHORS[None], torch.tensor([[[0.0, 1, 1, 0, 0]]]))
