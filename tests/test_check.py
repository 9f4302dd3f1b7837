"""The checkers themselves are checked: fed right answers, blanks, every known mistake, and worse."""

import base64
import functools
import inspect
import io
import re
import sys
import threading
import time

import nbformat
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from nbclient import NotebookClient
from PIL import Image
from torch import Tensor

from d2lhelpers import box_iou, check, multibox_prior, plot
from d2lhelpers.check import pictures, running
from d2lhelpers.check.compare import difference, literal
from d2lhelpers.check.engine import Exercise
from d2lhelpers.check.running import _Stop, run

EXERCISES = [value for value in vars(check).values() if isinstance(value, Exercise)]
NAMES = [exercise.name for exercise in EXERCISES]
MISTAKES = [(exercise, mistake) for exercise in EXERCISES for mistake in exercise.mistakes]

every_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=NAMES)
every_mistake = pytest.mark.parametrize(
    ("exercise", "mistake"),
    MISTAKES,
    ids=[f"{exercise.name}-{mistake.name}" for exercise, mistake in MISTAKES],
)
# What the course promises to recognise, at least.
PROMISED = {
    "box_iou": {"centre_size", "union_is_sum", "no_clamp", "plus_one", "transposed", "smaller_area", "elementwise",
                "no_guard"},
    "offset_boxes": {"precedence", "no_scales", "no_log", "inverted_log", "box_size", "corners"},
    "offset_inverse": {"no_scales", "no_exp", "centre_format", "clamped"},
    "anchor_size": {"no_aspect", "prose_pixels", "ratio_inverted", "no_root"},
    "assign_labels": {"padding_grabs", "no_second_pass", "no_first_pass", "wrong_axis", "no_discard"},
    "flat_to_pair": {"float_division", "swapped"},
    "nms": {"not_sorted", "comparison_flipped", "suppressed_suppress", "sorted_positions", "threshold_inclusive"},
    "nms_per_class": {"across_classes", "grouped"},
    "flip_boxes": {"not_exchanged", "minus_one", "upside_down"},
    "adjust_contrast": {"brightness", "saturation", "each_channel", "swapped", "not_clamped"},
    "cutmix": {"labels_unchanged", "swapped", "sides", "rows_for_columns"},
    "crop_boxes": {"upside_down_scale", "scaled_first", "not_moved", "not_clamped"},
    "learning_rates": {"exchanged", "weight_only", "anywhere", "one_rate"},
    "trained_parameters": {"one_too_many", "prefix", "as_text", "no_head"},
    "transplant_head": {"negative_index", "zeros", "no_bias", "off_by_one", "wrong_axis"},
    "accuracy_per_class": {"precision", "share_of_all", "overall", "zero_for_none"},
    "standardise": {"no_255", "variance", "own_statistics", "precedence"},
    "frozen_batchnorm": {"batch_statistics", "picture_statistics", "no_root", "no_affine"},
    "average_precision": {"rising", "found_objects", "no_envelope", "trapezium"},
    "coco_to_corner": {"centre", "minus_one", "exchanged"},
    "fraction_labels": {"all_by_width", "class_divided", "one_size", "exchanged"},
    "match_picture": {"found_twice", "best_or_nothing", "first_enough", "by_object"},
    "objects_per_class": {"padding_last", "padding_first", "pictures"},
    "pad_labels": {"zeros", "front", "shortest"},
    "hard_negatives": {"easiest", "positives_ranked", "over_the_batch", "one_argsort", "only_negatives",
                       "empty_teaches_nothing"},
    "focal_loss": {"weight_inverted", "cross_entropy", "times_gamma", "sign", "wrong_axis", "likeliest_class"},
    "count_anchors": {"all_pairs", "first_pair_twice", "square", "only_the_first"},
    "flatten_predictions": {"no_permute", "columns_outside", "column_by_column", "anchor_by_anchor"},
    "offset_loss": {"over_all_anchors", "no_mask", "zero_over_zero", "mean_of_offsets", "mean_of_pictures"},
    "responsible_cells": {"exchanged", "corner", "half_size", "rounded", "times_stride"},
    "class_grid": {"as_it_was", "exchanged", "last_wins", "largest_wins"},
    "decode_cells": {"no_stride", "sides_in_cells", "way_in_pixels", "no_exp", "centre_format", "from_middle"},
    "proposal_recall": {"precision", "all_proposals", "mean_overlap", "one_to_one"},
    "pool_region": {"last_left_out", "mean", "exchanged", "rounded_down"},
    "objectness_targets": {"no_best_anchor", "one_threshold", "between_is_background", "untouched_object",
                           "any_overlap", "background_last"},
    "sample_places": {"as_it_was", "region_rounded", "bins_rounded", "no_half", "half_a_pixel"},
    "paste_cells": {"as_it_was", "squeezed", "corner_of_the_pixel", "smeared"},
    "trans_conv": {"overwritten", "flipped", "no_stride", "too_large"},
    "transposed_size": {"padding_adds", "padding_once", "one_step_too_many", "multiple", "convolution",
                        "no_output_padding"},
    "kernel2matrix": {"transposed", "flipped", "no_gap", "shifted_by_one"},
    "as_convolution": {"not_turned", "one_direction", "transposed", "border_too_wide", "not_stretched", "strided"},
    "cut_border": {"as_it_was", "input_padded", "empty_for_zero", "one_side"},
    "lost_rows": {"as_it_was", "always_zero", "no_padding", "padding_once", "no_dilation"},
    "background_accuracy": {"void_is_wrong", "void_is_right", "the_others"},
    "confusion_matrix": {"transposed", "void_is_background", "void_is_last", "shares", "only_right"},
    "mean_iou": {"absent_is_zero", "union_is_sum", "recall", "precision", "accuracy", "pooled", "no_background",
                 "only_true_classes"},
    "colours_to_classes": {"void_is_background", "void_is_a_class", "any_channel", "red_alone", "blue_first"},
    "resize_labels": {"interpolated_and_rounded", "interpolated_and_cut", "corner_of_the_pixel", "exchanged",
                      "repeated"},
    "crop_pair": {"two_draws", "exchanged", "one_number", "never_the_last", "sides_exchanged", "labels_whole"},
    "class_map": {"no_255", "along_columns", "along_rows", "no_bias"},
    "void_loss": {"void_as_background", "over_all_pixels", "mean_of_pictures", "along_the_row", "summed",
                  "nan_for_nothing"},
    "bilinear_weights": {"channels_mixed", "off_centre", "to_the_edge", "too_flat", "normalised", "added"},
    "interpolate_line": {"no_half_pixel", "corners_aligned", "nearest", "zero_outside", "extended"},
    "giou": {"iou", "loss", "no_clamp", "plus", "minus_intersection", "over_union", "over_hull", "union_is_sum"},
    "gram_matrix": {"not_normalised", "by_places", "by_batch", "centred", "mixed"},
    "keep_content": {"not_detached", "no_goal", "not_zeroed", "uphill", "half", "one_step"},
    "relative_loss": {"absolute", "total", "by_values", "root", "sum", "spread"},
    "style_distance": {"not_normalised", "one_size", "by_places", "by_channels"},
    "tv_loss": {"no_half", "sum", "squared", "signed", "only_across", "only_down", "whole_mean"},
    "attend": {"over_queries", "no_scale", "by_d", "by_number_of_keys", "scaled_after", "no_softmax"},
    "attention_pool": {"over_rows", "over_channels", "over_batch", "gate", "mean"},
    "gate_channels": {"sum", "over_batch", "no_relu", "softmax", "added"},
    "feature_distance": {"as_it_was", "no_255", "of_the_difference", "both_by_255", "no_relu", "over_batch",
                         "not_standardised"},
    "grad_cam": {"no_relu", "not_averaged", "over_channels", "over_batch", "sum", "relu_of_weights",
                 "relu_of_gradients", "relu_too_early"},
    "precision_at_k": {"recall", "any_right", "first_only", "majority", "added_up", "indices_as_labels"},
    "receptive_field": {"no_strides", "own_stride", "whole_kernel", "product", "from_the_top", "last_step"},
    "unpool": {"repeated", "shared_out", "corner", "one_channels_switches", "column_by_column"},
    "mass_on_object": {"not_normalised", "per_position", "lift", "over_batch", "highest_place"},
    "split_heads": {"reshaped", "not_transposed", "interleaved"},
    "followed": {"all_pictures", "over_all", "exchanged", "counts"},
    "new_head": {"old_head", "stacked", "not_transposed", "largest", "sum"},
    "paste_things": {"inverted", "own_plate", "order_inverted", "moved_too", "added"},
    "scramble_pieces": {"reshaped", "not_put_back", "order_inverted", "column_by_column"},
    "shared_histogram": {"hard", "sum", "edges", "not_clamped", "too_wide"},
}  # fmt: skip


