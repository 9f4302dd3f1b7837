"""The exercises on pictures with different numbers of objects: padding them, and not counting it."""

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, random_boxes, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["objects_per_class", "pad_labels"]


def my_pad_labels(pictures):
    most = max(len(objects) for objects in pictures)
    labels = torch.full((len(pictures), most, 5), -1.0)
    for i, objects in enumerate(pictures):
        labels[i, : len(objects)] = objects
    return labels


def _padded(pictures: list[Tensor], fill: float = -1.0, *, front: bool = False) -> Tensor:
    most = max(map(len, pictures))
    padding = [
        torch.full((most - len(objects), 5), fill, dtype=torch.float32) for objects in pictures
    ]
    pairs = zip(padding, pictures, strict=True) if front else zip(pictures, padding, strict=True)
    return torch.stack([torch.cat(pair) for pair in pairs])


def _shortest(pictures: list[Tensor]) -> Tensor:
    least = min(map(len, pictures))
    return torch.stack([objects[:least] for objects in pictures])


def _class_only(pictures: list[Tensor]) -> Tensor:
    labels = my_pad_labels(pictures)
    padding = labels[..., :1] < 0
    return torch.cat((labels[..., :1], labels[..., 1:].masked_fill(padding, 0)), dim=-1)


def _one_more(pictures: list[Tensor]) -> Tensor:
    return torch.cat((my_pad_labels(pictures), torch.full((len(pictures), 1, 5), -1.0)), dim=1)


def _row(*values: tuple) -> Tensor:
    return rows(*values, columns=5)


def _random_picture(num: int, generator: torch.Generator, classes: int = 4) -> Tensor:
    kinds = torch.randint(0, classes, (num, 1), generator=generator).float()
    return torch.cat((kinds, random_boxes(num, generator)), dim=1)


def _padding_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(33)
    one, two = (0, 0.1, 0.2, 0.3, 0.4), (2, 0.5, 0.5, 0.75, 1)
    return [
        Case("one picture with one object: nothing to pad", ([_row(one)],)),
        Case("a picture with two objects, a picture with one", ([_row(one, two), _row(two)],)),
        Case("a picture with one object, a picture with two", ([_row(two), _row(one, two)],)),
        Case("a picture without objects among others", ([_row(), _row(one), _row(two, one)],)),
        Case("no picture has an object", ([_row(), _row()],), edge=True),
        Case(
            "five pictures with up to six objects",
            ([_random_picture(num, generator) for num in (3, 6, 0, 1, 4)],),
        ),
    ]


pad_labels = Exercise(
    name="pad_labels",
    title="Labels of a batch",
    statement=(
        "`pictures` is a list of B tensors, (K, 5), rows (class, x1, y1, x2, y2): the objects of each picture, K of "
        "them, K differing from picture to picture and possibly 0. Return one tensor, (B, G, 5), G being the largest "
        "K. A picture with fewer objects has rows of -1 *after* its own."
    ),
    reference=my_pad_labels,
    solution_function=my_pad_labels,
    cases_function=_padding_cases,
    mistakes=(
        Mistake("zeros",
            "It looks like the padding is 0. But class 0 is a class: a picture of a duck would then be labelled with "
            "bananas of no size in its top-left corner. -1 is no class.",
            lambda pictures: _padded(pictures, 0.0)),
        Mistake("front",
            "It looks like the padding stands before the objects. It is to stand after them.",
            lambda pictures: _padded(pictures, front=True)),
        Mistake("shortest",
            "It looks like all pictures are cut to the number of objects that the poorest has. Objects are lost: as "
            "soon as one picture is empty, all of them.",
            _shortest),
        Mistake("class_only",
            "Nearly: of a padding row only the class is -1. That would do for most programs; here all five are asked "
            "for, so that a box that is used by mistake is seen to be none.",
            _class_only),
        Mistake("one_more",
            "Each picture has a row more than it needs: G is the largest number of objects, and the picture that has "
            "so many is not padded at all.",
            _one_more),
    ),
    hints=(
        "How large must the tensor be to hold the richest picture? What stands in it where nothing is copied?",
        "Begin with a tensor full of -1, and copy each picture's rows to the beginning of its part.",
        "`labels = torch.full((len(pictures), most, 5), -1.0)`, then in a loop `labels[i, : len(objects)] = objects`.",
    ),
)  # fmt: skip


def my_objects_per_class(labels, num_classes):
    classes = labels[..., 0].flatten().long()
    return torch.bincount(classes[classes >= 0], minlength=num_classes)


def _counted(labels: Tensor, num_classes: int, padding_as: int) -> Tensor:
    classes = labels[..., 0].flatten().long()
    classes = torch.where(classes < 0, padding_as % num_classes, classes)
    return torch.bincount(classes, minlength=num_classes)


def _pictures(labels: Tensor, num_classes: int) -> Tensor:
    has = labels[..., :1] == torch.arange(num_classes)
    return has.any(dim=1).sum(dim=0)


def _present_only(labels: Tensor, num_classes: int) -> Tensor:
    classes = labels[..., 0]
    return classes[classes >= 0].unique(return_counts=True)[1]


def _counting_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(34)
    one, two = (0, 0.1, 0.2, 0.3, 0.4), (1, 0.5, 0.5, 0.75, 1)
    batch = lambda *pictures: _padded([_row(*picture) for picture in pictures])  # noqa: E731
    many = [_random_picture(num, generator, classes=5) for num in (3, 7, 0, 1, 4, 7)]
    return [
        Case("a picture with one object of each of two classes", (batch([one, two]), 2)),
        Case("two of class 0 and one of class 1 in one picture", (batch([one, one, two]), 2)),
        Case("two pictures, one of them padded", (batch([one, two], [two]), 3)),
        Case("nothing but padding", (torch.full((2, 2, 5), -1.0, dtype=torch.float32), 2)),
        Case("no rows at all", (torch.zeros(2, 0, 5, dtype=torch.float32), 3), edge=True),
        Case("six pictures with up to seven objects of five classes", (_padded(many), 5)),
    ]


objects_per_class = Exercise(
    name="objects_per_class",
    title="Bug hunt: objects that are not there",
    statement=(
        "`labels` is (B, G, 5), rows (class, x1, y1, x2, y2); rows of class -1 are padding. Return (num_classes,) "
        "int64: how many objects of each class there are in all pictures together."
    ),
    reference=my_objects_per_class,
    solution_function=my_objects_per_class,
    cases_function=_counting_cases,
    mistakes=(
        Mistake("padding_last",
            "It looks like padding is counted as the last class: in Python and PyTorch, index -1 is the last. No "
            "detector can ever find these objects, so the recall of that class stays below 1 for ever.",
            lambda labels, num_classes: _counted(labels, num_classes, -1)),
        Mistake("padding_first",
            "It looks like padding is counted as class 0, as after `clamp(min=0)`. No detector can ever find these "
            "objects, so the recall of class 0 stays below 1 for ever.",
            lambda labels, num_classes: _counted(labels, num_classes, 0)),
        Mistake("pictures",
            "It looks like pictures are counted, not objects: two of a class in one picture are two.",
            _pictures),
        Mistake("present_only",
            "It looks like only classes that occur are counted, as `unique` does: the numbers are right but no longer "
            "stand at their class. A class without objects has 0.",
            _present_only),
    ),
    hints=(
        "How many objects has a batch of two pictures with one object each, padded to eight rows?",
        "Take the column of classes, leave out what is below 0, and only then count.",
        "`torch.bincount(classes[classes >= 0], minlength=num_classes)`, with the classes flat and int64.",
    ),
)  # fmt: skip
