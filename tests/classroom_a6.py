"""Submissions of assignment a6: what each known mistake loses, and what a detector of each quality earns."""

import torch

from d2lhelpers.detection import Detection, truths_of

NAME = "a6"
DECODE = {"decode_middle", "decode_sides"}
MATCH = {"match_once", "match_best", "match_edges"}
CLASSES = {"class_apart", "class_order", "class_outside", "class_edges"}
LEVELS = ("artefact_50", "artefact_70", "artefact_80", "artefact_90")
FILE = {"artefact_file", *LEVELS}

POINTS = {
    "decode_": 14,
    "match_": 14,
    "ap_": 14,
    "hunt_": 8,
    "class_": 12,
    "artefact_": 28,
    "words": 10,
}
SECRETS = (
    "a6.hidden",
    "grouped_nms, patient_class_nms",
    "cummax",
    "free.shape",
    "20_601",
    "Rubric",
)

# Of each task: the exercise whose known mistakes these are, the function's name, and the tests that each must fail.
LOST = {
    "decode": ("decode_cells", "my_decode_cells", {
        "no_stride": DECODE,
        "sides_in_cells": {"decode_sides"},
        "way_in_pixels": {"decode_middle"},
        "no_exp": {"decode_sides"},
        "centre_format": DECODE,
        "from_middle": {"decode_middle"},
        "other_stride": DECODE,
    }),
    "match": ("match_picture", "my_match_picture", {
        "found_twice": {"match_once", "match_best"},
        "best_or_nothing": {"match_best"},
        "first_enough": {"match_best"},
        "no_threshold": {"match_once", "match_best"},
        "strict": {"match_edges"},
        "by_object": {"match_once", "match_best"},
        "zero_for_none": MATCH,
    }),
    "ap": ("average_precision", "my_average_precision", {
        "rising": {"ap_ranking", "ap_envelope"},
        "unsorted": {"ap_ranking"},
        "found_objects": {"ap_recall"},
        "no_envelope": {"ap_envelope"},
        "envelope_from_the_left": {"ap_envelope"},
        "mean_over_detections": {"ap_envelope", "ap_recall"},
        "trapezium": {"ap_ranking", "ap_envelope"},
    }),
    "classes": ("nms_per_class", "my_class_nms", {
        "across_classes": {"class_apart", "class_outside"},
        "grouped": {"class_order"},
        "class_positions": {"class_apart", "class_order", "class_outside"},
        "offset_too_small": {"class_apart", "class_outside"},
        "only_across": {"class_apart", "class_outside"},
        "empty_float": {"class_edges"},
        "best_of_class": {"class_order", "class_edges"},
    }),
}  # fmt: skip

# Tests for the bug hunt that do not tell the bug from what is right.
OUTSIDE = (
    "torch.tensor([[-50.0, -50.0, -10.0, -10.0], [-40.0, -50.0, 0.0, -10.0]]), "
    "torch.tensor([0.9, 0.8]), torch.tensor([0, 1]), 0.5"
)
INSIDE = (
    "torch.tensor([[10.0, 10.0, 50.0, 50.0], [20.0, 10.0, 60.0, 50.0]]), "
    "torch.tensor([0.9, 0.8]), torch.tensor([0, 1]), 0.5"
)
HUNT = "def test_class_nms(class_nms):"
WEAK_TESTS = {
    "asserts nothing": f"class_nms({OUTSIDE})",
    "asserts what is never true": "assert False",
    "has nothing outside": f"assert class_nms({INSIDE}).tolist() == [0, 1]",
    "holds the bug for right": f"assert class_nms({OUTSIDE}).tolist() == [0]",
    "crashes on all": f"assert class_nms({OUTSIDE}).tolis() == [0, 1]",
    "fails on the bug by a crash": f"class_nms({OUTSIDE}).tolist()[1]",
    "takes any rows": f"assert len(class_nms({OUTSIDE})) >= 1",
}

# Detectors by the share of the objects that they find, of each class, and the points that they must lose. A detector
# that finds a share p of the objects, and reports nothing else, has an AP50 of p.
SHARES = (0.0, 0.3, 0.45, 0.6, 0.75, 0.84, 0.92)
ALL = 1.0


def too_low(share: float) -> set[str]:
    """The tests that a detector of this AP50 must fail."""
    return {level for level in LEVELS if share < int(level.removeprefix("artefact_")) / 100}


def artefact(share: float) -> bytes:
    """A file that `detections` knows what to do with; the grader's own reading of files has tests of its own."""
    return f"finds {share}".encode()


def detections(content: bytes, pictures) -> list[Detection]:
    """In place of a network that was trained for minutes: the share of each class's objects that the file names."""
    share = float(content.decode().removeprefix("finds "))
    height, width = pictures.images.shape[-2:]
    truths = truths_of(pictures.labels, height, width)
    total = torch.cat([one["labels"] for one in truths]).bincount(minlength=6)
    seen, found = torch.zeros(6), []
    for one in truths:
        kept = []
        for row, label in enumerate(one["labels"].tolist()):
            seen[label] += 1
            if seen[label] <= share * total[label]:
                kept.append(row)
        rows = torch.tensor(kept, dtype=torch.int64)
        scores = torch.full((len(rows),), 0.9)
        found.append(Detection(boxes=one["boxes"][rows], labels=one["labels"][rows], scores=scores))
    return found