@functools.cache
def verdict_on(exercise: str, mistake: str) -> check.Verdict:
    """Made once: most of a test's time goes into drawing."""
    function = next(
        known.function for known in getattr(check, exercise).mistakes if known.name == mistake
    )
    return getattr(check, exercise)(function)


def exec_learner(source: str, name: str):
    namespace: dict = {}
    exec(source, namespace)
    return namespace[name]


def worker_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "d2lhelpers.check"]


# --- right and blank ---


def test_every_exercise_is_exported_under_its_name():
    assert set(PROMISED) == set(NAMES)
    assert set(NAMES) <= set(check.__all__)
    assert all(getattr(check, exercise.name) is exercise for exercise in EXERCISES)


@every_exercise
def test_reference_and_solution_are_right(exercise):
    page = repr(exercise.solution())
    code = re.fullmatch(r"```python\n(.*)```", page, re.DOTALL)[1]
    for answer in (
        exercise.reference,
        exec_learner(code, f"my_{exercise.name}"),
        exercise.solution_function,
    ):
        verdict = exercise(answer)
        assert verdict.status == "right", verdict
        assert verdict.right
        assert bool(verdict)
        assert verdict.mistake is None
        assert repr(verdict).startswith(
            f"✓ {exercise.name}: Right (all {len(exercise.cases)} cases)"
        )


