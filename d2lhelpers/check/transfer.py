"""The exercises on what is trained, and how fast: learning rates and frozen stages, by the parameters' names."""

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake
from d2lhelpers.check.engine import Exercise

__all__ = ["learning_rates", "trained_parameters"]

SMALL = ["features.1.weight", "head.weight", "head.bias"]
DEEP = [
    "features.1.0.weight", "features.1.1.weight", "features.1.1.bias", "features.2.residual.0.weight",
    "features.10.residual.0.weight", "features.10.shortcut.0.weight", "features.12.weight", "head.weight", "head.bias",
]  # fmt: skip
# an attention layer has heads of its own, and they are not the classifier's
ATTENTION = [
    "features.2.heads.weight", "features.3.head.weight", "features.3.overhead.bias", "head.weight", "head.bias",
]  # fmt: skip


def my_learning_rates(names, lr, ratio):
    # With the dot: a name may hold "head" anywhere, but only the classifier's begins with it.
    return torch.tensor([ratio * lr if name.startswith("head.") else lr for name in names])


def _rates_of(is_head, exchanged: bool = False, power: int = 1):
    def function(names: list[str], lr: float, ratio: float) -> Tensor:
        fast, slow = (lr, ratio * lr) if exchanged else (ratio**power * lr, lr)
        return torch.tensor([fast if is_head(name) else slow for name in names])

    return function


def _starts(name: str) -> bool:
    return name.startswith("head.")


def _rate_cases() -> list[Case]:
    return [
        Case("one layer and the head", (SMALL, 0.1, 10)),
        Case("the head alone", (["head.weight", "head.bias"], 0.01, 10)),
        Case("layers alone", (["features.1.weight", "features.2.bias"], 0.01, 10)),
        Case("the rates of the hot dogs", (DEEP, 5e-5, 10)),
        Case("a ratio of 1", (SMALL, 0.3, 1)),
        Case("layers whose names hold the word, too", (ATTENTION, 0.001, 100)),
        Case("no parameters", ([], 0.1, 10), edge=True),
    ]


learning_rates = Exercise(
    name="learning_rates",
    title="Two learning rates",
    statement=(
        "`names` is a list of the names of a network's parameters, as `net.named_parameters()` gives them. Return a "
        "tensor with a learning rate for each: `ratio * lr` for the parameters of `net.head`, the classifier's last "
        "layer, and `lr` for all others."
    ),
    reference=my_learning_rates,
    solution_function=my_learning_rates,
    cases_function=_rate_cases,
    tolerance=(1e-4, 1e-9),  # rates are small
    mistakes=(
        Mistake("exchanged",
            "It looks like the two rates are exchanged. The head is new and has everything to learn: it gets the "
            "higher rate. The other layers bring something along that should not be overwritten.",
            _rates_of(_starts, exchanged=True)),
        Mistake("divided",
            "It looks like the head's rate is `lr / ratio`. The head is new and gets the higher rate, `lr * ratio`.",
            _rates_of(_starts, power=-1)),
        Mistake("weight_only",
            "It looks like the head's weight gets the higher rate and its bias does not. Both are new.",
            _rates_of(lambda name: name == "head.weight")),
        Mistake("anywhere",
            "It looks like every name with `head` in it counts. A layer further down may have heads of its own, as "
            "attention does; the classifier's parameters are those whose names *begin* with `head.`.",
            _rates_of(lambda name: "head" in name)),
        Mistake("last_module",
            "It looks like a name counts when any of its parts is `head`. A block may have a part of that name; "
            "the classifier's parameters *begin* with `head.`.",
            _rates_of(lambda name: "head" in name.split("."))),
        Mistake("one_rate",
            "All parameters get the same rate, `lr`. That is fine-tuning without a second rate: the new head then "
            "learns as slowly as the layers that know something already.",
            _rates_of(lambda name: False)),
        Mistake("last_two",
            "It looks like the last two parameters count as the head's, whatever their names are. Networks without a "
            "head, or with a head without a bias, have other last ones: go by the names.",
            lambda names, lr, ratio: torch.tensor(
                [ratio * lr if i >= len(names) - 2 else lr for i in range(len(names))])),
    ),
    hints=(
        "Which part of the network was not trained before? Should it move faster or slower than the rest?",
        "`name.startswith('head.')` tells the head's parameters from all others; the dot matters.",
        "`torch.tensor([ratio * lr if name.startswith('head.') else lr for name in names])`",
    ),
)  # fmt: skip


