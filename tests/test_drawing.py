import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_rgba

from d2lhelpers.detection import Detection, show_detections
from d2lhelpers.plot import COLOURS

IMAGE = torch.zeros(3, 20, 30, dtype=torch.uint8)
TRUTH = {"boxes": torch.tensor([[1.0, 12, 10, 18]]), "labels": torch.tensor([1])}
FOUND = Detection(
    boxes=torch.tensor([[2.0, 12, 11, 18], [15, 0, 20, 5], [5, 5, 9, 9]]),
    labels=torch.tensor([1, 0, 2]),
    scores=torch.tensor([0.9, 0.6, 0.3]),
)
CLASSES = ("ball", "car", "fish")


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_the_truth_alone_is_named(axes):
    show_detections(axes, IMAGE, CLASSES, truth=TRUTH, title="a car")
    assert texts(axes) == ["car"]
    assert axes.get_title() == "a car"
    assert axes.patches[0].get_bbox().extents.tolist() == [1, 12, 10, 18]
    assert axes.patches[0].get_edgecolor() == to_rgba(COLOURS[1])


def test_detections_over_truth_the_surest_on_top(axes):
    show_detections(axes, IMAGE, CLASSES, FOUND, TRUTH)
    assert texts(axes) == ["ball 0.60", "car 0.90"]
    dashed, *found = axes.patches
    assert dashed.get_linestyle() != "-"
    assert dashed.get_edgecolor() == to_rgba("white")
    assert [one.get_bbox().extents.tolist() for one in found] == [[15, 0, 20, 5], [2, 12, 11, 18]]


def test_the_threshold_and_no_truth(axes):
    show_detections(axes, IMAGE, CLASSES, FOUND, threshold=0.2)
    assert texts(axes) == ["fish 0.30", "ball 0.60", "car 0.90"]


def test_a_label_at_the_top_is_drawn_below_the_edge(axes):
    show_detections(axes, IMAGE, CLASSES, FOUND)
    by_name = {text.get_text(): text.get_va() for text in axes.texts}
    assert by_name == {"ball 0.60": "top", "car 0.90": "bottom"}


def test_nothing_found_and_nothing_there(axes):
    nothing = Detection(
        boxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.int64), scores=torch.zeros(0)
    )
    show_detections(
        axes,
        IMAGE,
        CLASSES,
        nothing,
        {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)},
    )
    assert not axes.patches