def blanks(exercise: Exercise) -> list:
    head = f"def answer({', '.join(exercise.parameters)}):\n    "
    bodies = [
        "pass",
        "...",
        "return",
        "return ...",
        "'''Only a docstring.'''",
        "raise NotImplementedError",
        "raise NotImplementedError('write this')",
        "return NotImplemented",
        "result = None\n    return result",
        "result = ...  # yours\n    return result",
        "return ..., ...",
        "half = ...\n    return half + 1",
    ]
    return [exec_learner(head + body, "answer") for body in bodies]


@every_exercise
def test_blank_is_not_attempted(exercise):
    for answer in blanks(exercise):
        verdict = exercise(answer)
        assert verdict.status == "blank", inspect.getsource(answer)
        assert not verdict
        assert "hint()" in repr(verdict)


def test_forgotten_return_is_an_attempt():
    verdict = check.box_iou(exec_learner("def f(a, b):\n    iou = a[:, None, 0] + b[:, 0]\n", "f"))
    assert verdict.status == "wrong"
    assert "`return`" in verdict.message


# --- wrong ---


@every_mistake
def test_known_mistake_is_named_and_explained(exercise, mistake):
    verdict = verdict_on(exercise.name, mistake.name)
    assert (verdict.status, verdict.mistake) == ("wrong", mistake.name)
    assert verdict.message == mistake.message
    assert len(mistake.message) > 60
    # The case shown does fail, and none before it does.
    expected, value = exercise.reference(*verdict.arguments), mistake.function(*verdict.arguments)
    assert difference(expected, value, exercise.tolerance)
    for case in exercise.cases:
        if case.note == verdict.note:
            break
        assert not difference(
            exercise.reference(*case.arguments),
            mistake.function(*case.arguments),
            exercise.tolerance,
        )


@every_exercise
def test_mistakes_are_distinguishable(exercise):
    assert PROMISED[exercise.name] <= {mistake.name for mistake in exercise.mistakes}
    outcomes = dict(exercise._mistaken)
    for one in exercise.mistakes:
        for two in exercise.mistakes:
            if one is not two:
                pairs = zip(outcomes[one], outcomes[two], strict=True)
                assert not all(exercise._alike(a, b) for a, b in pairs if b.failure is None), (
                    one.name,
                    two.name,
                )


@every_exercise
def test_unknown_wrong_answer_gets_the_smallest_failing_case(exercise):
    def shifted(*arguments):
        right = exercise.reference(*arguments)
        return tuple(part + 17 for part in right) if isinstance(right, tuple) else right + 17

    verdict = exercise(with_signature(exercise, shifted))
    assert (verdict.status, verdict.mistake) == ("wrong", None)
    assert verdict.note == exercise.cases[0].note
    assert "should be" in verdict.message
    labels = [label for label, _ in verdict.rows]
    assert labels == [*exercise.parameters, "expected", "yours"]


def with_signature(exercise: Exercise, function):
    head = f"def answer({', '.join(exercise.parameters)}):\n    return function({', '.join(exercise.parameters)})"
    namespace = {"function": function}
    exec(head, namespace)
    return namespace["answer"]


