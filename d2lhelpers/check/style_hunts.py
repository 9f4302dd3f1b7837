"""The bug hunts on style transfer: a style that depends on the size, and a target that gives way."""

from collections.abc import Callable

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["keep_content", "style_distance"]


def my_style_distance(features1, features2):
    def gram(features):
        flat = features.flatten(1)
        return flat @ flat.T / flat.numel()  # without it, a larger picture has a "stronger" style

    return (gram(features1) - gram(features2)).square().mean()


def _distance(features1: Tensor, features2: Tensor, divide: Callable[[Tensor], float]) -> Tensor:
    grams = []
    for features in (features1, features2):
        flat = features.flatten(1)
        grams.append(flat @ flat.T / divide(flat))
    return (grams[0] - grams[1]).square().mean()


def _style_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(34)
    stripes = rows((1, 0, 1, 0), (0, 2, 0, 2), columns=4).reshape(2, 2, 2)
    small, large = (
        torch.randn(shape, generator=generator, dtype=torch.float32)
        for shape in ((3, 4, 4), (3, 6, 10))
    )
    return [
        Case("a map and silence", (stripes, torch.zeros_like(stripes))),
        Case("a map and the same twice beside itself", (stripes, stripes.repeat(1, 1, 2))),
        Case("two random maps of one size", (small, small.flip(0))),
        Case("two random maps of different sizes", (small, large)),
    ]


style_distance = Exercise(
    name="style_distance",
    title="Styles of different sizes",
    statement=(
        "`features1`, (C, h1, w1), and `features2`, (C, h2, w2), are maps of two pictures. Return the mean squared "
        "difference of their Gram matrices, each divided by the number of its map's values, so that a texture and the "
        "same texture repeated have the distance 0."
    ),
    reference=my_style_distance,
    solution_function=my_style_distance,
    cases_function=_style_cases,
    mistakes=(
        Mistake("not_normalised",
            "It looks like the Gram matrices are sums, not divided by anything. The same texture, twice as wide, is "
            "then another style.",
            lambda one, two: _distance(one, two, lambda flat: 1)),
        Mistake("one_size",
            "It looks like both are divided by the first map's number of values. Each has its own.",
            lambda one, two: _distance(one, two, lambda flat: one.numel())),
        Mistake("by_places",
            "It looks like a division by the number of places alone. That mends the size; asked for is the number of "
            "values, C · h · w.",
            lambda one, two: _distance(one, two, lambda flat: flat.shape[1])),
        Mistake("by_channels",
            "It looks like a division by the number of channels. Channels do not change with the size of a picture, "
            "places do.",
            lambda one, two: _distance(one, two, lambda flat: flat.shape[0])),
    ),
    hints=(
        "Lay a texture beside itself. What happens to a sum over all places, and what should happen to the style?",
        "Divide each Gram matrix by `flat.numel()` of its own map.",
        "`flat = features.flatten(1)`, `flat @ flat.T / flat.numel()` for each map, then the mean of the squared "
        "difference.",
    ),
)  # fmt: skip


def my_keep_content(start, goal, weight, lr, steps):
    image = start.clone().requires_grad_()
    target = (weight @ image).detach()  # a number to reach, not a way to reach it
    for _ in range(steps):
        content = (weight @ image - target).square().mean()
        (slope,) = torch.autograd.grad(content + (image - goal).square().mean(), image)
        with torch.no_grad():
            image -= lr * slope
    return image.detach()


def _descent(
    start: Tensor, goal: Tensor, weight: Tensor, lr: float, steps: int,
    content_weight: float = 1.0, goal_weight: float = 1.0, keep_slope: bool = False, sign: float = 1.0,
) -> Tensor:  # fmt: skip
    image, target = start.clone(), weight @ start
    slope = torch.zeros_like(start)
    for _ in range(steps):
        difference = weight @ image - target
        content = 2 * weight.T @ difference / difference.numel()
        new = content_weight * content + goal_weight * 2 * (image - goal) / image.numel()
        slope = slope + new if keep_slope else new
        image = image - sign * lr * slope
    return image


def _keep_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(35)
    cases = [
        Case(
            "one pixel, one feature, two steps",
            (rows((1,), columns=1), rows((3,), columns=1), rows((2,), columns=1), 0.1, 2),
        ),
        Case(
            "two pixels, of which the feature sees one",
            (
                rows((0,), (0,), columns=1),
                rows((1,), (1,), columns=1),
                rows((1, 0), columns=2),
                0.5,
                3,
            ),
        ),
    ]
    for pixels, features, steps in ((4, 3, 5), (6, 6, 20)):
        start, goal, weight = (
            torch.randn(shape, generator=generator, dtype=torch.float32)
            for shape in ((pixels, 2), (pixels, 2), (features, pixels))
        )
        cases.append(
            Case(
                f"{pixels} pixels, {features} features, {steps} steps",
                (start, goal, weight, 0.2, steps),
            )
        )
    return cases


keep_content = Exercise(
    name="keep_content",
    title="A target that stays where it is",
    statement=(
        "A picture, (P, N), begins as `start`. Its features are `weight @ picture`. Go `steps` steps of gradient "
        "descent with the rate `lr` down the sum of two losses: the mean squared difference of its features from "
        "those it had at the start, and the mean squared difference of the picture from `goal`. Return the picture."
    ),
    reference=my_keep_content,
    solution_function=my_keep_content,
    cases_function=_keep_cases,
    mistakes=(
        Mistake("not_detached",
            "It looks like the target is still tied to the picture. The features and their target then move together, "
            "their difference has no slope, and the content has no say. `retain_graph=True` silences the error and "
            "keeps the bug. Cut the tie: `target = (weight @ image).detach()`.",
            lambda *arguments: _descent(*arguments, content_weight=0.0)),
        Mistake("no_goal",
            "It looks like the second loss, the one to the goal, has no slope. From its start the picture then never "
            "moves.",
            lambda *arguments: _descent(*arguments, goal_weight=0.0)),
        Mistake("not_zeroed",
            "It looks like slopes of earlier steps are added to later ones: `backward()` adds to `.grad`, which has to "
            "be set to zero before each step.",
            lambda *arguments: _descent(*arguments, keep_slope=True)),
        Mistake("uphill",
            "It looks like the steps go uphill: the slope has to be subtracted.",
            lambda *arguments: _descent(*arguments, sign=-1.0)),
        Mistake("half",
            "It looks like half the slope: the derivative of a square is twice the difference.",
            lambda *arguments: _descent(*arguments, content_weight=0.5, goal_weight=0.5)),
        Mistake("one_step",
            "It looks like a single step, however many are asked for: is the `return` inside the loop?",
            lambda start, goal, weight, lr, steps: _descent(start, goal, weight, lr, 1)),
    ),
    hints=(
        "The target is computed from the picture that is being trained. What does autograd think that the target "
        "does when the picture changes?",
        "A target is a number to reach. Compute it once, before the loop, and cut it off from the picture.",
        "`target = (weight @ image).detach()`, and no `retain_graph`.",
    ),
)  # fmt: skip
