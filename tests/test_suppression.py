import pytest
import torch
import torchvision
from boxes_strategies import boxes, random_boxes
from hypothesis import given
from hypothesis import strategies as st

from d2lhelpers import box_iou, multibox_detection, nms, soft_nms
from d2lhelpers.detection import suppression

# The example of d2l, section 14.4.4: three dogs over one another, and a cat.
ANCHORS = torch.tensor(
    [
        [0.1, 0.08, 0.52, 0.92],
        [0.08, 0.2, 0.56, 0.95],
        [0.15, 0.3, 0.62, 0.91],
        [0.55, 0.2, 0.9, 0.88],
    ]
)
PROBS = torch.tensor([[0.0, 0, 0, 0], [0.9, 0.8, 0.7, 0.1], [0.1, 0.2, 0.3, 0.9]])


def random_scores(count, seed, dtype=torch.float32):
    return torch.rand(count, generator=torch.Generator().manual_seed(seed + 1000), dtype=dtype)


def scalar_nms(corners, scores, threshold):
    """Marks each box with the first better one that removes it; no list is shortened."""
    order = sorted(range(len(scores)), key=lambda i: -scores[i].item())
    alive = dict.fromkeys(order, True)
    for position, i in enumerate(order):
        if alive[i]:
            for j in order[position + 1 :]:
                if box_iou(corners[i, None], corners[j, None]).item() > threshold:
                    alive[j] = False
    return [i for i in order if alive[i]]


class TestNms:
    @given(boxes(0, 12), st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.integers(0, 5))
    def test_agrees_with_a_scalar_loop(self, corners, threshold, seed):
        scores = random_scores(len(corners), seed, torch.float64)
        assert nms(corners, scores, threshold).tolist() == scalar_nms(corners, scores, threshold)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 2000])
    def test_agrees_with_torchvision_across_block_borders(self, count, dtype):
        corners, scores = random_boxes(count, 1, dtype), random_scores(count, 1, dtype)
        assert torch.equal(nms(corners, scores, 0.4), torchvision.ops.nms(corners, scores, 0.4))

    @given(boxes(1, 12))
    def test_survivors_overlap_no_more_than_the_threshold_and_fall_in_score(self, corners):
        scores = random_scores(len(corners), 0, torch.float64)
        kept = nms(corners, scores, 0.3)
        iou = box_iou(corners[kept], corners[kept]).fill_diagonal_(0)
        assert iou.max() <= 0.3
        assert (scores[kept].diff() <= 0).all()

    def test_the_first_of_equals_wins_and_boxes_without_area_live(self):
        corners = torch.tensor([[0.1, 0.1, 0.5, 0.5]] * 2 + [[0.3, 0.3, 0.3, 0.3]] * 2)
        assert nms(corners, torch.tensor([0.9, 0.9, 0.8, 0.7]), 0.5).tolist() == [0, 2, 3]

    def test_equal_scores_keep_their_order_however_many(self):
        corners = torch.arange(1000.0)[:, None] + torch.tensor([0, 0, 0.5, 0.5])
        assert nms(corners, torch.full((1000,), 0.5), 0.5).tolist() == list(range(1000))

    @pytest.mark.parametrize("block", [1, 256])
    def test_an_overlap_equal_to_the_threshold_survives(self, block, monkeypatch):
        monkeypatch.setattr(suppression, "CPU_BLOCK", block)
        # IoU 3 / 10 exactly, which float32 rounds up and float64 rounds down.
        corners = torch.tensor([[0.0, 0, 10, 1], [0, 0, 3, 1]])
        scores = torch.tensor([0.9, 0.8])
        assert nms(corners, scores, 0.3).tolist() == [0, 1]
        assert nms(corners, scores, 0.2999).tolist() == [0]

    def test_takes_half_precision_and_whole_numbers(self):
        corners = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]])
        scores = torch.tensor([0.5, 0.9, 0.7])
        assert nms(corners, scores, 0.5).tolist() == [1, 2]
        assert nms(corners.half(), scores.half(), 0.5).tolist() == [1, 2]

    @pytest.mark.parametrize(
        ("corners", "scores", "threshold", "named"),
        [
            (torch.zeros(2, 5), torch.zeros(2), 0.5, "last dimension of 4"),
            (torch.zeros(4), torch.zeros(1), 0.5, "number of boxes"),
            (torch.tensor([[1.0, 0, 0, 1]]), torch.zeros(1), 0.5, "x1 <= x2"),
            (torch.zeros(2, 4), torch.zeros(3), 0.5, r"scores must be \(2,\)"),
            (torch.zeros(2, 4), torch.tensor([0.5, float("nan")]), 0.5, r"scores\[1\]"),
            (torch.zeros(2, 4), torch.zeros(2), -0.1, "iou_threshold"),
            (torch.zeros(2, 4), torch.zeros(2), 1.1, "iou_threshold"),
            (torch.zeros(2, 4), torch.zeros(2, device="meta"), 0.5, "one device"),
        ],
    )
    def test_bad_input_is_named(self, corners, scores, threshold, named):
        with pytest.raises(ValueError, match=named):
            nms(corners, scores, threshold)