def test_a_mistake_is_told_from_its_effect_and_not_from_how_it_is_written():
    # the union without the intersection subtracted; NaN for 0 / 0; crashes on nothing
    def loops(boxes1, boxes2):
        result = []
        for a in boxes1.tolist():
            row = []
            for b in boxes2.tolist():
                width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
                shared = max(width, 0) * max(height, 0)
                areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
                row.append(shared / areas if areas else float("nan"))
            result.append(torch.tensor(row))
        return torch.stack(result)

    assert check.box_iou(loops).mistake == "union_is_sum"


def test_d2l_is_recognised_where_it_is_wrong():
    from d2l import torch as d2l

    def assign(labels, anchors):
        if len(labels) == 0:
            return torch.full((len(anchors),), -1)
        return d2l.assign_anchor_to_bbox(labels[:, 1:], anchors, labels.device)

    assert check.box_iou(d2l.box_iou).mistake == "no_guard"
    assert check.offset_boxes(lambda anchors, boxes: d2l.offset_boxes(anchors, boxes))
    assert check.offset_inverse(d2l.offset_inverse)
    assert check.assign_labels(assign).mistake == "padding_grabs"
    assert check.nms(d2l.nms).mistake == "empty_float"


def test_cases_leave_no_room_for_opinion():
    """No overlap so near a threshold, and no two so alike, that rounding would decide about a right answer."""
    for exercise in (check.nms, check.nms_per_class):
        for case in exercise.cases:
            boxes, threshold = case.arguments[0], case.arguments[-1]
            iou = box_iou(boxes, boxes)
            near = ((iou - threshold).abs() < 1e-4) & (iou != threshold)
            assert not near.any(), case.note
            assert len(case.arguments[1].unique()) == len(boxes)
    for case in check.assign_labels.cases:
        labels, anchors = case.arguments
        iou = box_iou(anchors, labels[labels[:, 0] >= 0, 1:])
        assert not (((iou - 0.5).abs() < 1e-4) & (iou != 0.5)).any(), case.note
        if iou.numel():
            # Each box overlaps more anchors than there are boxes, or enough for every order of service; no ties.
            assert (iou.max(0).values > 0).all(), case.note
            positive = iou[iou > 0].sort().values
            wanted = positive[positive > 0.05]
            assert (wanted.diff() > 1e-6).all() or case.note.startswith("two boxes and their"), (
                case.note
            )


def test_anchor_size_is_what_multibox_prior_makes():
    for height, width, size, ratio in (case.arguments for case in check.anchor_size.cases[:6]):
        x1, y1, x2, y2 = multibox_prior(torch.zeros(height, width), [size], [ratio])[0, 0].tolist()
        assert check.anchor_size.reference(height, width, size, ratio) == pytest.approx(
            (x2 - x1, y2 - y1), abs=1e-5
        )


def test_the_type_of_the_numbers_does_not_matter():
    assert check.box_iou(lambda a, b: box_iou(a, b).double())
    assert check.box_iou(lambda a, b: box_iou(a.double(), b.double()).float())
    assert check.box_iou(lambda a, b: box_iou(a, b).requires_grad_())
    assert check.flat_to_pair(lambda flat, n: [flat // n, flat % n])
    assert check.anchor_size(lambda h, w, s, r: torch.tensor([h * s * r**0.5 / w, s / r**0.5]))
    assert check.anchor_size(lambda h, w, s, r: (np.float32(h * s * r**0.5 / w), s / r**0.5))
    assert check.nms(lambda *arguments: check.nms.reference(*arguments).int())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, b: box_iou(a, b)[None], r"shape \(1, 1, 1\), and should have \(1, 1\)"),
        (lambda a, b: box_iou(a, b).numpy(), "type ndarray, and should return a tensor"),
        (lambda a, b: [1, 2], "type list, and should return a tensor"),
        (lambda a, b: 0.5, "type float, and should return a tensor"),
        (lambda a, b: None if len(a) + len(b) > 2 else box_iou(a, b), "returns None"),
        (lambda a, b: box_iou(a, b) > 0.5, "holds bool, and should hold real numbers"),
        (lambda a, b: box_iou(a, b) * torch.nan, "it is nan at"),
        (lambda a, b: box_iou(a, b).to_sparse(), "sparse"),
        (lambda a, b: (box_iou(a, b), 1), "type tuple, and should return a tensor"),
        (lambda a, b: box_iou, "type function, and should return a tensor"),
    ],
)
def test_what_is_wrong_about_a_result_is_said(answer, words):
    verdict = check.box_iou(answer)
    assert verdict.status == "wrong"
    assert re.search(words, verdict.message), verdict


