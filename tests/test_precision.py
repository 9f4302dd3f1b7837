from math import isnan

import pytest
import torch
from boxes_strategies import boxes
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.detection import MeanAveragePrecision

from d2lhelpers import box_iou
from d2lhelpers.detection import (
    average_precision,
    match_detections,
    match_picture,
    precision_recall,
    score,
)

SIDE = 256  # at which `score` takes boxes as they are
# torchmetrics' own, in float32: whether an overlap of exactly 3/5 reaches "0.6" depends on its last bit
THRESHOLDS = MeanAveragePrecision().iou_thresholds
CLASSES = ("banana", "duck", "mug", "star")


def ap(detections, truths, label, iou_threshold=0.5):
    return average_precision(*match_detections(detections, truths, label, iou_threshold)[1:])


def mean_ap(detections, truths, label):
    aps = [ap(detections, truths, label, t) for t in THRESHOLDS]
    return sum(aps) / len(aps)


def detection(rows, scores, labels=None):
    labels = [0] * len(scores) if labels is None else labels
    return {
        "boxes": torch.tensor(rows, dtype=torch.float32).reshape(-1, 4),
        "scores": torch.tensor(scores, dtype=torch.float32),
        "labels": torch.tensor(labels, dtype=torch.int64),
    }


def truth(rows, labels=None):
    found = detection(rows, [1.0] * len(rows), labels)
    return {"boxes": found["boxes"], "labels": found["labels"]}


def random_set(seed, pictures=20, ties=False, whole=False, crowd=False, classes=4):
    """Detections that are jittered copies of the truth, duplicates, other classes, and boxes out of nowhere."""
    g = torch.Generator().manual_seed(seed)
    detections, truths = [], []
    for _ in range(pictures):
        num = int(torch.randint(0, 9, (1,), generator=g))
        corner = torch.rand(num, 2, generator=g) * (40 if crowd else 200)
        size = 10 + 40 * torch.rand(num, 2, generator=g)
        there = torch.cat((corner, corner + size), dim=1)
        kinds = torch.randint(0, classes, (num,), generator=g)
        copies = torch.randint(0, 4, (num,), generator=g)
        found = there.repeat_interleave(copies, 0)
        found = found + 6 * torch.randn(found.shape, generator=g)
        labels = kinds.repeat_interleave(copies)
        wrong = torch.rand(labels.shape, generator=g) < 0.1
        labels = torch.where(wrong, (labels + 1) % classes, labels)
        alarms = int(torch.randint(0, 4, (1,), generator=g))
        corner = torch.rand(alarms, 2, generator=g) * 200
        found = torch.cat((found, torch.cat((corner, corner + 30), dim=1)))
        labels = torch.cat((labels, torch.randint(0, classes, (alarms,), generator=g)))
        if whole:
            there, found = (there / 8).round() * 8, (found / 8).round() * 8
            there[:, 2:] = torch.maximum(there[:, 2:], there[:, :2] + 8)
        found[:, 2:] = torch.maximum(found[:, 2:], found[:, :2] + 8)
        scores = torch.rand(len(found), generator=g)
        if ties:
            scores = (scores * 4).round() / 4
        detections.append({"boxes": found, "labels": labels, "scores": scores})
        truths.append({"boxes": there, "labels": kinds})
    return detections, truths


