"""The exercises on the class loss where nearly every anchor is background: choosing negatives, and focal loss."""

import math

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, distinct_scores, integers, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["focal_loss", "hard_negatives"]


def my_hard_negatives(losses, positive, ratio):
    negatives = losses.masked_fill(positive, float("-inf"))
    # sorting the order says for each anchor at which place it stands
    place = negatives.argsort(dim=1, descending=True).argsort(dim=1)
    wanted = ratio * positive.sum(dim=1, keepdim=True).clamp(min=1)
    counts = positive | (place < wanted)
    return losses.masked_fill(~counts, 0)


def _chosen(
    losses: Tensor, positive: Tensor, ratio: int, *, descending: bool = True, places: bool = True, least: int = 1
) -> Tensor:  # fmt: skip
    hidden = losses.masked_fill(positive, -math.inf if descending else math.inf)
    place = hidden.argsort(dim=1, descending=descending)
    if places:
        place = place.argsort(dim=1)
    return place < ratio * positive.sum(dim=1, keepdim=True).clamp(min=least)


def _with_positives_ranked(losses: Tensor, positive: Tensor, ratio: int) -> Tensor:
    place = losses.argsort(dim=1, descending=True).argsort(dim=1)
    counts = positive | (place < ratio * positive.sum(dim=1, keepdim=True).clamp(min=1))
    return losses * counts


def _over_the_batch(losses: Tensor, positive: Tensor, ratio: int) -> Tensor:
    place = losses.masked_fill(positive, -math.inf).flatten().argsort(descending=True).argsort()
    wanted = ratio * positive.sum(dim=1).clamp(min=1).sum()
    return losses * (positive | (place < wanted).view_as(positive))


def _marks(*pictures: str) -> Tensor:
    """(B, A) bool, True where an anchor is a P."""
    return torch.tensor(
        [[mark == "P" for mark in picture] for picture in pictures], dtype=torch.bool
    )


def _negative_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(41)
    cases = [
        Case(
            "one object's anchor, then four of the background",
            (rows((0.5, 0.1, 0.9, 0.2, 0.4), columns=5), _marks("P----"), 3),
        ),
        Case(
            "the object's anchor has the largest loss of all",
            (rows((0.1, 0.9, 0.3, 0.4, 0.2), columns=5), _marks("-P---"), 2),
        ),
        Case(
            "two pictures, the first with more objects",
            (
                rows((0.9, 0.8, 0.3, 0.2, 0.1), (0.5, 0.6, 0.7, 0.4, 0.95), columns=5),
                _marks("PP---", "---P-"),
                1,
            ),
        ),
        Case("a picture without objects", (rows((0.3, 0.1, 0.9, 0.2)), _marks("----"), 2)),
        Case(
            "fewer anchors of the background than wanted",
            (rows((0.3, 0.1, 0.9, 0.2)), _marks("PPP-"), 3),
            edge=True,
        ),
        Case("no anchors", (torch.zeros(2, 0, dtype=torch.float32), _marks("", ""), 3), edge=True),
    ]
    for num, anchors, ratio in ((4, 30, 3), (3, 50, 2)):
        losses = torch.stack([distinct_scores(anchors, generator, torch.float32) for _ in range(num)])  # fmt: skip
        positive = torch.rand(num, anchors, generator=generator) < 0.1
        cases.append(Case(f"{num} random pictures, {anchors} anchors each", (losses, positive, ratio)))  # fmt: skip
    return cases


