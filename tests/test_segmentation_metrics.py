import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from d2lhelpers.segmentation import class_iou, confusion_matrix, mean_iou, pixel_accuracy

VOID = 255


def random_maps(seed, num_classes, shape=(2, 17, 11), void=0.2, absent=()):
    """A prediction and a truth, some of it void; the classes in `absent` are in neither."""
    generator = torch.Generator().manual_seed(seed)
    present = torch.tensor([k for k in range(num_classes) if k not in absent])
    maps = [present[torch.randint(len(present), shape, generator=generator)] for _ in range(2)]
    maps[1][torch.rand(shape, generator=generator) < void] = VOID
    return [one.to(torch.uint8) for one in maps]


def scalar_counts(predicted, labels, num_classes):
    counts = [[0] * num_classes for _ in range(num_classes)]
    for p, y in zip(predicted.flatten().tolist(), labels.flatten().tolist(), strict=True):
        if y != VOID:
            counts[y][p] += 1
    return counts


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("num_classes", [1, 2, 7])
def test_counts_as_a_scalar_loop_does(seed, num_classes):
    predicted, labels = random_maps(seed, num_classes)
    counted = confusion_matrix(predicted, labels, num_classes)
    assert counted.dtype == torch.int64
    assert counted.tolist() == scalar_counts(predicted, labels, num_classes)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("absent", [(), (0,), (2, 5)])
def test_agrees_with_torchmetrics(seed, absent):
    predicted, labels = random_maps(seed, 6, absent=absent)
    counted = confusion_matrix(predicted, labels, 6)
    for average, ours in (("none", class_iou(counted)), ("macro", mean_iou(counted))):
        oracle = MulticlassJaccardIndex(6, average=average, ignore_index=VOID)
        theirs = oracle(predicted.long(), labels.long()).double()
        # it has 0 where a class is in neither, and leaves it out of the mean as we do
        ours = torch.as_tensor(ours, dtype=torch.float64).nan_to_num(0)
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
    accuracy = MulticlassAccuracy(6, average="micro", ignore_index=VOID)
    assert pixel_accuracy(counted) == pytest.approx(
        accuracy(predicted.long(), labels.long()).item()
    )


