"""The exercises on heads: a new one from rows of the old one, and how well each class is told."""

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, floats, integers, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["accuracy_per_class", "transplant_head"]


def my_transplant_head(weight, bias, rows):
    # -1 as an index would be the last row, so the shared classes are picked by a mask
    known = rows >= 0
    new_weight = weight.mean(dim=0).repeat(len(rows), 1)
    new_bias = bias.mean().repeat(len(rows))
    new_weight[known] = weight[rows[known]]
    new_bias[known] = bias[rows[known]]
    return new_weight, new_bias


def _transplanted(
    weight: Tensor, bias: Tensor, rows: Tensor, fill_weight: Tensor, fill_bias: Tensor
) -> tuple[Tensor, Tensor]:
    known = rows >= 0
    picked = rows.clamp(min=0)
    return torch.where(known[:, None], weight[picked], fill_weight), torch.where(
        known, bias[picked], fill_bias
    )


def _no_bias(weight: Tensor, bias: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    return my_transplant_head(weight, torch.zeros_like(bias), rows)


def _off_by_one(weight: Tensor, bias: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    return my_transplant_head(weight, bias, torch.where(rows >= 0, (rows + 1) % len(weight), rows))


def _mean_of_features(weight: Tensor, bias: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    # the mean over the wrong axis: one number a source class, which fits by accident where the sizes are equal
    fill = weight.mean(dim=1)[: weight.shape[1]]
    padded = torch.zeros_like(weight[0])
    padded[: len(fill)] = fill
    return _transplanted(weight, bias, rows, padded, bias.mean())


def _mean_of_others(weight: Tensor, bias: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    others = torch.ones(len(weight), dtype=torch.bool)
    others[rows[rows >= 0]] = False
    return _transplanted(weight, bias, rows, weight[others].mean(0), bias[others].mean())


def _head_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(21)
    weight, bias = rows((1, 0), (0, 2), (5, 1), columns=2), floats(0.5, -1, 2)
    cases = [
        Case("two classes that the source has", (weight, bias, integers(0, 1))),
        Case("the same two the other way round", (weight, bias, integers(1, 0))),
        Case("the source's class 1, and a new class", (weight, bias, integers(1, -1))),
        Case("a new class, then the source's class 0", (weight, bias, integers(-1, 0))),
        Case("three new classes", (weight, bias, integers(-1, -1, -1))),
    ]
    for classes, features, kept in ((10, 4, (1, -1)), (6, 6, (3, -1, 0, 5)), (7, 9, (2, 2, -1))):
        arguments = (
            torch.randn(classes, features, generator=generator, dtype=torch.float32),
            torch.randn(classes, generator=generator, dtype=torch.float32),
            integers(*kept),
        )
        cases.append(
            Case(
                f"a head of {classes} classes on {features} features, made into one of {len(kept)}",
                arguments,
            )
        )
    return cases


transplant_head = Exercise(
    name="transplant_head",
    title="A new head from rows of the old one",
    statement=(
        "A trained head has `weight`, (C, D), and `bias`, (C,): a row and a number for each of the source's C "
        "classes. `rows`, (K,) int64, says for each of the target's K classes which class of the source it is, or -1 "
        "where the source has no such class. Return `(new_weight, new_bias)`, (K, D) and (K,): the source's row and "
        "bias for a class that both share; for a new class the mean of *all* the source's rows, and of all its "
        "biases."
    ),
    reference=my_transplant_head,
    solution_function=my_transplant_head,
    cases_function=_head_cases,
    mistakes=(
        Mistake("negative_index",
            "It looks like `weight[rows]` for all. In Python and PyTorch the index -1 is the *last* row: each new "
            "class silently starts as the source's last class. Deal with -1 first.",
            lambda weight, bias, rows: (weight[rows], bias[rows])),
        Mistake("zeros",
            "It looks like new classes start from zeros. Then a new class wins whenever all the others are below 0, "
            "whatever the picture shows. The mean of all rows stands for 'some class, nobody knows which'.",
            lambda weight, bias, rows: _transplanted(
                weight, bias, rows, torch.zeros_like(weight[0]), torch.zeros_like(bias[0]))),
        Mistake("no_bias",
            "It looks like the weights are moved and the biases are not. A row without its bias sits at another "
            "height than it was trained for.",
            _no_bias),
        Mistake("off_by_one",
            "It looks like each shared class gets the row after its own. `rows` counts from 0, as PyTorch does; with "
            "a class for the background, or names read from a file with a heading, such a shift slips in.",
            _off_by_one),
        Mistake("sum",
            "It looks like new classes get the sum of the rows in place of their mean. Their logits are then C times "
            "too large and drown those of the shared classes.",
            lambda weight, bias, rows: _transplanted(weight, bias, rows, weight.sum(0), bias.sum())),
        Mistake("mean_of_others",
            "It looks like a new class gets the mean of the rows that are not shared. That is a sensible start, too; "
            "here the mean of *all* rows is asked for.",
            _mean_of_others),
        Mistake("one_number",
            "It looks like the mean was taken over the whole table, one number for all features. Take it over the "
            "classes only: `weight.mean(dim=0)`, one number for each feature.",
            lambda weight, bias, rows: _transplanted(
                weight, bias, rows, weight.mean().expand(weight.shape[1]), bias.mean())),
        Mistake("wrong_axis",
            "It looks like the mean was taken along the features, `dim=1`: one number for each of the source's "
            "classes. A new row needs one for each feature: `dim=0`.",
            _mean_of_features),
    ),
    hints=(
        "A class that both share brings its row along. What does `weight[torch.tensor([1, -1])]` give, and is that "
        "what you want for the second class?",
        "Make the new head of means first: `weight.mean(dim=0)` is one row, `.repeat(K, 1)` makes K of it. Then "
        "overwrite the rows of the shared classes, which the mask `rows >= 0` picks.",
        "`known = rows >= 0`, `new_weight = weight.mean(dim=0).repeat(len(rows), 1)`, "
        "`new_weight[known] = weight[rows[known]]`, and the same with the bias.",
    ),
)  # fmt: skip


def my_accuracy_per_class(outputs, labels):
    right = outputs.argmax(dim=1) == labels
    accuracies = []
    for label in range(outputs.shape[1]):
        # the mean of nothing is NaN, which says what it should: nobody knows
        accuracies.append(right[labels == label].float().mean())
    return torch.stack(accuracies)


def _per_class(of: str):
    def function(outputs: Tensor, labels: Tensor) -> Tensor:
        classes = outputs.shape[1]
        predicted = outputs.argmax(dim=1)
        right = torch.bincount(labels[predicted == labels], minlength=classes).float()
        truth = torch.bincount(labels, minlength=classes)
        if of == "predicted":
            return right / torch.bincount(predicted, minlength=classes)
        if of == "all":
            return right / len(labels)
        if of == "guarded":
            return right / truth.clamp(min=1)
        if of == "union":
            return right / (truth + torch.bincount(predicted, minlength=classes) - right)
        return torch.bincount(predicted, minlength=classes) / truth

    return function


def _overall(outputs: Tensor, labels: Tensor) -> Tensor:
    share = (outputs.argmax(dim=1) == labels).float().mean()
    return share.expand(outputs.shape[1])


def _accuracy_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(22)
    four = rows((2, 0), (3, 1), (0, 1), (4, 0), columns=2)
    cases = [
        Case("four pictures of two classes, one of them wrong", (four, integers(0, 0, 1, 1))),
        Case("three of one class, one of the other", (four, integers(1, 1, 1, 0))),
        Case(
            "three classes, logits below 0",
            (
                rows(
                    (-1, -2, -3), (-5, -1, -4), (-2, -9, -1), (-1, -3, -2), (-3, -4, -2), columns=3
                ),
                integers(0, 1, 2, 1, 2),
            ),
        ),
        Case("a class without pictures: NaN", (four, integers(0, 0, 0, 0)), edge=True),
    ]
    for num, classes in ((30, 4), (200, 10)):
        labels = torch.randint(classes, (num,), generator=generator)
        outputs = torch.randn(num, classes, generator=generator, dtype=torch.float32)
        outputs[torch.arange(num), labels] += 1.5
        cases.append(Case(f"{num} random pictures of {classes} classes", (outputs, labels)))
    return cases


accuracy_per_class = Exercise(
    name="accuracy_per_class",
    title="Accuracy, class by class",
    statement=(
        "`outputs` are logits, (N, C); `labels`, (N,) int64, are the true classes. The predicted class is the one with "
        "the largest logit. Return (C,) floats: of the pictures of each class, the share that is predicted right. A "
        "class without pictures has no accuracy: NaN."
    ),
    reference=my_accuracy_per_class,
    solution_function=my_accuracy_per_class,
    cases_function=_accuracy_cases,
    mistakes=(
        Mistake("precision",
            "It looks like the right ones are divided by how often the class was *predicted*. That is its precision. "
            "Asked for is the share of the class's own pictures, its recall: divide by how many there are.",
            _per_class("predicted")),
        Mistake("share_of_all",
            "It looks like the right ones of each class are divided by the number of all pictures. Divide by the "
            "number of pictures of that class.",
            _per_class("all")),
        Mistake("overall",
            "It looks like one accuracy over all pictures, repeated for each class. It hides a class that is always "
            "wrong, which is just what this table is for.",
            _overall),
        Mistake("zero_for_none",
            "Right, but for a class without pictures: 0 would say that all of them are wrong. There are none; the "
            "answer is NaN, 0 / 0.",
            _per_class("guarded")),
        Mistake("union",
            "It looks like right over the union of true and predicted: that is an IoU. Divide by the number of "
            "pictures of the class.",
            _per_class("union")),
        Mistake("predicted_counts",
            "It looks like the number of predictions of a class over the number of its pictures. A prediction counts "
            "only where it is right.",
            _per_class("counts")),
    ),
    hints=(
        "A test set has 99 bananas and 1 apple, and a network says banana each time. What is its accuracy? What "
        "should the number for apples be?",
        "`outputs.argmax(dim=1) == labels` says which pictures are right. For one class, look only at the pictures "
        "with that label: `right[labels == k]`.",
        "For each `k`: `right[labels == k].float().mean()`; then `torch.stack`. The mean of no numbers is NaN already.",
    ),
)  # fmt: skip
