"""The exercise on average precision: from a list of detections to one number."""

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, distinct_scores, floats
from d2lhelpers.check.engine import Exercise

__all__ = ["average_precision"]


def my_average_precision(scores, hits, num_objects):
    hits = hits[scores.argsort(descending=True)].float()
    found = hits.cumsum(0)
    precision = found / torch.arange(1, len(hits) + 1)
    best = precision.flip(0).cummax(0).values.flip(0)
    # recall moves on by 1 / num_objects at each hit, and nowhere else
    return (best * hits).sum() / num_objects


def _area(
    scores: Tensor, hits: Tensor, num_objects: int, *, order: str = "falling", envelope: str = "right",
    over: str = "objects",
) -> Tensor:  # fmt: skip
    """The solution, with one of its steps exchanged."""
    orders = {
        "falling": scores.argsort(descending=True),
        "rising": scores.argsort(),
        "as given": torch.arange(len(scores)),
    }
    hits = hits[orders[order]].float()
    precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
    best = {
        "right": precision.flip(0).cummax(0).values.flip(0),
        "left": precision.cummax(0).values,
        "none": precision,
    }[envelope]
    if over == "detections":
        return best.mean()
    return (best * hits).sum() / (hits.sum().clamp(min=1) if over == "found" else num_objects)


def _trapezium(scores: Tensor, hits: Tensor, num_objects: int) -> Tensor:
    hits = hits[scores.argsort(descending=True)].float()
    found = hits.cumsum(0)
    precision, recall = found / torch.arange(1, len(hits) + 1), found / num_objects
    return torch.trapezoid(
        torch.cat((precision[:1], precision)), torch.cat((torch.zeros(1), recall))
    )


def _last_precision(scores: Tensor, hits: Tensor, num_objects: int) -> Tensor:
    return hits.float().mean() * hits.float().sum() / num_objects


def _cases() -> list[Case]:
    generator = torch.Generator().manual_seed(36)
    flags = lambda *values: torch.tensor(values, dtype=torch.bool)  # noqa: E731
    random = []
    for num, missed in ((12, 3), (40, 10)):
        hits = torch.rand(num, generator=generator) < 0.5
        scores = distinct_scores(num, generator, torch.float32)
        total = int(hits.sum()) + missed
        random.append(Case(f"{num} random detections of {total} objects", (scores, hits, total)))
    return [
        Case("one detection, and it finds the one object", (floats(0.9), flags(True), 1)),
        Case("one of two objects is found", (floats(0.9), flags(True), 2)),
        Case("a false alarm below the hit", (floats(0.9, 0.4), flags(True, False), 1)),
        Case("a false alarm above the hit, the list sorted", (floats(0.9, 0.4), flags(False, True), 1)),
        Case("the same, the list not sorted", (floats(0.4, 0.9), flags(True, False), 1)),
        Case("hit, alarm, hit, hit of three objects", (floats(0.9, 0.8, 0.7, 0.6), flags(True, False, True, True), 3)),
        Case("two false alarms", (floats(0.9, 0.5), flags(False, False), 2)),
        Case("no detections", (floats(), flags(), 2), edge=True),
        *random,
    ]  # fmt: skip


average_precision = Exercise(
    name="average_precision",
    title="Average precision",
    statement=(
        "`scores` is (N,), in any order, no two equal, and `hits` (N,) bool: whether the detection with that score "
        "finds an object. There are `num_objects` objects, found or not. Return, as a tensor of one number, the area "
        "under the envelope of the precision-recall curve: the curve goes through the list from the surest detection "
        "to the least sure one, and its envelope is at each recall the best precision that is had there *or further "
        "on*. No detections: 0."
    ),
    reference=my_average_precision,
    solution_function=my_average_precision,
    cases_function=_cases,
    mistakes=(
        Mistake("rising",
            "It looks like the list is sorted from the least sure to the surest: `sort` and `argsort` go upwards "
            "unless told `descending=True`. A detector that is sure of its hits is then punished for it.",
            lambda s, h, n: _area(s, h, n, order="rising")),
        Mistake("unsorted",
            "It looks like the list is taken as it comes. The ranking is what is measured: sort the hits by falling "
            "score first.",
            lambda s, h, n: _area(s, h, n, order="as given")),
        Mistake("found_objects",
            "It looks like the sum is divided by the objects that were *found*. Then those that nobody found cost "
            "nothing, and a detector does best to report one object and be silent. Divide by `num_objects`.",
            lambda s, h, n: _area(s, h, n, over="found")),
        Mistake("no_envelope",
            "It looks like the precision is taken as it is, zigzag and all. At each recall take the best that is had "
            "there or further on: the maximum from the *right*.",
            lambda s, h, n: _area(s, h, n, envelope="none")),
        Mistake("envelope_from_the_left",
            "It looks like the running maximum comes from the left. Then one hit at the top of the list makes all "
            "that follows perfect. `flip`, `cummax`, `flip` takes it from the right.",
            lambda s, h, n: _area(s, h, n, envelope="left")),
        Mistake("mean_over_detections",
            "It looks like the precision is averaged over the detections. The axis is the recall, which stands still "
            "at a false alarm: only hits count, and each is 1 / num_objects wide.",
            lambda s, h, n: _area(s, h, n, over="detections")),
        Mistake("trapezium",
            "It looks like the curve's own points are joined by slanted lines, as `trapezoid` does. Asked for is the "
            "envelope, a staircase: between two recalls it has the best precision that is had further on.",
            _trapezium),
        Mistake("one_point",
            "It looks like precision times recall of the whole list. That is one point of the curve; the area takes "
            "them all.",
            _last_precision),
    ),
    hints=(
        "Write down five hits and misses by falling score. After each: of those so far, how many are hits? At which "
        "of them does the recall move?",
        "`hits.cumsum(0)` over 1, 2, 3, ... is the precision. The best from each place on is a running maximum from "
        "the right. Each hit adds a strip of width `1 / num_objects`.",
        "`best = precision.flip(0).cummax(0).values.flip(0)`, then `(best * hits).sum() / num_objects`.",
    ),
)  # fmt: skip
