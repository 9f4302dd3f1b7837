"""The exercise on matching: which object of a picture each detection finds."""

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["match_picture"]


def my_match_picture(iou, iou_threshold):
    free = iou.clone()
    found = torch.full((len(iou),), -1)
    for k in range(len(iou)):
        if free.shape[1] > 0 and free[k].max() >= iou_threshold:
            found[k] = free[k].argmax()
            free[:, found[k]] = -1  # taken
    return found


def _walk(iou: Tensor, iou_threshold: float, *, choose: str = "best", strict: bool = False) -> Tensor:  # fmt: skip
    """The loop of the solution, with one of its rules exchanged."""
    found, taken = [], set()
    for overlaps in iou.tolist():
        enough = [
            (value, -g)
            for g, value in enumerate(overlaps)
            if (value > iou_threshold if strict else value >= iou_threshold)
        ]
        free = [pair for pair in enough if -pair[1] not in taken]
        pick = -1
        if choose == "best" and free:
            pick = -max(free)[1]
        elif choose == "first" and free:
            pick = min(-g for _, g in free)
        elif choose == "best or nothing" and enough and -max(enough)[1] not in taken:
            pick = -max(enough)[1]
        found.append(pick)
        taken.add(pick)
    return torch.tensor(found, dtype=torch.int64)


def _twice(iou: Tensor, iou_threshold: float) -> Tensor:
    if iou.shape[1] == 0:
        return torch.full((len(iou),), -1)
    best, found = iou.max(dim=1)
    return torch.where(best >= iou_threshold, found, -1)


def _by_object(iou: Tensor, iou_threshold: float) -> Tensor:
    found = torch.full((len(iou),), -1)
    for g in range(iou.shape[1]):
        if len(iou) and iou[:, g].max() >= iou_threshold:
            found[iou[:, g].argmax()] = g
    return found


def _zero_for_none(iou: Tensor, iou_threshold: float) -> Tensor:
    return my_match_picture(iou, iou_threshold).clamp(min=0)


def _cases() -> list[Case]:
    generator = torch.Generator().manual_seed(35)
    empty = torch.zeros(3, 0, dtype=torch.float32)
    return [
        Case("one detection that finds the one object", (rows((0.7,), columns=1), 0.5)),
        Case("one detection that overlaps the object too little", (rows((0.4,), columns=1), 0.5)),
        Case("a second detection of the same object", (rows((0.6,), (0.9,), columns=1), 0.5)),
        Case("two detections, each nearest to its own object", (rows((0.1, 0.8), (0.6, 0.2), columns=2), 0.5)),
        Case("a detection that overlaps two objects enough", (rows((0.55, 0.75), columns=2), 0.5)),
        Case("two detections, both nearest to object 0", (rows((0.9, 0.3), (0.8, 0.6), columns=2), 0.5)),
        Case("an overlap equal to the threshold", (rows((0.5, 0.25), (0.1, 0.0), columns=2), 0.5)),
        Case("a picture without objects", (empty, 0.5), edge=True),
        Case("no detections", (empty.T, 0.5), edge=True),
        *(
            Case(
                f"{num} random detections of {objects} objects",
                (torch.rand(num, objects, generator=generator, dtype=torch.float32), threshold),
            )
            for num, objects, threshold in ((6, 3, 0.5), (5, 8, 0.75), (20, 10, 0.6))
        ),
    ]  # fmt: skip


match_picture = Exercise(
    name="match_picture",
    title="Who finds what",
    statement=(
        "`iou` is (K, G): how much each of K detections of a picture overlaps each of its G objects, all of one class. "
        "The rows stand by falling score. Going down the rows, each detection finds the object that it overlaps most "
        "*among those that nobody has found yet*, if by at least `iou_threshold`. Return (K,) int64: the object's "
        "column, or -1 for a false alarm. K or G may be 0."
    ),
    reference=my_match_picture,
    solution_function=my_match_picture,
    cases_function=_cases,
    mistakes=(
        Mistake("found_twice",
            "It looks like an object can be found twice. Then a detector that reports each object ten times has ten "
            "hits on it, and a recall above 1. Strike out an object's column as soon as it is found.",
            _twice),
        Mistake("best_or_nothing",
            "It looks like a detection whose best object is taken gives up. (That is Pascal VOC's rule.) Here, as in "
            "COCO's, it looks further among the objects that are free.",
            lambda iou, t: _walk(iou, t, choose="best or nothing")),
        Mistake("first_enough",
            "It looks like a detection takes the *first* free object that it overlaps enough. It should take the one "
            "that it overlaps most, or it may take away an object that is another detection's only one.",
            lambda iou, t: _walk(iou, t, choose="first")),
        Mistake("no_threshold",
            "It looks like any overlap is enough. An object is found if the overlap is at least `iou_threshold`.",
            lambda iou, t: _walk(iou, -1.0)),
        Mistake("strict",
            "Nearly: an overlap *equal* to the threshold is enough, 'by at least'. Compare with `>=`.",
            lambda iou, t: _walk(iou, t, strict=True)),
        Mistake("by_object",
            "It looks like each *object* chooses its best detection. The detections choose, the surest first: a "
            "detector is not to profit from a good box that it was less sure of.",
            _by_object),
        Mistake("zero_for_none",
            "It looks like a false alarm is given 0. But 0 is the first object: a false alarm has -1.",
            _zero_for_none),
    ),
    hints=(
        "Two detections lie on one object. Which of them has found it, and what is the other?",
        "Work on a clone of the table. When an object is found, set its column to -1: no overlap is as small.",
        "For each row `k`: if `free[k].max() >= iou_threshold`, then `found[k] = free[k].argmax()` and "
        "`free[:, found[k]] = -1`.",
    ),
)  # fmt: skip