def test_floats_in_place_of_indices_are_wrong():
    verdict = check.nms(lambda *arguments: check.nms.reference(*arguments).float())
    assert "whole numbers" in verdict.message
    assert "2 results" in check.flat_to_pair(lambda flat, n: (flat // n).sum()).message


def test_a_changed_argument_is_told():
    def in_place(boxes1, boxes2):
        boxes1 += 0
        boxes1 *= 2
        return box_iou(boxes1 / 2, boxes2)

    verdict = check.box_iou(in_place)
    assert (verdict.status, verdict.mistake) == ("wrong", "changes_input")
    assert "`boxes1`" in verdict.message
    assert "boxes2" not in verdict.message
    assert check.box_iou.solution_function
    assert check.box_iou(box_iou)


@every_exercise
def test_garbage_never_raises(exercise, monkeypatch):
    """Whatever comes back, there is a verdict that can be shown."""
    # Only a picture that nobody looks at is spared here; what goes into it is still worked out.
    monkeypatch.setattr(
        pictures, "draw", lambda *arguments: [repr(argument) for argument in arguments] and Figure()
    )
    monkeypatch.setattr(plot, "to_png", lambda figure: bytes(24))

    class Broken:
        def __repr__(self):
            raise RuntimeError("no repr")

        def __len__(self):
            raise RuntimeError("no len")

    infinite = [
        lambda right: (
            right * torch.nan if isinstance(right, Tensor) else tuple(r * torch.nan for r in right)
        ),
        lambda right: (
            right * -torch.inf if isinstance(right, Tensor) else tuple(r * torch.inf for r in right)
        ),
        lambda right: (
            right + 10**9 if isinstance(right, Tensor) else tuple(r + 10**9 for r in right)
        ),
        lambda right: -right - 3 if isinstance(right, Tensor) else tuple(-r - 3 for r in right),
    ]
    values = [
        Broken(), Broken, "text", 1, True, {}, [], (), (1,), (1, "x"), (None, None), float("nan"), 10**400, 1j,
        torch.tensor(1.0), torch.zeros(0), torch.zeros(3, 3), torch.ones(2, dtype=torch.complex64), np.zeros(3),
        torch.full((1, 4), torch.nan), torch.arange(5), torch.zeros(2, dtype=torch.bool), iter([1]), [torch.zeros(1)],
        torch.nn.Parameter(torch.zeros(2)), torch.tensor([0, -1, 99]), torch.empty(2, device="meta"),
    ]  # fmt: skip
    answers = [lambda *arguments, value=value: value for value in values]
    answers += [lambda *arguments, f=f: f(exercise.reference(*arguments)) for f in infinite]
    for answer in answers:
        verdict = exercise(answer)
        assert verdict.status in ("wrong", "error"), verdict
        assert repr(verdict)
        assert verdict._repr_html_()


# --- exceptions ---


def test_an_exception_becomes_a_verdict_with_its_line(tmp_path):
    path = tmp_path / "cell.py"
    path.write_text(
        "def helper(a):\n    return a.nonsense\n\n\ndef answer(a, b):\n    x = 1\n    return helper(a)\n"
    )
    namespace: dict = {}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    verdict = check.box_iou(namespace["answer"])
    assert (verdict.status, verdict.mistake, verdict.png) == ("error", None, None)
    # the deepest line of the learner's own
    assert "in line 2: `return a.nonsense`" in verdict.message
    # Python 3.12 and later may go on with "Did you mean".
    raised = dict(verdict.rows)["yours raises"]
    assert raised.startswith("AttributeError: 'Tensor' object has no attribute 'nonsense'")


def test_a_line_inside_torch_is_not_the_learners():
    def answer(a, b):
        return torch.nn.functional.cross_entropy(a, b.long(), weight="x")

    first = inspect.getsourcelines(answer)[1]
    assert f"in line {first + 1}:" in check.box_iou(answer).message


@pytest.mark.parametrize(
    "statement", ["sys.exit(1)", "raise KeyboardInterrupt", "raise Strange", "f(a, b)", "1 / 0"]
)
def test_any_exception_is_a_verdict(statement):
    source = (
        "import sys\nclass Strange(BaseException):\n    def __str__(self):\n        return 1\n"
        f"def f(a, b):\n    {statement}\n"
    )
    verdict = check.box_iou(exec_learner(source, "f"))
    assert verdict.status == "error"
    assert "in line 6" in verdict.message
    assert not worker_threads()


def test_wrong_number_of_arguments():
    verdict = check.box_iou(lambda boxes: boxes)
    assert verdict.status == "error"
    assert "my_box_iou(boxes1, boxes2)" in verdict.message
    assert "(boxes)" in verdict.message


@every_exercise
def test_not_a_function_raises(exercise):
    for value in (None, 3, torch.zeros(1), "box_iou", dict):
        with pytest.raises(TypeError, match=f"check.{exercise.name} needs the function itself"):
            exercise(value)


def test_methods_partials_and_modules_are_functions():
    class Module(torch.nn.Module):
        def forward(self, a, b):
            return box_iou(a, b)

    assert check.box_iou(Module())
    assert check.box_iou(Module().forward)
    assert check.box_iou(functools.partial(lambda s, a, b: box_iou(a, b), 1))


# --- time limit ---


def endless(a, b):
    while True:
        pass


def endless_with_bare_except(a, b):
    while True:
        try:  # noqa: SIM105
            time.sleep(0.001)
        except:  # noqa: E722
            pass


def endless_with_work_in_bare_except(a, b):
    while True:
        try:
            torch.ones(3).sum()
        except:  # noqa: E722
            continue


def endless_with_finally(a, b):
    while True:
        try:
            sum(range(100))
        finally:
            continue  # noqa: B012


def endless_for(a, b):
    import itertools

    for _ in itertools.count():
        print("still here")


@pytest.mark.filterwarnings("ignore:'continue' in a 'finally' block:SyntaxWarning")
@pytest.mark.parametrize(
    "function",
    [
        endless,
        endless_with_bare_except,
        endless_with_work_in_bare_except,
        endless_with_finally,
        endless_for,
    ],
)
def test_an_endless_loop_is_stopped(function):
    begin = time.monotonic()
    verdict = check.box_iou(function, seconds=0.2)
    assert verdict.status == "timeout"
    assert "did not finish within 0.2 s: is there a loop that never ends?" in verdict.message
    assert "restart" not in verdict.message
    assert verdict.note == check.box_iou.cases[0].note
    assert time.monotonic() - begin < 2
    assert not worker_threads()
    assert check.box_iou(box_iou)  # and the next check is none the worse


def test_what_fails_before_an_endless_loop_is_told():
    def wrong_then_endless(a, b):
        while len(a) > 1:
            pass
        return box_iou(a, b) / 2

    verdict = check.box_iou(wrong_then_endless, seconds=0.2)
    assert verdict.status == "wrong"
    assert "not finished within 0.2 s" in verdict.summary
    assert not worker_threads()


def test_a_call_that_cannot_be_stopped_is_said_to_run_on(monkeypatch):
    monkeypatch.setattr("d2lhelpers.check.running.STOP_PATIENCE", 0.1)

    def sleeps(a, b):
        time.sleep(1)

    verdict = check.box_iou(sleeps, seconds=0.1)
    assert verdict.status == "timeout"
    assert "restart the kernel" in verdict.message
    for thread in worker_threads():
        assert thread.daemon
        thread.join(3)
    assert not worker_threads()


def test_an_interrupt_of_the_kernel_stops_the_function(monkeypatch):
    original = threading.Thread.join

    def interrupted(self, timeout=None):
        if timeout == 5:
            raise KeyboardInterrupt
        original(self, timeout)

    monkeypatch.setattr(threading.Thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        check.box_iou(endless)
    assert not worker_threads()


def test_tracing_of_the_learners_debugger_is_left_alone():
    before = sys.gettrace()
    check.box_iou(endless_with_bare_except, seconds=0.1)
    assert sys.gettrace() is before
    assert issubclass(_Stop, BaseException)
    assert not issubclass(_Stop, Exception)


# --- surroundings ---


def test_gradients_random_state_and_streams_are_as_before(capsys):
    seen = []

    def answer(a, b):
        seen.append(torch.is_grad_enabled())
        torch.manual_seed(1)
        torch.rand(3)
        print("a line")
        sys.stderr.write("another\n")
        return box_iou(a, b)

    torch.manual_seed(7)
    before, streams = torch.get_rng_state(), (sys.stdout, sys.stderr)
    assert check.box_iou(answer)
    assert all(seen)
    seen.clear()
    with torch.no_grad():
        assert check.box_iou(answer)
        assert not torch.is_grad_enabled()
    assert not any(seen)
    for exercise in EXERCISES:
        exercise(exercise.mistakes[0].function)
    assert torch.equal(torch.get_rng_state(), before)
    assert (sys.stdout, sys.stderr) == streams
    assert capsys.readouterr() == ("", "")


def test_what_the_failing_case_printed_is_shown():
    def answer(a, b):
        print("sizes", len(a), len(b), "<b>")
        return box_iou(a, b) / 2

    verdict = check.box_iou(answer)
    assert ("it printed", "sizes 1 1 <b>") in verdict.rows
    assert "&lt;b&gt;" in verdict._repr_html_()

    def talkative(a, b):
        for _ in range(1000):
            print("x" * 100)
        return box_iou(a, b) / 2

    assert len(dict(check.box_iou(talkative).rows)["it printed"]) < 1100


def test_other_threads_print_where_they_always_did(capsys):
    stop = threading.Event()

    def chatter():
        while not stop.is_set():
            print("other")
            time.sleep(0.001)

    def slow(a, b):
        time.sleep(0.01)
        return box_iou(a, b) / 2

    thread = threading.Thread(target=chatter)
    thread.start()
    verdict = check.box_iou(slow)
    stop.set()
    thread.join()
    assert "it printed" not in dict(verdict.rows)
    assert "other" in capsys.readouterr().out


def test_learner_gets_clones():
    tensor = torch.ones(2)

    def keeps(x):
        x.zero_()
        return x

    result = run(keeps, [(tensor,), (tensor,)], 5)
    assert torch.equal(tensor, torch.ones(2))
    assert [outcome.changed for outcome in result.outcomes] == [(0,), (0,)]


def test_a_default_dtype_does_not_matter():
    torch.set_default_dtype(torch.float64)
    try:
        for exercise in EXERCISES:
            fresh = Exercise(
                **{name: getattr(exercise, name) for name in exercise.__dataclass_fields__}
            )
            assert fresh(exercise.solution_function)
            for one, two in zip(fresh.cases, exercise.cases, strict=True):
                dtypes = [
                    [getattr(x, "dtype", None) for x in case.arguments] for case in (one, two)
                ]
                assert dtypes[0] == dtypes[1]
    finally:
        torch.set_default_dtype(torch.float32)


# --- what is shown ---


@every_exercise
def test_hints_and_statement(exercise):
    hints = [repr(exercise.hint(level)) for level in (1, 2, 3)]
    assert repr(exercise.hint()) == hints[0]
    assert len(set(exercise.hints)) == 3
    assert "?" in exercise.hints[0]
    assert all(len(hint) > 40 for hint in hints)
    assert len({hint.count("`") % 2 for hint in hints} | {0}) == 1  # code spans are closed
    for level in (0, 4, "2", None):
        with pytest.raises(ValueError, match="level must be 1, 2 or 3"):
            exercise.hint(level)
    assert exercise.signature in exercise.__doc__
    assert exercise.signature in exercise._repr_markdown_()
    assert exercise.title in repr(exercise)
    assert exercise.solution()._repr_markdown_().startswith("```python\n")


def test_html_escapes_what_the_learner_wrote():
    def answer(a, b):
        raise ValueError("<script>alert(1)</script> & `code`")

    html = check.box_iou(answer)._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    evil = check.nms(lambda *arguments: "<img src=x>")
    assert "<img src=x>" not in evil._repr_html_()


def test_plain_text_is_readable():
    text = repr(
        check.box_iou(dict((m.name, m.function) for m in check.box_iou.mistakes)["no_clamp"])
    )
    lines = text.splitlines()
    assert lines[0].startswith("✗ box_iou: Not right yet (")
    assert "Smallest failing case: boxes beside each other, with a gap" in lines
    assert "  boxes1    torch.tensor([[0., 0., 2., 2.]])" in lines
    assert "  expected  torch.tensor([[0.]])" in lines
    assert "  yours     torch.tensor([[-0.2]])" in lines
    assert max(map(len, lines)) <= 100
    assert "<" not in text


@every_exercise
def test_pictures_are_png_with_words(exercise):
    drawn = 0
    for mistake in exercise.mistakes:
        verdict = verdict_on(exercise.name, mistake.name)
        if verdict.png is None:
            assert verdict.alt == ""
            assert "<img" not in verdict._repr_html_()
            continue
        drawn += 1
        image = Image.open(io.BytesIO(verdict.png))
        image.verify()
        assert image.format == "PNG"
        assert 300 < image.width < 1200
        assert 150 < image.height < 700
        assert len(verdict.png) < 40_000
        assert len(verdict.alt) > 60
        match = re.search(
            r'<img src="data:image/png;base64,([^"]+)" alt="([^"]+)"', verdict._repr_html_()
        )
        assert base64.b64decode(match[1]) == verdict.png
        assert "Picture: " in repr(verdict)
    assert drawn >= len(exercise.mistakes) - 2 if exercise.draw else drawn == 0


def test_pictures_are_to_scale():
    boxes = [(0, 0, 4, 1), (1, 2, 3, 7)]
    figure = pictures.draw(
        [pictures.Panel([pictures.Mark(box, "b", pictures.ONE) for box in boxes])] * 2
    )
    for axes in figure.axes:
        assert axes.yaxis_inverted()
        assert not axes.xaxis_inverted()
        unit = np.diff(axes.transData.transform([(0, 0), (1, 1)]), axis=0)[0]
        assert unit[0] == pytest.approx(-unit[1])
        extents = [patch.get_window_extent().size / unit[0] for patch in axes.patches]
        assert np.allclose(extents, [(4, 1), (2, 5)], atol=0.02)


def test_literals_can_be_pasted_and_are_short():
    for value in (
        torch.tensor([[0.5, 1.0], [2.0, -0.25]]),
        torch.tensor([1, -1]),
        torch.tensor([1.0], dtype=torch.float64),
        torch.zeros(0, 4),
        torch.tensor(7),
        torch.tensor([True, False]),
    ):
        again = eval(literal(value), {"torch": torch})
        assert torch.equal(again, value)
        assert again.dtype == value.dtype
        assert again.shape == value.shape
    assert literal(torch.zeros(100, 4)) == "<tensor of shape (100, 4), float32>"
    assert len(literal("x" * 10_000)) < 400


def test_numbers_that_no_picture_can_hold_are_drawn_all_the_same():
    """With the real drawing, which `test_garbage_never_raises` spares."""
    for exercise in (check.offset_boxes, check.offset_inverse, check.box_iou):
        for number in (torch.nan, torch.inf, 1e30):
            verdict = exercise(
                lambda *arguments, e=exercise, n=number: e.reference(*arguments) * 0 + n
            )
            assert Image.open(io.BytesIO(verdict.png)).width > 300
    for number in (float("nan"), float("inf"), -5.0, 0.0, 1e300):
        assert check.anchor_size(lambda height, width, size, ratio, n=number: (n, n)).png


def test_a_loop_that_prints_leaks_nothing_while_it_is_stopped(capsys, monkeypatch):
    def answer(boxes1, boxes2):
        while True:
            print("leaked")

    stop = running._stop

    def slow_stop(thread):
        time.sleep(0.1)  # as long as it may take on a busy machine
        stop(thread)

    monkeypatch.setattr(running, "_stop", slow_stop)
    assert check.box_iou(answer, seconds=0.05).status == "timeout"
    assert capsys.readouterr().out == ""


def test_in_a_notebook_the_verdict_is_the_cells_result():
    cells = [
        "import torch\nfrom d2lhelpers import check",
        "def my_box_iou(boxes1, boxes2):\n    print('hello')\n    return torch.zeros(len(boxes1), len(boxes2)).gess()",
        "check.box_iou(my_box_iou)",
        "len(_.arguments)",
        "check.box_iou.hint()",
        "def my_box_iou(boxes1, boxes2):\n    while True:\n        try:\n            print(1)\n        except:\n"
        "            pass\ncheck.box_iou(my_box_iou, seconds=0.3)",
    ]
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(nb, timeout=60).execute()
    for cell in nb.cells[2:]:
        assert [output.output_type for output in cell.outputs] == ["execute_result"], cell.outputs
    error, count, hint, late = (cell.outputs[0].data for cell in nb.cells[2:])
    assert "in line 3: `return torch.zeros(len(boxes1), len(boxes2)).gess()`" in error[
        "text/plain"
    ].replace("\n", " ")
    assert "hello" in error["text/html"]
    assert count["text/plain"] == "2"
    assert "Hint 1 of 3" in hint["text/markdown"]
    assert "never ends" in late["text/html"]