def my_trained_parameters(names, frozen):
    trained = []
    for position, name in enumerate(names):
        parts = name.split(".")
        # a number, not a text: "10" comes before "2" in the alphabet, and begins like "1"
        if parts[0] != "features" or int(parts[1]) >= frozen:
            trained.append(position)
    return torch.tensor(trained, dtype=torch.int64)


def _trained(is_frozen, keeps_head: bool = True):
    def function(names: list[str], frozen: int) -> Tensor:
        kept = [
            i
            for i, name in enumerate(names)
            if (name.startswith("head.") and keeps_head) or not is_frozen(name, frozen)
        ]
        return torch.tensor(kept, dtype=torch.int64)

    return function


def _stage(name: str) -> int:
    part = name.split(".")[1]
    return int(part) if part.isdecimal() else 0


def _trained_cases() -> list[Case]:
    two = ["features.0.weight", "features.1.weight", "head.weight", "head.bias"]
    return [
        Case("two stages, the first of them frozen", (two, 1)),
        Case("two stages, both frozen", (two, 2)),
        Case("two stages, nothing frozen", (two, 0)),
        Case("stages 1, 2, 10 and 12, the first two frozen", (DEEP, 2)),
        Case("stages 1, 2, 10 and 12, the first three frozen", (DEEP, 3)),
        Case("stages 1, 2, 10 and 12, the first eleven frozen", (DEEP, 11)),
        Case("more frozen than there are", (DEEP, 99)),
        Case("no parameters", ([], 2), edge=True),
    ]


trained_parameters = Exercise(
    name="trained_parameters",
    title="Freeze the lower stages",
    statement=(
        "`names` is a list of parameters' names: `features.3.weight` belongs to stage 3 of `net.features`, "
        "`head.weight` to the head. The stages 0, 1, ... `frozen - 1` are frozen. Return the positions in `names` of "
        "the parameters that are still trained, as an int64 tensor. The head is always trained."
    ),
    reference=my_trained_parameters,
    solution_function=my_trained_parameters,
    cases_function=_trained_cases,
    mistakes=(
        Mistake("one_too_many",
            "It looks like stage `frozen` is frozen as well. Stages are counted from 0: with `frozen = 1` only stage "
            "0 is.",
            _trained(lambda name, frozen: _stage(name) <= frozen)),
        Mistake("one_too_few",
            "It looks like one stage too few is frozen. `frozen` is a number of stages: 1 freezes stage 0.",
            _trained(lambda name, frozen: _stage(name) < frozen - 1)),
        Mistake("prefix",
            "It looks like `startswith('features.1')`, which is also the beginning of `features.10`. Compare the "
            "number between the dots.",
            _trained(lambda name, frozen: any(name.startswith(f"features.{k}") for k in range(min(frozen, 50))))),
        Mistake("as_text",
            "It looks like the stages are compared as text, where '10' comes before '2'. Make numbers of them: "
            "`int(name.split('.')[1])`.",
            _trained(lambda name, frozen: name.split(".")[1] < str(frozen))),
        Mistake("frozen_ones",
            "These are the positions of what is frozen. Asked for are the others, those that are still trained.",
            _trained(lambda name, frozen: _stage(name) >= frozen, keeps_head=False)),
        Mistake("no_head",
            "The head is missing. It has no stage, and it is always trained: without it the network cannot learn the "
            "new classes.",
            _trained(lambda name, frozen: name.startswith("head.") or _stage(name) < frozen, keeps_head=False)),
        Mistake("by_position",
            "It looks like the first `frozen` parameters are frozen. A stage has many parameters: go by the number "
            "in the name.",
            lambda names, frozen: torch.tensor(
                [i for i, name in enumerate(names) if i >= frozen or name.startswith("head.")], dtype=torch.int64)),
    ),
    hints=(
        "Take `features.10.shortcut.0.weight`. Which of the numbers in it is the stage? Is it frozen when "
        "`frozen` is 2?",
        "`name.split('.')` gives the parts; the second one is the stage, as text. `int(...)` makes a number of it. "
        "The head's second part is no number, so deal with the head first.",
        "Keep position `i` where `parts[0] != 'features' or int(parts[1]) >= frozen`; at the end "
        "`torch.tensor(positions, dtype=torch.int64)`, which also works for an empty list.",
    ),
)  # fmt: skip
