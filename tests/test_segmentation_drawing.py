import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from d2lhelpers.datasets.voc import VOID
from d2lhelpers.segmentation import show_confusion, show_mask

CLASSES = ("background", *"abcdefgh")


@pytest.fixture
def axes():
    figure, axes = plt.subplots(layout="constrained")
    yield axes
    plt.close(figure)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_classes_are_tinted_and_named_where_they_are(axes):
    labels = torch.zeros(40, 60, dtype=torch.uint8)
    labels[5:15, 10:30] = 1
    labels[20:35, 40:60] = 1
    labels[30:40, 0:10] = 8
    labels[15:17, 10:30] = VOID
    labels[0, 0] = 2  # too small for a name
    show_mask(axes, torch.zeros(3, 40, 60, dtype=torch.uint8), labels, CLASSES, "truth")
    assert sorted(texts(axes)) == ["a", "a", "h"]
    tint = axes.images[-1].get_array()
    for text in axes.texts:
        x, y = (int(value) for value in text.get_position())
        assert CLASSES[labels[y, x]] == text.get_text()
    assert (tint[labels == 0] == 0).all()
    assert (tint[labels == VOID] == 1).all()
    # seven colours, used in turn
    assert np.array_equal(tint[10, 20], tint[35, 5])
    assert not np.array_equal(tint[10, 20], tint[0, 0])
    assert axes.get_title() == "truth"


def test_a_name_stands_in_its_class_also_where_the_middle_does_not(axes):
    ring = np.zeros((50, 50), np.uint8)
    ring[5:45, 5:45] = 3
    ring[12:45, 12:38] = 0
    show_mask(axes, None, ring, CLASSES)
    (text,) = axes.texts
    x, y = (int(value) for value in text.get_position())
    assert ring[y, x] == 3


def test_each_class_has_an_outline_unless_it_is_everywhere(axes):
    labels = np.zeros((10, 10), np.uint8)
    labels[2:5, 2:5], labels[5:8, 2:5] = 1, 8  # of one colour, side by side
    show_mask(axes, None, labels, CLASSES)
    assert len(axes.collections) == 2
    show_mask(axes, None, np.ones((10, 10), np.uint8), CLASSES)
    assert len(axes.collections) == 2


def test_a_map_without_a_class_has_no_names(axes):
    show_mask(axes, None, np.full((5, 5), VOID), CLASSES)
    assert texts(axes) == []


def test_confusion_is_in_per_cent_of_the_truth(axes):
    counts = torch.tensor([[300, 100, 0], [1, 999, 0], [0, 0, 0]])
    show_confusion(axes, counts, ("background", "a", "b"))
    found = {text.get_position()[::-1]: text.get_text() for text in axes.texts}
    assert found == {(0, 0): "75", (0, 1): "25", (1, 1): "100"}
    assert axes.images[0].get_array().mask[2].all()


def test_bad_input_is_named(axes):
    with pytest.raises(ValueError, match=r"labels must be \(height, width\), got \(1, 4, 4\)"):
        show_mask(axes, None, np.zeros((1, 4, 4)), CLASSES)
    with pytest.raises(ValueError, match=r"labels must be in 0\.\.8.* run from 3 to 9"):
        show_mask(axes, None, np.array([[3, 9]]), CLASSES)
    with pytest.raises(ValueError, match=r"9 classes are named, but confusion is \(2, 2\)"):
        show_confusion(axes, np.zeros((2, 2)), CLASSES)