class TestAgainstTorchmetrics:
    @pytest.mark.parametrize(
        "kind", [{}, {"ties": True}, {"whole": True, "crowd": True}, {"ties": True, "crowd": True}]
    )
    @pytest.mark.parametrize("seed", range(3))
    def test_random_detections(self, seed, kind):
        detections, truths = random_set(seed, **kind)
        # class 3 is found here and there, and never there to be found
        for one in truths:
            keep = one["labels"] < 3
            one["boxes"], one["labels"] = one["boxes"][keep], one["labels"][keep]
        theirs = score(detections, truths, CLASSES, SIDE)
        aps = {name: mean_ap(detections, truths, k) for k, name in enumerate(CLASSES)}
        ap50s = [ap(detections, truths, k) for k in range(3)]
        assert isnan(aps.pop("star"))
        assert aps == pytest.approx(theirs.per_class, abs=1e-6)
        assert ap50s == pytest.approx(list(theirs.per_class50.values()), abs=1e-6)
        assert sum(aps.values()) / 3 == pytest.approx(theirs.ap, abs=1e-6)
        assert sum(ap50s) / 3 == pytest.approx(theirs.ap50, abs=1e-6)

    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(
            st.tuples(
                boxes(0, 5, torch.float32),
                boxes(0, 6, torch.float32),
                st.lists(st.integers(0, 4), min_size=6, max_size=6),
            ),
            min_size=1,
            max_size=4,
        )
    )
    def test_any_boxes_of_eighths_with_ties_everywhere(self, pictures):
        truths = [truth(there.tolist()) for there, _, _ in pictures]
        detections = [
            detection(found.tolist(), [k / 4 for k in ranks[: len(found)]])
            for _, found, ranks in pictures
        ]
        theirs = score(detections, truths, ("thing",), SIDE)
        ours = mean_ap(detections, truths, 0)
        if isnan(theirs.ap):
            assert isnan(ours)
        else:
            assert ours == pytest.approx(theirs.ap, abs=1e-6)

    @pytest.mark.parametrize("num", [10, 20, 25, 50])
    def test_recalls_that_fall_on_a_hundredth(self, num):
        """6 of 10 against 0.60: the last bit decides what precision that recall is given."""
        there = [(12.0 * k, 0, 12 * k + 10, 10) for k in range(num)]
        alarms = [(x, 50, far, 60) for x, _, far, _ in there]
        # hit, alarm, hit, alarm, ...: the precision falls with each object
        found = [box for pair in zip(there, alarms, strict=True) for box in pair]
        detections, truths = (
            [detection(found, torch.linspace(1, 0, 2 * num).tolist())],
            [truth(there)],
        )
        theirs = score(detections, truths, ("thing",), SIDE)
        assert ap(detections, truths, 0) == pytest.approx(theirs.ap50, abs=1e-6)

    def test_equal_overlaps_go_to_the_last_object(self):
        # The first detection overlaps both objects by 1/3; only if it takes the second, the other one finds the first.
        truths = [truth([(0, 0, 2, 2), (2, 0, 4, 2)])]
        found = [(1, 0, 3, 2), (0, 0, 2, 2)]
        _, hits, _ = match_detections([detection(found, [0.9, 0.8])], truths, 0, 1 / 3)
        assert hits.tolist() == [True, True]
        truths = [truth([(2, 0, 4, 2), (0, 0, 2, 2)])]
        _, hits, _ = match_detections([detection(found, [0.9, 0.8])], truths, 0, 1 / 3)
        assert hits.tolist() == [True, False]


def scalar_hits(detections, truths, label, threshold):
    """The whole ranking first, then object by object, with plain lists."""
    ranking = sorted(
        (
            (-s, i, k)
            for i, one in enumerate(detections)
            for k, (s, c) in enumerate(
                zip(one["scores"].tolist(), one["labels"].tolist(), strict=True)
            )
            if c == label
        ),
    )
    taken, hits = set(), []
    for _, i, k in ranking:
        iou = box_iou(detections[i]["boxes"][k, None].double(), truths[i]["boxes"].double())[0]
        candidates = [
            (v, j)
            for j, v in enumerate(iou.tolist())
            if truths[i]["labels"][j] == label and (i, j) not in taken and v >= threshold
        ]
        hits.append(bool(candidates))
        if candidates:
            taken.add((i, max(candidates)[1]))
    return hits


