import math

import pytest
import torch
from torch.utils.data import DataLoader

from d2lhelpers.datasets import BoxedPictures, loader
from d2lhelpers.detection import Detection, Detector, evaluate, score, truths_of
from d2lhelpers.detection.detector import select

CLASSES = ("ball", "car", "fish")


def labels_of(*rows, most=3):
    padded = torch.full((most, 5), -1.0)
    if rows:
        padded[: len(rows)] = torch.tensor(rows, dtype=torch.float32)
    return padded


LABELS = torch.stack(
    [
        labels_of((0, 0.1, 0.1, 0.5, 0.5), (1, 0.6, 0.6, 0.7, 0.7)),
        labels_of((0, 0.0, 0.0, 0.9, 0.9)),
        labels_of(),
    ]
)


def as_detections(labels, side=100):
    return [
        Detection(**truth, scores=torch.full((len(truth["labels"]),), 0.9))
        for truth in truths_of(labels, side, side)
    ]


class Repeats(Detector):
    """Finds in the n-th picture what `found` says of it; knows a picture by its first pixel."""

    def __init__(self, found):
        super().__init__()
        self.found = found
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def losses(self, images, labels):
        return {"one": self.weight.sum() + 1, "two": self.weight.sum() + 2}

    def candidates(self, images):
        assert not self.training
        return [self.found[int(image[0, 0, 0])] for image in images]


def one_hot(detection):
    scores = torch.zeros(len(detection["labels"]), len(CLASSES))
    return scores.scatter(1, detection["labels"][:, None], detection["scores"][:, None])


class TestTruths:
    def test_padding_is_left_out_and_corners_are_in_pixels(self):
        first, second, third = truths_of(LABELS, height=10, width=20)
        assert first["boxes"].tolist() == [[2, 1, 10, 5], pytest.approx([12, 6, 14, 7])]
        assert first["labels"].tolist() == [0, 1]
        assert second["labels"].dtype == torch.int64
        assert third["boxes"].shape == (0, 4)


class TestScore:
    def test_the_truth_itself_scores_one_and_absent_classes_are_left_out(self):
        scores = score(as_detections(LABELS), truths_of(LABELS, 100, 100), CLASSES, side=100)
        assert scores.ap50 == scores.ap == pytest.approx(1)
        assert scores.per_class == pytest.approx({"ball": 1, "car": 1})
        assert scores.per_class50 == pytest.approx({"ball": 1, "car": 1})

    def test_sizes_are_fractions_of_the_picture(self):
        scores = score(as_detections(LABELS), truths_of(LABELS, 100, 100), CLASSES, side=100)
        assert (scores.small, scores.large) == pytest.approx((1, 1))
        assert math.isnan(scores.medium)
        detections = as_detections(LABELS)
        detections[0] = {name: value[:1] for name, value in detections[0].items()}
        scores = score(detections, truths_of(LABELS, 100, 100), CLASSES, side=100)
        assert scores.small == 0  # the car of 10 x 10 pixels
        assert scores.large == pytest.approx(1)

    def test_nothing_found_is_zero_and_nothing_to_find_is_nan(self):
        nothing = [
            Detection(
                boxes=torch.zeros(0, 4),
                labels=torch.zeros(0, dtype=torch.int64),
                scores=torch.zeros(0),
            )
        ] * 3
        scores = score(nothing, truths_of(LABELS, 100, 100), CLASSES, side=100)
        assert (scores.ap50, scores.ap) == (0, 0)
        assert scores.per_class50 == {"ball": 0, "car": 0}
        scores = score(nothing, truths_of(LABELS[2:].expand(3, -1, -1), 100, 100), CLASSES, 100)
        assert math.isnan(scores.ap50)
        assert scores.per_class == {}

    def test_a_class_that_is_only_imagined_does_not_count(self):
        detections = as_detections(LABELS)
        detections[2] = Detection(
            boxes=torch.tensor([[0.0, 0, 50, 50]]),
            labels=torch.tensor([2]),
            scores=torch.tensor([0.99]),
        )
        scores = score(detections, truths_of(LABELS, 100, 100), CLASSES, side=100)
        assert scores.ap50 == pytest.approx(1)
        assert scores.per_class.keys() == {"ball", "car"}

    def test_a_false_alarm_before_the_right_ones_costs(self):
        detections = as_detections(LABELS)
        detections[2] = Detection(
            boxes=torch.tensor([[0.0, 0, 50, 50]]),
            labels=torch.tensor([1]),
            scores=torch.tensor([0.99]),
        )
        scores = score(detections, truths_of(LABELS, 100, 100), CLASSES, side=100)
        assert scores.per_class50 == pytest.approx({"ball": 1, "car": 0.5})
        assert scores.ap50 == pytest.approx(0.75)

    def test_a_shifted_box_counts_at_half_overlap_and_not_at_more(self):
        detections = as_detections(LABELS[1:2])
        detections[0]["boxes"] += torch.tensor([15.0, 0, 15, 0])  # overlap 75 x 90 of 105 x 90
        scores = score(detections, truths_of(LABELS[1:2], 100, 100), CLASSES, side=100)
        assert scores.ap50 == pytest.approx(1)
        assert scores.ap == pytest.approx(0.5)  # at 0.50, 0.55, 0.60, 0.65, 0.70
        assert str(scores) == "AP50 1.000, AP 0.500, of small objects nan"

    def test_the_numbers_must_agree(self):
        with pytest.raises(ValueError, match="got 2 for 3 pictures"):
            score(as_detections(LABELS)[:2], truths_of(LABELS, 100, 100), CLASSES, side=100)