class TestSoftNms:
    def test_a_lone_box_keeps_its_score_and_a_twin_loses_by_the_formula(self):
        corners = torch.tensor([[0.0, 0, 10, 1], [0, 0, 5, 1], [20, 0, 30, 1]])
        kept, scores = soft_nms(corners, torch.tensor([0.9, 0.8, 0.7]), sigma=0.5)
        assert kept.tolist() == [0, 2, 1]
        # the twin's IoU is 0.5, and exp(-0.25 / 0.5) = 0.60653
        torch.testing.assert_close(scores, torch.tensor([0.9, 0.7, 0.8 * 0.60653066]))

    @given(boxes(0, 10), st.sampled_from([0.1, 0.5, 2.0]))
    def test_scores_never_rise_and_nothing_is_lost_without_a_threshold(self, corners, sigma):
        before = random_scores(len(corners), 3, torch.float64)
        kept, after = soft_nms(corners, before, sigma, score_threshold=0)
        assert sorted(kept.tolist()) == list(range(len(corners)))
        assert (after.diff() <= 0).all()
        assert (after <= before[kept]).all()

    @pytest.mark.parametrize("seed", range(5))
    def test_becomes_hard_suppression_of_any_overlap_as_sigma_vanishes(self, seed):
        corners, scores = random_boxes(40, seed), random_scores(40, seed) * 0.9 + 0.1
        kept, _ = soft_nms(corners, scores, sigma=1e-12)
        assert kept.tolist() == nms(corners, scores, 0.0).tolist()

    def test_nothing_in_nothing_out_and_arguments_left_alone(self):
        kept, scores = soft_nms(torch.zeros(0, 4), torch.zeros(0))
        assert kept.dtype == torch.int64
        assert kept.shape == scores.shape == (0,)
        before = torch.tensor([0.9, 0.8])
        soft_nms(torch.tensor([[0.0, 0, 1, 1]] * 2), before)
        assert before.tolist() == torch.tensor([0.9, 0.8]).tolist()

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="sigma"):
            soft_nms(torch.zeros(1, 4), torch.zeros(1), sigma=0)
        with pytest.raises(ValueError, match="score_threshold"):
            soft_nms(torch.zeros(1, 4), torch.zeros(1), score_threshold=2)
        with pytest.raises(ValueError, match="scores must be"):
            soft_nms(torch.zeros(1, 4), torch.zeros(2))