class TestMatchPicture:
    def test_says_which_object(self):
        iou = torch.tensor([[0.6, 0.7, 0.1], [0.5, 0.9, 0.0], [0.8, 0.8, 0.2], [0.0, 0.0, 0.4]])
        assert match_picture(iou).tolist() == [1, 0, -1, -1]
        assert match_picture(iou, 0.2).tolist() == [1, 0, 2, -1]
        assert match_picture(iou, 0.75).tolist() == [-1, 1, 0, -1]

    def test_nothing_to_match(self):
        assert match_picture(torch.zeros(0, 3)).shape == (0,)
        assert match_picture(torch.zeros(2, 0)).tolist() == [-1, -1]

    def test_leaves_the_table_alone(self):
        iou = torch.rand(5, 4)
        kept = iou.clone()
        match_picture(iou, 0.1)
        torch.testing.assert_close(iou, kept)


class TestMatchDetections:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("threshold", [0.1, 0.5, 0.8])
    def test_agrees_with_a_scalar_loop(self, seed, threshold):
        detections, truths = random_set(seed, 8, ties=True, whole=True, crowd=True, classes=2)
        scores, hits, num = match_detections(detections, truths, 1, threshold)
        assert hits.tolist() == scalar_hits(detections, truths, 1, threshold)
        assert (scores.diff() <= 0).all()
        assert num == sum(int((one["labels"] == 1).sum()) for one in truths)

    def test_an_object_is_found_once(self):
        there, near = (0, 0, 10, 10), (0, 0, 10, 9)
        found = detection([near, there, (50, 50, 60, 60)], [0.9, 0.8, 0.7])
        scores, hits, num = match_detections([found], [truth([there])], 0)
        assert hits.tolist() == [True, False, False]
        torch.testing.assert_close(scores, torch.tensor([0.9, 0.8, 0.7]))
        assert num == 1

    def test_goes_on_to_the_next_best_object_that_is_free(self):
        # unlike VOC's rule, where the second detection would be a false alarm
        truths = [truth([(0, 0, 10, 10), (0, 0, 10, 8)])]
        found = detection([(0, 0, 10, 10), (0, 0, 10, 10)], [0.9, 0.8])
        assert match_detections([found], truths, 0)[1].tolist() == [True, True]

    def test_the_surest_chooses_first_wherever_it_stands(self):
        there = (0, 0, 10, 10)
        found = detection([(0, 0, 10, 9), there], [0.3, 0.6])
        scores, hits, _ = match_detections([found], [truth([there])], 0)
        assert scores.tolist() == pytest.approx([0.6, 0.3])
        assert hits.tolist() == [True, False]

    def test_other_pictures_and_other_classes_do_not_count(self):
        there = (0, 0, 10, 10)
        found = [detection([there], [0.9]), detection([there], [0.8], [1])]
        truths = [truth([there], [1]), truth([there], [1])]
        assert match_detections(found, truths, 0)[1:] == (torch.tensor([False]), 0)
        assert match_detections(found, truths, 1)[1:] == (torch.tensor([True]), 2)

    def test_an_overlap_equal_to_the_threshold_is_enough(self):
        found = detection([(0, 0, 10, 5), (20, 0, 30, 4.99)], [0.9, 0.8])
        truths = [truth([(0, 0, 10, 10), (20, 0, 30, 10)])]
        assert match_detections([found], truths, 0, 0.5)[1].tolist() == [True, False]
        found = detection([(0, 0, 10, 10)], [0.9])
        assert match_detections([found], truths, 0, 1.0)[1].tolist() == [True]

    def test_nothing_anywhere(self):
        for detections, truths in (([], []), ([detection([], [])], [truth([])])):
            scores, hits, num = match_detections(detections, truths, 0)
            assert (scores.shape, hits.shape, hits.dtype, num) == ((0,), (0,), torch.bool, 0)

    def test_leaves_its_arguments_alone_and_takes_non_contiguous_ones(self):
        detections, truths = random_set(1, 3)
        wide = torch.randn(len(detections[0]["boxes"]), 8)
        wide[:, ::2] = detections[0]["boxes"]
        kept = detections[0]["boxes"].clone()
        expected = match_detections(detections, truths, 0)[1]
        detections[0]["boxes"] = wide[:, ::2]
        torch.testing.assert_close(match_detections(detections, truths, 0)[1], expected)
        torch.testing.assert_close(wide[:, ::2], kept)

    def test_bad_input_is_named(self):
        good, there = detection([(0, 0, 1, 1)], [0.5]), truth([(0, 0, 1, 1)])
        with pytest.raises(ValueError, match="detections and truths"):
            match_detections([good], [], 0)
        for threshold in (0, 1.1, float("nan")):
            with pytest.raises(ValueError, match="iou_threshold"):
                match_detections([good], [there], 0, threshold)
        with pytest.raises(ValueError, match="NaN"):
            match_detections([detection([(0, 0, 1, 1)], [float("nan")])], [there], 0)
        with pytest.raises(ValueError, match="x1 <= x2"):
            match_detections([detection([(1, 0, 0, 1)], [0.5])], [there], 0)