class TestEvaluate:
    def pictures(self):
        images = torch.arange(3, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 100, 100)
        return BoxedPictures(images, LABELS, CLASSES)

    def test_over_batches_as_over_all_at_once(self):
        found = [(one["boxes"], one_hot(one)) for one in as_detections(LABELS)]
        for size in (1, 2, 3):
            scores = evaluate(Repeats(found), loader(self.pictures(), size, shuffle=False), CLASSES)
            assert scores.ap == pytest.approx(1)
            assert (scores.small, scores.large) == pytest.approx((1, 1))
            assert math.isnan(scores.medium)

    def test_no_batches(self):
        with pytest.raises(ValueError, match="no batches"):
            evaluate(Repeats([]), DataLoader([]), CLASSES)


class TestDetector:
    def test_the_loss_is_the_sum_of_its_parts(self):
        assert Repeats([])(torch.zeros(1, 3, 4, 4), LABELS[:1]).item() == 3

    def test_predictions_are_cut_off_at_the_picture_and_detached(self):
        boxes = torch.tensor([[-5.0, 2, 12, 30]])
        (found,) = Repeats([(boxes, torch.tensor([[0.1, 0.8, 0.01]]))]).predict(
            torch.zeros(1, 3, 10, 20, dtype=torch.uint8)
        )
        assert found["boxes"].tolist() == [[0, 2, 12, 10]] * 2
        assert found["labels"].tolist() == [1, 0]
        assert found["scores"].tolist() == pytest.approx([0.8, 0.1])
        assert not found["boxes"].requires_grad


class TestSelect:
    BOXES = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]])

    def test_threshold_suppression_and_order(self):
        scores = torch.tensor([[0.6, 0.0], [0.7, 0.65], [0.2, 0.04]])
        found = select(self.BOXES, scores, 0.05, 0.5, 100)
        assert found["labels"].tolist() == [0, 1, 0]
        assert found["scores"].tolist() == pytest.approx([0.7, 0.65, 0.2])
        assert found["boxes"].tolist() == self.BOXES[[1, 1, 2]].tolist()

    def test_no_more_than_asked_for_the_best_first(self):
        boxes = 20 * torch.arange(300.0)[:, None] + torch.tensor([0.0, 0, 10, 10])
        scores = torch.rand(300, 1, generator=torch.Generator().manual_seed(0))
        found = select(boxes, scores, 0.0, 0.5, 7)
        assert (
            found["scores"].tolist() == scores.flatten().sort(descending=True).values[:7].tolist()
        )

    def test_nothing_at_all(self):
        for boxes, scores in (
            (torch.zeros(0, 4), torch.zeros(0, 2)),
            (self.BOXES, torch.zeros(3, 2)),
        ):
            found = select(boxes, scores, 0.05, 0.5, 100)
            assert found["boxes"].shape == (0, 4)
            assert found["labels"].dtype == torch.int64
