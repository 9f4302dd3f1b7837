"""The exercises on the first stage of an R-CNN: how many objects are proposed, and what anchors should say."""

from collections.abc import Callable

import torch
from torch import Tensor

from d2lhelpers.boxes import box_iou
from d2lhelpers.check.cases import Case, Mistake, random_boxes, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["objectness_targets", "proposal_recall"]


def my_proposal_recall(proposals, truths, number):
    iou = box_iou(truths, proposals[:number])
    # an object is found if any of the proposals is good enough
    return (iou >= 0.5).any(dim=1).float().mean().item()


def _of_objects(
    some: Callable[[Tensor, int], Tensor], judge: Callable[[Tensor], Tensor]
) -> Callable:
    def function(proposals: Tensor, truths: Tensor, number: int) -> float:
        return judge(box_iou(truths, some(proposals, number))).float().mean().item()

    return function


def _first(proposals: Tensor, number: int) -> Tensor:
    return proposals[:number]


def _best(iou: Tensor) -> Tensor:
    return iou.amax(dim=1) if iou.shape[1] else torch.zeros(len(iou))


def _recall_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(51)
    one, other = (0, 0, 4, 4), (10, 10, 14, 14)
    cases = [
        Case("one object, and a proposal on it", (rows(one), rows(one), 1)),
        Case("two objects, one proposal", (rows(one), rows(one, other), 1)),
        Case("one object, a good proposal and two bad ones",
             (rows((20, 20, 30, 30), one, (5, 5, 8, 8)), rows(one), 3)),
        Case("the good proposal comes too late to count", (rows((20, 20, 30, 30), one), rows(one), 1)),
        Case("of three proposals the first two count",
             (rows(other, (20, 20, 30, 30), one), rows(one, other), 2)),
        Case("an overlap of exactly one half", (rows((0, 0, 4, 2)), rows(one), 1)),
        Case("fewer proposals than asked for", (rows(other), rows(one, other), 5)),
        Case("no proposals", (rows(), rows(one), 10), edge=True),
    ]  # fmt: skip
    for num, number in ((30, 20), (60, 40)):
        truths = random_boxes(6, generator)
        # some of the proposals near objects, or hardly any of them would be found
        near = (
            truths.repeat(3, 1)
            + 0.05 * torch.randn(18, 4, generator=generator, dtype=torch.float32)
        ).view(-1, 2, 2)
        near = near.sort(dim=1).values.flatten(1)
        proposals = torch.cat((near, random_boxes(num - 18, generator)))
        proposals = proposals[torch.randperm(num, generator=generator)]
        note = f"{num} random proposals, the first {number} count"
        cases.append(Case(note, (proposals, truths, number)))
    return cases


proposal_recall = Exercise(
    name="proposal_recall",
    title="Recall of proposals",
    statement=(
        "`proposals` is (P, 4), the best first; P may be 0. `truths` is (G, 4), at least one. All are corners. Return "
        "a float: the share of objects that at least one of the first `number` proposals overlaps by an IoU of 0.5 or "
        "more."
    ),
    reference=my_proposal_recall,
    solution_function=my_proposal_recall,
    cases_function=_recall_cases,
    mistakes=(
        Mistake("precision",
            "It looks like the share of *proposals* that lie on an object. Recall asks the objects: of how many is "
            "there a proposal? Hundreds of proposals on nothing do no harm here.",
            lambda proposals, truths, number: (
                (box_iou(proposals[:number], truths) >= 0.5).any(dim=1).float().mean().item()
            )),
        Mistake("all_proposals",
            "It looks like all proposals count. Only the first `number` do: recall against their number is what shows "
            "whether the good ones come first.",
            _of_objects(lambda proposals, number: proposals, lambda iou: (iou >= 0.5).any(dim=1))),
        Mistake("last_proposals",
            "It looks like the *last* proposals count. The best stand first: `proposals[:number]`.",
            _of_objects(lambda proposals, number: proposals[-number:], lambda iou: (iou >= 0.5).any(dim=1))),
        Mistake("mean_overlap",
            "That is the mean of the best overlaps. Recall counts: an object is found, from an IoU of 0.5 on, or it is "
            "not.",
            _of_objects(_first, _best)),
        Mistake("strictly",
            "It looks like an overlap of exactly 0.5 is not enough. Here it is: `>=`.",
            _of_objects(_first, lambda iou: (iou > 0.5).any(dim=1))),
        Mistake("one_to_one",
            "It looks like the number of *pairs* that overlap, divided by the number of objects. Three proposals on "
            "one object still find one object: ask with `any`.",
            lambda proposals, truths, number: (
                (box_iou(truths, proposals[:number]) >= 0.5).sum().item() / len(truths)
            )),
    ),
    hints=(
        "Two objects, and ten proposals that all lie on the first. How large is the recall?",
        "The table of overlaps has a row for each object. An object is found if *any* number in its row is 0.5 or "
        "more.",
        "`(box_iou(truths, proposals[:number]) >= 0.5).any(dim=1).float().mean().item()`.",
    ),
    needs="from d2lhelpers import box_iou",
)  # fmt: skip


def my_objectness_targets(iou):
    # a row of zeros more: then no picture is without an object, and nothing changes
    iou = torch.cat((iou, torch.zeros(1, iou.shape[1])))
    best_of_anchor = iou.amax(dim=0)
    best_of_object = iou.amax(dim=1, keepdim=True)
    targets = torch.full_like(best_of_anchor, -1, dtype=torch.int64)
    targets[best_of_anchor < 0.3] = 0
    targets[best_of_anchor >= 0.7] = 1
    # last, so that it counts even below 0.3
    targets[((iou == best_of_object) & (iou > 0)).any(dim=0)] = 1
    return targets