def test_numbers_that_can_be_checked_by_hand():
    labels = torch.tensor([[0, 0, 0, 1], [0, 0, 1, 1], [2, VOID, VOID, 1]])
    predicted = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 0], [0, 2, 0, 1]])
    counted = confusion_matrix(predicted, labels, 4)
    assert counted.tolist() == [[4, 1, 0, 0], [1, 3, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    # background: 4 in both, 5 + 6 - 4 in either; class 1: 3 of 5; class 2 is missed; class 3 is nowhere
    expected = torch.tensor([4 / 7, 3 / 5, 0, torch.nan], dtype=torch.float64)
    torch.testing.assert_close(class_iou(counted), expected, equal_nan=True)
    assert mean_iou(counted) == pytest.approx((4 / 7 + 3 / 5 + 0) / 3)
    assert pixel_accuracy(counted) == pytest.approx(7 / 10)


def test_a_class_predicted_where_none_is_counts_as_zero():
    counted = confusion_matrix(torch.tensor([0, 3]), torch.tensor([0, 0]), 4)
    assert class_iou(counted).nan_to_num(-1).tolist() == [0.5, -1, -1, 0]
    assert mean_iou(counted) == 0.25


def test_under_void_anything_may_be_predicted():
    labels = torch.tensor([1, VOID, VOID], dtype=torch.uint8)
    for anything in ([1, 0, 7], [1, 200, VOID]):
        counted = confusion_matrix(torch.tensor(anything), labels, 2)
        assert counted.tolist() == [[0, 0], [0, 1]]


@pytest.mark.parametrize("labels", [torch.zeros(0, 3, 3), torch.full((1, 3, 3), VOID)])
def test_nothing_to_count_is_nan(labels):
    labels = labels.to(torch.uint8)
    counted = confusion_matrix(labels, labels, 3)
    assert not counted.any()
    assert torch.isnan(torch.tensor([mean_iou(counted), pixel_accuracy(counted)])).all()


@given(st.integers(0, 10_000), st.integers(2, 8))
def test_properties(seed, num_classes):
    predicted, labels = random_maps(seed, num_classes, shape=(2, 5, 3))
    counted = confusion_matrix(predicted, labels, num_classes)
    iou = class_iou(counted)
    assert counted.sum() == (labels != VOID).sum()
    # a batch counts what its pictures count
    parts = (confusion_matrix(*pair, num_classes) for pair in zip(predicted, labels, strict=True))
    assert torch.equal(sum(parts), counted)
    # renaming the classes renames the figures
    order = torch.randperm(num_classes, generator=torch.Generator().manual_seed(seed))
    table = torch.full((256,), VOID)
    table[:num_classes] = order
    renamed = confusion_matrix(table[predicted.long()], table[labels.long()], num_classes)
    assert torch.equal(class_iou(renamed)[order].nan_to_num(-1), iou.nan_to_num(-1))
    # prediction and truth may change places, where nothing is void
    seen = labels != VOID
    swapped = confusion_matrix(labels[seen], predicted[seen], num_classes)
    assert torch.equal(class_iou(swapped).nan_to_num(-1), iou.nan_to_num(-1))
    if seen.any():
        perfect = confusion_matrix(labels, labels, num_classes)
        assert mean_iou(perfect) == pixel_accuracy(perfect) == 1
        assert 0 <= mean_iou(counted) <= 1


def test_all_background_is_as_accurate_as_there_is_background():
    labels = torch.zeros(10, 10, dtype=torch.uint8)
    labels[:2] = 1
    counted = confusion_matrix(torch.zeros_like(labels), labels, 2)
    assert pixel_accuracy(counted) == pytest.approx(0.8)
    assert mean_iou(counted) == pytest.approx((0.8 + 0) / 2)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64])
def test_takes_any_whole_numbers_and_any_memory_layout(dtype):
    predicted, labels = random_maps(0, 255, shape=(30, 20))
    expected = confusion_matrix(predicted, labels, 255)
    assert torch.equal(confusion_matrix(predicted.to(dtype).T, labels.to(dtype).T, 255), expected)


GOOD = torch.zeros(2, 3, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("predicted", "labels", "num_classes", "named"),
    [
        (GOOD.float(), GOOD, 3, r"predicted must be whole numbers .*float32.*argmax"),
        (GOOD, GOOD.bool(), 3, "labels must be whole numbers"),
        (GOOD, GOOD.T, 3, r"one shape, got \(2, 3\) and \(3, 2\)"),
        (GOOD + 3, GOOD, 3, r"predicted must be in 0\.\.2, but 3 is"),
        (GOOD, GOOD + 4, 3, r"labels must be in 0\.\.2 or 255 for void, but 4 is"),
        (GOOD.long() - 1, GOOD, 3, r"predicted must be in 0\.\.2, but -1 is"),
        (GOOD, GOOD.to("meta"), 3, "labels on meta"),
        (GOOD, GOOD, 0, r"num_classes must be in 1\.\.255"),
        (GOOD, GOOD, 256, r"num_classes must be in 1\.\.255"),
    ],
)
def test_bad_input_is_named(predicted, labels, num_classes, named):
    with pytest.raises(ValueError, match=named):
        confusion_matrix(predicted, labels, num_classes)


@pytest.mark.parametrize("figure", [class_iou, mean_iou, pixel_accuracy])
def test_a_matrix_that_is_not_square_is_refused(figure):
    with pytest.raises(ValueError, match=r"confusion must be \(classes, classes\), got \(2, 3\)"):
        figure(torch.zeros(2, 3))
