"""The exercise on retrieval's score, and the bug hunt in a distance between features."""

from collections.abc import Callable

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, floats, integers, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["feature_distance", "precision_at_k"]


# --- precision at k ---


def my_precision_at_k(indices, query_labels, collection_labels):
    right = collection_labels[indices] == query_labels[:, None]  # (Q, k)
    return right.float().mean()


def _scored(score: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable:
    """By (right or not (Q, k), the queries' labels, the collection's)."""

    def function(indices: Tensor, query_labels: Tensor, collection_labels: Tensor) -> Tensor:
        right = (collection_labels[indices] == query_labels[:, None]).float()
        return score(right, query_labels, collection_labels)

    return function


def _recall(right: Tensor, query_labels: Tensor, collection_labels: Tensor) -> Tensor:
    of_the_class = (query_labels[:, None] == collection_labels).sum(dim=1).clamp(min=1)
    return (right.sum(dim=1) / of_the_class).mean()


def _majority(right: Tensor, query_labels: Tensor, collection_labels: Tensor) -> Tensor:
    return (right.mean(dim=1) > 0.5).float().mean()


def _indices_as_labels(indices: Tensor, query_labels: Tensor, _: Tensor) -> Tensor:
    return (indices == query_labels[:, None]).float().mean()


def _precision_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(122)
    labels = integers(0, 1, 0, 1, 2, 0)
    # different ones for each query
    found = torch.stack([torch.randperm(30, generator=generator)[:5] for _ in range(8)])
    return [
        Case("one query of class 0, two found, one of them right", (integers(5, 1)[None], integers(0), labels)),
        Case("four found, three right", (integers(1, 0, 2, 5)[None], integers(0), labels)),
        Case("two queries, of classes 1 and 2",
            (torch.stack((integers(3, 1, 0), integers(4, 1, 3))), integers(1, 2), labels)),
        Case("nothing right", (integers(0, 2)[None], integers(1), labels)),
        Case("eight queries, five found for each",
            (found, torch.randint(0, 3, (8,), generator=generator),
             torch.randint(0, 3, (30,), generator=generator))),
    ]  # fmt: skip


precision_at_k = Exercise(
    name="precision_at_k",
    title="Precision at k",
    statement=(
        "For each of Q queries a search has found k of a collection's N pictures: `indices`, (Q, k) int64. "
        "`query_labels` (Q,) and `collection_labels` (N,) are classes. Return one number: of what was found, the share "
        "that is of its query's class, averaged over the queries."
    ),
    reference=my_precision_at_k,
    solution_function=my_precision_at_k,
    cases_function=_precision_cases,
    mistakes=(
        Mistake("recall",
            "It looks like the *recall*: of all pictures of the class, the share that was found. Precision asks of "
            "what was found which share is right: divide by k.",
            _scored(_recall)),
        Mistake("any_right",
            "It looks like a query counts as right as soon as one of the k is. That is a hit rate, which grows with k "
            "for any search.",
            _scored(lambda right, *_: right.amax(dim=1).mean())),
        Mistake("first_only",
            "It looks like only the first one found is looked at: that is precision at 1.",
            _scored(lambda right, *_: right[:, 0].mean())),
        Mistake("majority",
            "It looks like each query is decided by the majority of its k. That is a k-nearest-neighbour classifier's "
            "accuracy; here every one found counts.",
            _scored(_majority)),
        Mistake("added_up",
            "It looks like the right ones are counted, not averaged: divide by k.",
            _scored(lambda right, *_: right.sum(dim=1).mean())),
        Mistake("indices_as_labels",
            "It looks like the found pictures' *numbers* are compared with the classes. Look their labels up first: "
            "`collection_labels[indices]`.",
            _indices_as_labels),
    ),
    hints=(
        "`indices` says which pictures were found. How do you get from there to their classes?",
        "`collection_labels[indices]` is (Q, k). Compare each row with its own query's label: `query_labels[:, None]`.",
        "`(collection_labels[indices] == query_labels[:, None]).float().mean()`.",
    ),
)  # fmt: skip


# --- the bug hunt: pixels of two kinds ---


def my_feature_distance(image, target, weight, mean, std):
    def features(pixels):
        pixels = (pixels - mean[:, None, None]) / std[:, None, None]
        return torch.einsum("kc,bchw->bkhw", weight, pixels).relu()

    # the target is made of bytes, and the network was trained on pixels from 0 to 1
    difference = features(image) - features(target.float() / 255)
    return difference.square().mean(dim=(1, 2, 3))


def _distance(
    target_range: float = 255, image_range: float = 1, together: bool = False, relu: bool = True,
    over_batch: bool = False, standardise: bool = True,
) -> Callable:  # fmt: skip
    def function(image: Tensor, target: Tensor, weight: Tensor, mean: Tensor, std: Tensor) -> Tensor:  # fmt: skip
        def linear(pixels: Tensor) -> Tensor:
            return torch.einsum("kc,bchw->bkhw", weight, pixels)

        def standard(pixels: Tensor) -> Tensor:
            return (pixels - mean[:, None, None]) / std[:, None, None] if standardise else pixels

        one, two = standard(image / image_range), standard(target.float() / target_range)
        if together:
            difference = linear(one - two).relu()
        else:
            one, two = linear(one), linear(two)
            difference = one.relu() - two.relu() if relu else one - two
        square = difference.square().mean(dim=(1, 2, 3))
        return square.mean().expand(len(square)) if over_batch else square

    return function


def _distance_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(123)
    plain = floats(0.5, 0.5, 0.5), floats(0.25, 0.25, 0.25)
    eye = rows((1, 0, 0), (0, 1, 0), (0, 0, 1), columns=3)
    white = torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)
    red = torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1)
    cases = [
        Case("black and black: no distance", (torch.zeros(1, 3, 1, 1, dtype=torch.float32), 0 * white, eye, *plain)),
        Case("white and white: no distance", (torch.ones(1, 3, 1, 1, dtype=torch.float32), white, eye, *plain)),
        Case("white and red", (torch.ones(1, 3, 1, 1, dtype=torch.float32), red, eye, *plain)),
        Case("red and white", (red.float() / 255, white, eye, *plain)),
    ]  # fmt: skip
    for num, features, height, width in ((2, 4, 2, 3), (3, 6, 4, 4)):
        image = torch.rand(num, 3, height, width, generator=generator, dtype=torch.float32)
        target = torch.randint(0, 256, image.shape, generator=generator).to(torch.uint8)
        weight = torch.randn(features, 3, generator=generator, dtype=torch.float32)
        statistics = floats(0.49, 0.48, 0.45), floats(0.25, 0.24, 0.26)
        cases.append(
            Case(
                f"{num} pictures, {features} features, {height} x {width} pixels",
                (image, target, weight, *statistics),
            )
        )
    return cases