def _targets(
    iou: Tensor, *, high: float = 0.7, low: float = 0.3, between: int = -1, best: str = "all"
) -> Tensor:
    iou = torch.cat((iou, torch.zeros(1, iou.shape[1])))
    value = iou.amax(dim=0)
    targets = torch.where(value >= high, 1, torch.where(value < low, 0, between))
    most = iou.amax(dim=1, keepdim=True)
    if best == "all":
        targets[((iou == most) & (iou > 0)).any(dim=0)] = 1
    elif best == "first":
        targets[iou.argmax(dim=1)[most[:, 0] > 0]] = 1
    elif best == "zero":
        targets[((iou == most).any(dim=0))] = 1
    elif best == "before":
        own = ((iou == most) & (iou > 0)).any(dim=0)
        targets = torch.where(own & (targets != 0), 1, targets)
    return targets


def _any_overlap(iou: Tensor) -> Tensor:
    """The best object of each anchor, in place of the best anchor of each object."""
    targets = _targets(iou, best="none")
    return torch.where((iou > 0).any(dim=0), 1, targets)


def _target_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(52)
    cases = [
        Case("one object: an anchor of 0.8, one of 0.1", (rows((0.8, 0.1), columns=2),)),
        Case("an anchor between the thresholds", (rows((0.9, 0.4, 0.0), columns=3),)),
        Case("two anchors of 0.7 and more", (rows((0.75, 0.9, 0.2), columns=3),)),
        Case("an object that no anchor overlaps much", (rows((0.1, 0.25, 0.0), columns=3),)),
        Case("two objects, the second one small",
             (rows((0.8, 0.6, 0.0, 0.1, 0.0), (0.0, 0.0, 0.2, 0.05, 0.0), columns=5),)),
        Case("two anchors are the best, alike", (rows((0.5, 0.5, 0.1), columns=3),)),
        Case("an object that no anchor touches", (rows((0.0, 0.8, 0.0), (0.0, 0.0, 0.0), columns=3),)),
        Case("no objects", (torch.zeros(0, 3, dtype=torch.float32),), edge=True),
    ]  # fmt: skip
    for num_objects, num_anchors in ((3, 12), (5, 30)):
        iou = torch.rand(num_objects, num_anchors, generator=generator, dtype=torch.float32) ** 3
        cases.append(Case(f"{num_objects} objects, {num_anchors} anchors, at random", (iou,)))
    return cases


objectness_targets = Exercise(
    name="objectness_targets",
    title="What the anchors of an RPN should say",
    statement=(
        "`iou` is (G, A): the overlaps of G objects with A anchors. G may be 0. Return (A,) int64: 1 for an anchor "
        "with an overlap of 0.7 or more with some object, 0 if it overlaps all of them by less than 0.3, else -1: it "
        "is left out. But the best anchor of each object is 1, however little it overlaps; where several are best, all "
        "of them; an object that no anchor touches has none."
    ),
    reference=my_objectness_targets,
    solution_function=my_objectness_targets,
    cases_function=_target_cases,
    mistakes=(
        Mistake("no_best_anchor",
            "The thresholds are right, but the best anchor of each object must be 1, whatever its overlap. An object "
            "that no anchor overlaps by 0.7 would otherwise never be learnt.",
            lambda iou: _targets(iou, best="none")),
        Mistake("one_threshold",
            "It looks like one threshold of 0.5. There are two, 0.7 and 0.3, and what lies between them is left out: "
            "-1.",
            lambda iou: _targets(iou, high=0.5, low=0.5)),
        Mistake("between_is_background",
            "It looks like the anchors between the thresholds are background. Half of an object is no background: "
            "they are left out, -1.",
            lambda iou: _targets(iou, between=0)),
        Mistake("untouched_object",
            "It looks like an object that no anchor touches makes anchors positive: its best overlap is 0, and many "
            "anchors have that. Its best must be above 0.",
            lambda iou: _targets(iou, best="zero")),
        Mistake("any_overlap",
            "It looks like the maximum is taken along the wrong axis: every anchor that touches an object is then "
            "positive, since every anchor has a best object. It is every *object* that has a best anchor.",
            _any_overlap),
        Mistake("background_last",
            "It looks like anchors below 0.3 are made background after the best anchors were marked. The best anchor "
            "counts *however little* it overlaps: mark it last.",
            lambda iou: _targets(iou, best="before")),
        Mistake("first_of_the_best",
            "It looks like `argmax`, which gives one anchor. On a regular grid ties are common; compare with the "
            "maximum, and all of the best are found.",
            lambda iou: _targets(iou, best="first")),
    ),
    hints=(
        "An object has overlaps of 0.1, 0.25 and 0. Which anchor should learn from it? And which from one with 0, 0, "
        "0?",
        "First the thresholds, on the maximum over the objects (`dim=0`). Then the best anchors, by the maximum over "
        "the anchors (`dim=1`), and these last. A row of zeros more spares you the case without objects.",
        "`targets[((iou == iou.amax(dim=1, keepdim=True)) & (iou > 0)).any(dim=0)] = 1` as the last step.",
    ),
)  # fmt: skip