class TestMultiboxDetection:
    def test_example_of_the_notes(self):
        output = multibox_detection(
            PROBS[None], torch.zeros(1, 16), ANCHORS[None], nms_threshold=0.5
        )
        expected = torch.tensor(
            [
                [0, 0.9, *ANCHORS[0]],
                [1, 0.9, *ANCHORS[3]],
                [-1, 0.8, *ANCHORS[1]],
                [-1, 0.7, *ANCHORS[2]],
            ]
        )
        torch.testing.assert_close(output[0], expected)

    def test_background_wins_where_it_is_likeliest_unless_asked_otherwise(self):
        probs = torch.tensor([[[0.9], [0.1]]])
        arguments = (probs, torch.zeros(1, 4), ANCHORS[None, :1])
        assert multibox_detection(*arguments)[0, 0, 0] == -1
        assert multibox_detection(*arguments, background_wins=False)[0, 0, 0] == 0

    def test_a_dog_does_not_suppress_a_cat_unless_asked_to(self):
        probs = torch.tensor([[[0.1, 0.1], [0.9, 0.0], [0.0, 0.8]]])
        anchors = torch.tensor([[[0.1, 0.1, 0.6, 0.6], [0.1, 0.1, 0.6, 0.61]]])
        arguments = (probs, torch.zeros(1, 8), anchors)
        assert multibox_detection(*arguments)[0, :, 0].tolist() == [0, 1]
        assert multibox_detection(*arguments, per_class=False)[0, :, 0].tolist() == [0, -1]

    def test_scores_fall_over_all_classes(self):
        probs = torch.tensor([[[0.0, 0, 0], [0.6, 0.0, 0.9], [0.0, 0.7, 0.0]]])
        anchors = torch.tensor([[[0, 0, 0.1, 0.1], [0.3, 0.3, 0.4, 0.4], [0.6, 0.6, 0.7, 0.7]]])
        output = multibox_detection(probs, torch.zeros(1, 12), anchors)[0]
        torch.testing.assert_close(output[:, 1], torch.tensor([0.9, 0.7, 0.6]))
        assert output[:, 0].tolist() == [0, 1, 0]

    def test_below_the_threshold_becomes_background(self):
        probs = torch.tensor([[[0.3, 0.1], [0.4, 0.9]]])
        anchors = torch.tensor([[[0, 0, 0.1, 0.1], [0.3, 0.3, 0.4, 0.4]]])
        output = multibox_detection(probs, torch.zeros(1, 8), anchors, pos_threshold=0.5)[0]
        assert output[:, 0].tolist() == [0, -1]
        torch.testing.assert_close(output[:, 1], torch.tensor([0.9, 0.6]))

    @pytest.mark.parametrize("seed", range(3))
    def test_every_anchor_has_one_row_and_decoded_boxes(self, seed):
        generator = torch.Generator().manual_seed(seed)
        probs = torch.softmax(torch.randn(2, 4, 30, generator=generator), dim=1)
        anchors = random_boxes(30, seed)[None]
        output = multibox_detection(probs, torch.zeros(2, 120), anchors)
        for rows in output:
            order = rows[:, 2:].sum(1).argsort()
            torch.testing.assert_close(rows[order, 2:], anchors[0][anchors[0].sum(1).argsort()])

    def test_no_anchors_and_no_pictures(self):
        assert multibox_detection(
            torch.zeros(2, 3, 0), torch.zeros(2, 0), torch.zeros(1, 0, 4)
        ).shape == (2, 0, 6)
        assert multibox_detection(
            torch.zeros(0, 3, 4), torch.zeros(0, 16), ANCHORS[None]
        ).shape == (0, 4, 6)

    def test_arguments_are_left_alone(self):
        probs = PROBS[None].clone()
        multibox_detection(probs, torch.zeros(1, 16), ANCHORS[None], pos_threshold=0.85)
        assert torch.equal(probs[0], PROBS)

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"cls_probs": PROBS}, "cls_probs must be"),
            ({"cls_probs": PROBS[None, :1]}, "at least one class"),
            ({"anchors": ANCHORS}, "anchors must be"),
            ({"offset_preds": torch.zeros(1, 12)}, "offset_preds must be"),
            ({"nms_threshold": 1.5}, "nms_threshold"),
            ({"pos_threshold": -1}, "pos_threshold"),
            ({"anchors": ANCHORS[None].to("meta")}, "one device"),
        ],
    )
    def test_bad_input_is_named(self, changes, named):
        arguments = {
            "cls_probs": PROBS[None],
            "offset_preds": torch.zeros(1, 16),
            "anchors": ANCHORS[None],
        } | changes
        with pytest.raises(ValueError, match=named):
            multibox_detection(**arguments)


def test_the_block_size_changes_nothing(monkeypatch):
    corners, scores = random_boxes(300, 7), random_scores(300, 7)
    whole = nms(corners, scores, 0.3)
    monkeypatch.setattr(suppression, "CPU_BLOCK", 7)
    assert torch.equal(nms(corners, scores, 0.3), whole)
