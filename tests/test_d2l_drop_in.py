"""Where d2l is right, the package gives d2l's result; where d2l is wrong, the fault itself is on record here."""

import inspect

import d2l.torch as d2l
import pytest
import torch
from boxes_strategies import random_boxes

import d2lhelpers


def labels_of(batch_size, num_boxes, seed):
    classes = torch.randint(
        0, 4, (batch_size, num_boxes, 1), generator=torch.Generator().manual_seed(seed)
    ).float()
    return torch.cat((classes, random_boxes(num_boxes, seed, batch=(batch_size,))), dim=-1)


def predictions_of(batch_size, num_classes, num_anchors, seed):
    generator = torch.Generator().manual_seed(seed)
    probs = torch.softmax(
        3 * torch.randn(batch_size, num_classes + 1, num_anchors, generator=generator), dim=1
    )
    return (
        probs,
        torch.randn(batch_size, 4 * num_anchors, generator=generator),
        random_boxes(num_anchors, seed)[None],
    )


@pytest.mark.parametrize("seed", range(100))
def test_same_results_on_random_input(seed):
    generator = torch.Generator().manual_seed(seed)
    n, m, batch_size = (int(torch.randint(1, top, (1,), generator=generator)) for top in (60, 9, 4))
    anchors, truth = random_boxes(n, seed), random_boxes(m, seed + 1)
    paired = random_boxes(n, seed + 2)
    cases = {
        "box_corner_to_center": (anchors,),
        "box_center_to_corner": (anchors,),
        "box_iou": (anchors, truth),
        "offset_boxes": (anchors, paired),
        "offset_inverse": (anchors, torch.randn(n, 4, generator=generator)),
        "nms": (anchors, torch.rand(n, generator=generator), seed % 11 / 10),
    }
    if m <= n:
        cases["assign_anchor_to_bbox"] = (truth, anchors, "cpu", 0.5)
    for name, arguments in cases.items():
        expected = getattr(d2l, name)(*arguments)
        # d2l returns a float tensor when nothing is kept and int64 otherwise; torch.equal minds the values only.
        assert torch.equal(getattr(d2lhelpers, name)(*arguments), expected), name

    if m <= n:
        labels = labels_of(batch_size, m, seed)
        for ours, theirs in zip(
            d2lhelpers.multibox_target(anchors[None], labels),
            d2l.multibox_target(anchors[None], labels),
            strict=True,
        ):
            assert torch.equal(ours, theirs)
            assert ours.dtype == theirs.dtype
    predictions = predictions_of(batch_size, 3, n, seed)
    ours = d2lhelpers.multibox_detection(
        *predictions, 0.4, 0.3, per_class=False, background_wins=False
    )
    assert torch.equal(ours, d2l.multibox_detection(*predictions, 0.4, 0.3))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 7), (32, 32), (17, 11), (56, 73)])
@pytest.mark.parametrize(
    ("sizes", "ratios"), [([0.5], [1]), ([0.75, 0.5, 0.25], [1, 2, 0.5]), ([0.2, 0.3], [2, 1])]
)
def test_same_anchors(height, width, sizes, ratios):
    data = torch.zeros(1, 3, height, width)
    assert torch.equal(
        d2lhelpers.multibox_prior(data, sizes, ratios), d2l.multibox_prior(data, sizes, ratios)
    )


@pytest.mark.parametrize(
    "name",
    [
        "assign_anchor_to_bbox", "bbox_to_rect", "box_center_to_corner", "box_corner_to_center", "box_iou",
        "corr2d", "multibox_detection", "multibox_prior", "multibox_target", "nms", "offset_boxes", "offset_inverse",
        "read_voc_images", "show_bboxes", "voc_colormap2label", "voc_label_indices", "voc_rand_crop",
    ],
)  # fmt: skip
def test_every_call_that_d2l_takes_is_taken(name):
    theirs = inspect.signature(getattr(d2l, name)).parameters
    ours = inspect.signature(getattr(d2lhelpers, name)).parameters
    assert list(ours)[: len(theirs)] == list(theirs)
    for parameter in theirs.values():
        if parameter.default is not parameter.empty:
            assert ours[parameter.name].default == parameter.default
    for added in list(ours.values())[len(theirs) :]:
        assert added.kind == added.KEYWORD_ONLY
        assert added.default is not added.empty


def test_same_rectangles():
    ours, theirs = (
        d2lhelpers.bbox_to_rect([1, 2, 5, 9], "red"),
        d2l.bbox_to_rect([1, 2, 5, 9], "red"),
    )
    assert ours.get_bbox().bounds == theirs.get_bbox().bounds
    assert ours.get_edgecolor() == theirs.get_edgecolor()


class TestFaultsOfD2l:
    """Each fails if a new d2l mends the fault; then the course's text about it must change."""

    anchors = torch.tensor([[[0, 0.1, 0.2, 0.3], [0.15, 0.2, 0.4, 0.4], [0.63, 0.05, 0.88, 0.98]]])
    truth = torch.tensor([[[0, 0.1, 0.08, 0.52, 0.92]]])

    def test_padding_rows_grab_anchors_with_offsets_near_minus_69(self):
        padded = torch.cat((self.truth, torch.full((1, 1, 5), -1.0)), dim=1)
        offsets, mask, classes = d2l.multibox_target(self.anchors, padded)
        assert mask.sum() > d2l.multibox_target(self.anchors, self.truth)[1].sum()
        assert offsets.min() < -60
        ours = d2lhelpers.multibox_target(self.anchors, padded)
        assert torch.equal(ours[1], d2l.multibox_target(self.anchors, self.truth)[1])
        assert ours[0].abs().max() < 20
        assert classes.shape == ours[2].shape

    def test_no_ground_truth_crashes(self):
        with pytest.raises((IndexError, RuntimeError)):
            d2l.multibox_target(self.anchors, torch.zeros(1, 0, 5))

    def test_anchor_index_by_float_division(self):
        flat = torch.tensor(419_430 * 40 + 39)  # above 2**24
        assert (flat / 40).long() != flat // 40

    def test_iou_of_nothing_is_nan(self):
        assert d2l.box_iou(torch.zeros(1, 4), torch.zeros(1, 4)).isnan().all()

    def test_background_is_reported_and_classes_suppress_each_other(self):
        anchors = torch.tensor([[[0.1, 0.1, 0.6, 0.6]]])
        assert (
            d2l.multibox_detection(torch.tensor([[[0.9], [0.1]]]), torch.zeros(1, 4), anchors)[
                0, 0, 0
            ]
            == 0
        )
        two = torch.tensor([[[0.1, 0.1, 0.6, 0.6], [0.1, 0.1, 0.6, 0.61]]])
        probs = torch.tensor([[[0.1, 0.1], [0.9, 0.0], [0.0, 0.8]]])
        assert d2l.multibox_detection(probs, torch.zeros(1, 8), two)[0, 1, 0] == -1