feature_distance = Exercise(
    name="feature_distance",
    title="Two pictures that are the same",
    statement=(
        "`image` is a network's result, (B, 3, h, w) float in [0, 1]; `target` a picture as it is loaded, (B, 3, h, w) "
        "uint8. The features of a picture are those of a 1 × 1 convolution, `weight` (K, 3), and ReLU, on pixels in "
        "[0, 1] standardised by `mean` and `std`, (3,). Return (B,): of each pair, the mean squared difference of its "
        "features."
    ),
    reference=my_feature_distance,
    solution_function=my_feature_distance,
    cases_function=_distance_cases,
    mistakes=(
        Mistake("as_it_was",
            "It looks like both bugs are still there. What are the target's pixels after `.float()`: from 0 to 1? And "
            "what becomes of a difference that is negative?",
            _distance(target_range=1, together=True)),
        Mistake("no_255",
            "It looks like the target's pixels still run from 0 to 255. Its features are then hundreds of times too "
            "large, and no network's result can come near them. Divide bytes by 255.",
            _distance(target_range=1)),
        Mistake("of_the_difference",
            "It looks like the features of the pixels' difference. Asked for is the difference of the features: ReLU "
            "is not linear, and here it hides every difference that is negative. Features first, then subtract.",
            _distance(together=True)),
        Mistake("both_by_255",
            "It looks like both pictures are divided by 255. The network's result is in [0, 1] already.",
            _distance(image_range=255)),
        Mistake("no_relu",
            "It looks like the ReLU is gone. It has to stay in both pictures' features; only its place was wrong.",
            _distance(relu=False)),
        Mistake("over_batch",
            "It looks like the mean runs over the batch as well. Each pair has a distance of its own: "
            "`dim=(1, 2, 3)`.",
            _distance(over_batch=True)),
        Mistake("not_standardised",
            "It looks like the pixels are no longer standardised by `mean` and `std`. In the difference of *linear* "
            "features the mean would cancel; behind a ReLU it does not.",
            _distance(standardise=False)),
    ),
    hints=(
        "Compute the distance of a white picture from itself. What should it be, and what is it?",
        "Write one function `features(pixels)`, use it for both pictures, and hand it pixels in [0, 1] both times.",
        "`difference = features(image) - features(target.float() / 255)`, squared, then the mean over "
        "`dim=(1, 2, 3)`.",
    ),
)  # fmt: skip