hard_negatives = Exercise(
    name="hard_negatives",
    title="Hard negatives",
    statement=(
        "`losses` is (B, A): the class loss of each anchor of each picture. `positive`, (B, A) bool, marks the anchors "
        "that belong to an object. Return (B, A): the losses of all positive anchors and, *in each picture*, of the "
        "`ratio` times as many negative anchors whose losses are the largest; 0 for all others. A picture without "
        "objects keeps `ratio` negatives, as if it had one."
    ),
    reference=my_hard_negatives,
    solution_function=my_hard_negatives,
    cases_function=_negative_cases,
    mistakes=(
        Mistake("easiest",
            "It looks like the negatives with the *smallest* losses are kept. Those are the ones the network has "
            "understood already; there is nothing to learn from them.",
            lambda losses, positive, ratio: losses * (positive | _chosen(losses, positive, ratio, descending=False))),
        Mistake("positives_ranked",
            "It looks like the positive anchors take part in the ranking, and take places away from negatives. Give "
            "them a loss of minus infinity before you sort.",
            _with_positives_ranked),
        Mistake("over_the_batch",
            "It looks like the batch is sorted as a whole. A picture that is hard takes all the places then, and the "
            "others learn nothing about their background. Sort along `dim=1`.",
            _over_the_batch),
        Mistake("one_argsort",
            "It looks like `argsort` once. It gives the anchors *in order*: which anchor is first, which second. You "
            "need the place *of each anchor*, and that is `argsort` of that order once more.",
            lambda losses, positive, ratio: losses * (positive | _chosen(losses, positive, ratio, places=False))),
        Mistake("only_negatives",
            "The negatives are right, but the positive anchors have lost their losses: the network would never learn "
            "what an object is.",
            lambda losses, positive, ratio: losses * (_chosen(losses, positive, ratio) & ~positive)),
        Mistake("only_positives",
            "It looks like only the positive anchors count. Then nothing says what background is, and the network "
            "may see objects everywhere at no cost.",
            lambda losses, positive, ratio: losses * positive),
        Mistake("empty_teaches_nothing",
            "Right, but for a picture without objects: 3 times 0 is 0, and a picture of pure background, of all "
            "pictures, teaches nothing about background. Count at least one positive: `.clamp(min=1)`.",
            lambda losses, positive, ratio: losses * (positive | _chosen(losses, positive, ratio, least=0))),
        Mistake("a_fixed_number",
            "It looks like `ratio` negatives in each picture, however many objects it has. It is `ratio` for *each* "
            "positive anchor.",
            lambda losses, positive, ratio: losses * (
                positive | (losses.masked_fill(positive, -math.inf).argsort(1, descending=True).argsort(1) < ratio))),
    ),
    hints=(
        "Which anchors may be chosen, and how can you keep the others from ever being among the largest?",
        "`argsort` twice gives each anchor's place: the first says who stands where, the second, for each, where. "
        "Compare the place with the number wanted, which differs from picture to picture: (B, 1).",
        "`place = losses.masked_fill(positive, -inf).argsort(1, descending=True).argsort(1)`, `wanted = ratio * "
        "positive.sum(1, keepdim=True).clamp(min=1)`, and what counts is `positive | (place < wanted)`.",
    ),
)  # fmt: skip


def my_focal_loss(logits, classes, gamma):
    probabilities = logits.softmax(dim=1)
    # of each row, the probability of its own class
    p = probabilities[torch.arange(len(classes)), classes]
    return -((1 - p) ** gamma) * p.log()


def _focal(weight) -> object:
    """-weight(p, gamma) log p."""

    def function(logits: Tensor, classes: Tensor, gamma: float) -> Tensor:
        log_p = logits.log_softmax(dim=1).gather(1, classes[:, None])[:, 0]
        return -weight(log_p.exp(), gamma) * log_p

    return function


def _over_the_rows(logits: Tensor, classes: Tensor, gamma: float) -> Tensor:
    p = logits.softmax(dim=0)[torch.arange(len(classes)), classes]
    return -((1 - p) ** gamma) * p.log()


def _sigmoid(logits: Tensor, classes: Tensor, gamma: float) -> Tensor:
    p = logits[torch.arange(len(classes)), classes].sigmoid()
    return -((1 - p) ** gamma) * p.log()


def _likeliest(logits: Tensor, classes: Tensor, gamma: float) -> Tensor:
    p = logits.softmax(dim=1).max(dim=1).values
    return -((1 - p) ** gamma) * p.log()


