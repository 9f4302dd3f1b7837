"""The exercise on the offsets' loss: over whom its mean is taken."""

import torch
import torch.nn.functional as F
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake
from d2lhelpers.check.engine import Exercise

__all__ = ["offset_loss"]


def my_offset_loss(offsets, targets, positive):
    errors = F.smooth_l1_loss(offsets, targets, reduction="none").sum(dim=-1)
    # without any object there is nothing to divide by
    return errors[positive].sum() / positive.sum().clamp(min=1)


def _errors(offsets: Tensor, targets: Tensor) -> Tensor:
    return F.smooth_l1_loss(offsets, targets, reduction="none").sum(dim=-1)


def _of_pictures(offsets: Tensor, targets: Tensor, positive: Tensor) -> Tensor:
    errors = (_errors(offsets, targets) * positive).sum(dim=1)
    return (errors / positive.sum(dim=1).clamp(min=1)).mean()


def _absolute(offsets: Tensor, targets: Tensor, positive: Tensor) -> Tensor:
    errors = (offsets - targets).abs().sum(dim=-1)
    return errors[positive].sum() / positive.sum().clamp(min=1)


def _cases() -> list[Case]:
    generator = torch.Generator().manual_seed(44)

    def case(
        note: str, marks: tuple[tuple[int, ...], ...], edge: bool = False, scale: float = 1.0
    ) -> Case:
        positive = torch.tensor(marks, dtype=torch.bool)
        pair = scale * torch.randn(2, *positive.shape, 4, generator=generator, dtype=torch.float32)
        # as `multibox_target` has it: where there is no object, the target is 0
        return Case(note, (pair[0], pair[1] * positive[..., None], positive), edge)

    one = torch.tensor([[[0.5, 0, 0, 0], [3, 0, 0, 0]]], dtype=torch.float32)
    return [
        Case("one object's anchor, off by 0.5, and one of the background",
             (one, torch.zeros_like(one), torch.tensor([[True, False]]))),
        Case("both anchors belong to an object, off by 0.5 and 3",
             (one, torch.zeros_like(one), torch.tensor([[True, True]]))),
        case("two pictures with two objects and one", ((1, 0, 1), (0, 1, 0)), scale=3),
        case("a picture with an object, a picture without", ((0, 1, 0), (0, 0, 0))),
        case("no object in the batch: a loss of 0", ((0, 0, 0), (0, 0, 0)), edge=True),
        case("three pictures of 20 anchors", ((1,) * 5 + (0,) * 15, (0,) * 20, (0, 1) + (0,) * 18), scale=2),
    ]  # fmt: skip


offset_loss = Exercise(
    name="offset_loss",
    title="Bug hunt: the mean over whom?",
    statement=(
        "`offsets` and `targets` are (B, A, 4), `positive` is (B, A) bool and marks the anchors that belong to an "
        "object; for the others the target means nothing. Return one number: the smooth L1 errors of the positive "
        "anchors, summed over their four offsets, averaged over the positive anchors of the *batch*. Without any, 0."
    ),
    reference=my_offset_loss,
    solution_function=my_offset_loss,
    cases_function=_cases,
    mistakes=(
        Mistake("over_all_anchors",
            "It looks like the mean over all anchors. Five in a thousand belong to an object, so the offsets' loss is "
            "two hundred times too small beside the class loss, and the fewer objects, the smaller. (d2l does this.) "
            "Divide by the number of positive anchors.",
            lambda o, t, p: (_errors(o, t) * p).mean()),
        Mistake("no_mask",
            "It looks like background anchors count, too, with a target of 0. They have no box; the network would "
            "learn to move nothing.",
            lambda o, t, p: _errors(o, t).sum() / p.sum().clamp(min=1)),
        Mistake("no_mask_mean",
            "It looks like the mean over all anchors, background included, where there is no box to be predicted. "
            "Pick the positive anchors first: `errors[positive]`.",
            lambda o, t, p: _errors(o, t).mean()),
        Mistake("zero_over_zero",
            "Right, but for a batch without objects: the mean of nothing is NaN, and one NaN in the loss makes every "
            "weight NaN. Divide by at least 1: `.clamp(min=1)`.",
            lambda o, t, p: _errors(o, t)[p].mean()),
        Mistake("mean_of_offsets",
            "It looks like the mean over the four offsets as well. They are four errors of one box: sum them.",
            lambda o, t, p: _errors(o, t)[p].sum() / (4 * p.sum().clamp(min=1))),
        Mistake("mean_of_pictures",
            "It looks like a mean for each picture, and then the mean of those. An object in a crowded picture then "
            "counts less than one that is alone.",
            _of_pictures),
        Mistake("absolute",
            "It looks like the plain absolute error. Smooth L1 is 0.5 e**2 below an error of 1, and e - 0.5 above: "
            "`F.smooth_l1_loss`.",
            _absolute),
        Mistake("squared",
            "It looks like the squared error. One box that is far off would then outweigh all others: that is what "
            "smooth L1 is for.",
            lambda o, t, p: ((o - t) ** 2).sum(-1)[p].sum() / p.sum().clamp(min=1)),
    ),
    hints=(
        "A batch has 5,444 anchors a picture and 10 that belong to an object. By how much does the mean over all "
        "differ from the mean over those 10?",
        "First the error of each anchor, (B, A): `F.smooth_l1_loss(..., reduction='none').sum(dim=-1)`. Then choose, "
        "then divide. What do you divide by where nothing is chosen?",
        "`errors[positive].sum() / positive.sum().clamp(min=1)`.",
    ),
    needs="import torch.nn.functional as F",
)  # fmt: skip