class TestPrecisionRecall:
    def test_on_five_detections_of_four_objects(self):
        precision, recall = precision_recall(torch.tensor([True, True, False, True, False]), 4)
        assert precision.tolist() == pytest.approx([1, 1, 2 / 3, 3 / 4, 3 / 5])
        assert recall.tolist() == pytest.approx([1 / 4, 2 / 4, 2 / 4, 3 / 4, 3 / 4])

    @given(st.lists(st.booleans(), max_size=30), st.integers(0, 5))
    def test_each_is_the_share_that_it_says(self, hits, missed):
        num = sum(hits) + missed
        precision, recall = precision_recall(torch.tensor(hits, dtype=torch.bool), num)
        for k in range(1, len(hits) + 1):
            assert precision[k - 1] == pytest.approx(sum(hits[:k]) / k)
            if num:
                assert recall[k - 1] == pytest.approx(sum(hits[:k]) / num)
            else:
                assert recall[k - 1].isnan()

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="hits"):
            precision_recall(torch.zeros(2, 2, dtype=torch.bool), 3)
        with pytest.raises(ValueError, match="num_objects"):
            precision_recall(torch.tensor([True, True]), 1)


class TestAveragePrecision:
    @pytest.mark.parametrize(
        ("hits", "num", "expected"),
        [
            ([True], 1, 1.0),
            ([], 3, 0.0),
            ([False, False], 3, 0.0),
            # the recalls 0 to 0.50 are had at precision 1, the other fifty at 2/3
            ([True, False, True], 2, (51 + 50 * 2 / 3) / 101),
            ([False, True], 1, 0.5),
            ([True, False, False, False], 2, 51 / 101),
        ],
    )
    def test_by_hand(self, hits, num, expected):
        assert average_precision(
            torch.tensor(hits, dtype=torch.bool), num
        ) == pytest.approx(expected)  # fmt: skip

    @given(st.lists(st.booleans(), max_size=20), st.integers(1, 5))
    def test_properties(self, hits, missed):
        num = sum(hits) + missed
        value = average_precision(torch.tensor(hits, dtype=torch.bool), num)
        assert 0 <= value <= 1
        # a false alarm at the end costs nothing, one at the start never gains
        longer = torch.tensor([*hits, False], dtype=torch.bool)
        assert average_precision(longer, num) == pytest.approx(value)
        assert average_precision(longer.roll(1), num) <= value + 1e-12
        # another object found at the end never costs
        assert average_precision(torch.tensor([*hits, True]), num) >= value - 1e-12

    def test_no_object_is_nan(self):
        assert isnan(average_precision(torch.zeros(0, dtype=torch.bool), 0))
        assert isnan(average_precision(torch.tensor([False, False]), 0))