def _focal_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(42)
    log = lambda *p: [math.log(value) for value in p]  # noqa: E731
    sure, unsure, wrong = log(0.9, 0.1), log(0.5, 0.5), log(0.1, 0.9)
    cases = [
        Case("an anchor of which the network is 90% sure, rightly", (rows(sure, columns=2), integers(0), 2.0)),
        Case("90% sure, wrongly", (rows(wrong, columns=2), integers(0), 2.0)),
        Case("three anchors, sure, unsure and wrong", (rows(sure, unsure, wrong, columns=2), integers(0, 0, 0), 2.0)),
        Case("gamma 1, classes 0 and 1", (rows(sure, sure, columns=2), integers(0, 1), 1.0)),
        Case("gamma 0: cross-entropy", (rows(sure, wrong, columns=2), integers(0, 1), 0.0)),
        Case("three classes, any logits", (rows((1, 2, -1), (0, 0, 3), columns=3), integers(1, 0), 2.0)),
        Case("no anchors", (torch.zeros(0, 3, dtype=torch.float32), integers(), 2.0), edge=True),
    ]  # fmt: skip
    for num, classes, gamma in ((20, 7, 2.0), (30, 4, 3.0)):
        logits = 2 * torch.randn(num, classes, generator=generator, dtype=torch.float32)
        labels = torch.randint(classes, (num,), generator=generator)
        note = f"{num} random anchors of {classes} classes, gamma {gamma:g}"
        cases.append(Case(note, (logits, labels, gamma)))
    return cases


focal_loss = Exercise(
    name="focal_loss",
    title="Focal loss",
    statement=(
        "`logits` is (N, C), `classes` is (N,) int64. With p the probability that softmax gives to an anchor's true "
        "class, return (N,): -(1 - p)**gamma log p."
    ),
    reference=my_focal_loss,
    solution_function=my_focal_loss,
    cases_function=_focal_cases,
    mistakes=(
        Mistake("weight_inverted",
            "It looks like the weight is p**gamma: what is nearly right counts most. It is the other way round, "
            "(1 - p)**gamma: what is far from right counts.",
            _focal(lambda p, gamma: p**gamma)),
        Mistake("cross_entropy",
            "That is cross-entropy: the factor (1 - p)**gamma is missing, and the many easy anchors weigh as ever.",
            _focal(lambda p, gamma: torch.ones_like(p))),
        Mistake("times_gamma",
            "It looks like (1 - p) *times* gamma. It is a power: at p = 0.9 and gamma = 2 the weight is 0.1 squared, "
            "0.01, and a hundred easy anchors weigh as much as a hard one.",
            _focal(lambda p, gamma: gamma * (1 - p))),
        Mistake("sign",
            "The sign is missing. log p is negative; a loss that falls towards minus infinity makes things worse "
            "with each step.",
            _focal(lambda p, gamma: -((1 - p) ** gamma))),
        Mistake("wrong_axis",
            "It looks like softmax along `dim=0`, over the anchors. The probabilities of an anchor's *classes* are "
            "to sum to 1: `dim=1`.",
            _over_the_rows),
        Mistake("sigmoid",
            "It looks like a sigmoid of the true class's logit. That is the focal loss of the paper, with a yes or no "
            "for each class; here the classes and the background compete, by softmax.",
            _sigmoid),
        Mistake("likeliest_class",
            "It looks like p is the largest probability. It is that of the *true* class, which is small where the "
            "network is wrong.",
            _likeliest),
        Mistake("gamma_fixed",
            "It looks like gamma is always 2. That is the usual value, but here it is an argument: use it.",
            _focal(lambda p, gamma: (1 - p) ** 2)),
    ),
    hints=(
        "At p = 0.9 and gamma = 2, what is the weight, and what is the loss? Check it on paper: 0.01 times 0.105.",
        "Softmax along `dim=1`, then pick each row's own column: `probabilities[torch.arange(N), classes]`.",
        "`p = logits.softmax(dim=1)[torch.arange(len(classes)), classes]`, then `-(1 - p) ** gamma * p.log()`. Mind "
        "that in Python `-a ** b` is `-(a ** b)`.",
    ),
)  # fmt: skip
