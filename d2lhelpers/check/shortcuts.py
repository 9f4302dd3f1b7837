"""The exercises on shortcuts: to take them away, and to tell who is followed."""

from collections.abc import Callable

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, integers
from d2lhelpers.check.engine import Exercise
from d2lhelpers.remedies import scramble

__all__ = ["followed", "paste_things", "scramble_pieces"]


# --- things on other backgrounds ---


def my_paste_things(images, masks, plates, order):
    # (B, 1, h, w), so that all channels share the mask
    return torch.where(masks[:, None], images, plates[order])


def _paste_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(140)

    def numbered(first: int, num: int) -> Tensor:
        """(num, 1, 1, 3), each picture ten above the one before."""
        return (first + 10 * torch.arange(num)[:, None] + torch.arange(3)).view(num, 1, 1, 3)

    def masks(*rows: tuple[int, ...]) -> Tensor:
        return torch.tensor(rows).bool()[:, None]

    images = torch.randint(256, (4, 3, 5, 6), generator=generator)
    plates = torch.randint(256, (4, 3, 5, 6), generator=generator)
    random = torch.rand(4, 5, 6, generator=generator) < 0.4
    return [
        Case("one picture of three pixels, the thing in the middle",
            (numbered(0, 1), masks((0, 1, 0)), numbered(100, 1), integers(0))),
        Case("two pictures exchange plates",
            (numbered(0, 2), masks((0, 1, 0), (1, 0, 0)), numbered(100, 2), integers(1, 0))),
        Case("both pictures get the second plate",
            (numbered(0, 2), masks((0, 1, 0), (1, 1, 0)), numbered(100, 2), integers(1, 1))),
        Case("three pictures in a ring",
            (numbered(0, 3), masks((0, 1, 0), (1, 0, 0), (0, 0, 1)), numbered(100, 3), integers(1, 2, 0))),
        Case("four pictures with three channels", (images, random, plates, integers(2, 3, 1, 0))),
    ]  # fmt: skip


paste_things = Exercise(
    name="paste_things",
    title="Things on other plates",
    statement=(
        "`images` are (B, C, h, w), `masks` (B, h, w) bool, true on the thing, and `plates` (B, C, h, w) backgrounds "
        "without a thing. Return the pictures with each thing in its place, on the plate with the number that `order`, "
        "(B,) int64, says."
    ),
    reference=my_paste_things,
    solution_function=my_paste_things,
    cases_function=_paste_cases,
    mistakes=(
        Mistake("inverted",
            "It looks like the mask is the wrong way round: the background is kept and the thing comes from the plate. "
            "`torch.where(mask, a, b)` takes `a` where the mask is true.",
            lambda images, masks, plates, order: torch.where(masks[:, None], plates[order], images)),
        Mistake("own_plate",
            "It looks like each picture gets the plate with its own number. Which one it gets is what `order` says.",
            lambda images, masks, plates, order: torch.where(masks[:, None], images, plates)),
        Mistake("order_inverted",
            "It looks like the plates are sent where `order` points, in place of fetched from there: picture k gets "
            "`plates[order[k]]`.",
            lambda images, masks, plates, order: torch.where(
                masks[:, None], images, plates[order.argsort()])),
        Mistake("moved_too",
            "It looks like the things are exchanged as well as the plates. Then thing and plate still come together; "
            "only the plates move.",
            lambda images, masks, plates, order: torch.where(
                masks[order][:, None], images[order], plates[order])),
        Mistake("masks_moved",
            "It looks like the masks are those of the other pictures. Each thing is where its own mask says.",
            lambda images, masks, plates, order: torch.where(masks[order][:, None], images, plates[order])),
        Mistake("added",
            "It looks like plate and thing are added up. Where the thing is, the plate is not seen.",
            lambda images, masks, plates, order: images * masks[:, None] + plates[order]),
    ),
    hints=(
        "For one pixel of one picture: what decides whether it comes from the picture or from a plate?",
        "`torch.where(condition, a, b)`. The condition is (B, h, w), the pictures are (B, C, h, w): `masks[:, None]`.",
        "`torch.where(masks[:, None], images, plates[order])`.",
    ),
)  # fmt: skip


# --- scrambled pieces ---


def my_scramble_pieces(images, order, pieces):
    batch, channels, height, width = images.shape
    h, w = height // pieces, width // pieces
    cut = images.reshape(batch, channels, pieces, h, pieces, w)
    # the two numbers of a piece side by side, then one number for it
    flat = cut.permute(0, 2, 4, 1, 3, 5).reshape(batch, pieces**2, channels, h, w)
    moved = flat[:, order].reshape(batch, pieces, pieces, channels, h, w)
    return moved.permute(0, 3, 1, 4, 2, 5).reshape(images.shape)


def _loops(place: Callable[[int, int], tuple[int, int]], inverse: bool = False) -> Callable:
    """Piece by piece; `place` says in which row and column piece k of an arrangement of p x p is."""

    def function(images: Tensor, order: Tensor, pieces: int) -> Tensor:
        h, w = images.shape[2] // pieces, images.shape[3] // pieces
        out = torch.empty_like(images)
        chosen = order.argsort() if inverse else order
        for k, piece in enumerate(chosen.tolist()):
            (row, column), (from_row, from_column) = place(k, pieces), place(piece, pieces)
            out[:, :, row * h : (row + 1) * h, column * w : (column + 1) * w] = images[
                :, :, from_row * h : (from_row + 1) * h, from_column * w : (from_column + 1) * w
            ]
        return out

    return function


def _reshaped(images: Tensor, order: Tensor, pieces: int) -> Tensor:
    flat = images.reshape(*images.shape[:2], pieces**2, -1)
    return flat[:, :, order].reshape(images.shape)


def _not_put_back(images: Tensor, order: Tensor, pieces: int) -> Tensor:
    batch, channels, height, width = images.shape
    h, w = height // pieces, width // pieces
    cut = images.reshape(batch, channels, pieces, h, pieces, w).permute(0, 2, 4, 1, 3, 5)
    return cut.reshape(batch, pieces**2, channels, h, w)[:, order].reshape(images.shape)


def _scramble_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(141)
    sixteen = torch.arange(16).view(1, 1, 4, 4)
    return [
        Case("2 x 2 pieces of one pixel, the upper two exchanged",
            (torch.arange(4).view(1, 1, 2, 2), integers(1, 0, 2, 3), 2)),
        Case("2 x 2 pieces of four pixels, in a ring", (sixteen, integers(1, 3, 0, 2), 2)),
        Case("nothing moved", (sixteen, integers(0, 1, 2, 3), 2), edge=True),
        Case("two pictures with three channels, 6 x 4 pixels",
            (torch.randint(256, (2, 3, 6, 4), generator=generator), integers(2, 0, 3, 1), 2)),
        Case("3 x 3 pieces",
            (torch.randint(256, (1, 2, 6, 9), generator=generator),
             torch.randperm(9, generator=generator), 3)),
    ]  # fmt: skip


scramble_pieces = Exercise(
    name="scramble_pieces",
    title="Scramble a picture",
    statement=(
        "Cut each of the `images`, (B, C, h, w), into `pieces` x `pieces` equal rectangles, numbered row by row, and "
        "put them together again: place k gets the piece `order[k]`. `order` is (pieces²,) int64, the same for all; "
        "`pieces` divides both sides."
    ),
    reference=lambda images, order, pieces: scramble(images, order.expand(len(images), -1), pieces),
    solution_function=my_scramble_pieces,
    cases_function=_scramble_cases,
    mistakes=(
        Mistake("reshaped",
            "It looks like the pixels are cut into runs as they lie in memory, by a `reshape` alone. A piece is not a "
            "run of pixels: it is a few from each of several rows. Cut both sides apart first, then bring the two "
            "numbers of a piece together with `permute`.",
            _reshaped),
        Mistake("not_put_back",
            "It looks like the pieces are not put back into rows and columns: after the exchange, the `permute` has to "
            "be undone before the `reshape`.",
            _not_put_back),
        Mistake("order_inverted",
            "It looks like piece k is sent to place `order[k]`. Place k *gets* piece `order[k]`.",
            _loops(lambda k, pieces: divmod(k, pieces), inverse=True)),
        Mistake("column_by_column",
            "It looks like the pieces are numbered column by column. They are numbered row by row.",
            _loops(lambda k, pieces: divmod(k, pieces)[::-1])),
        Mistake("as_it_was",
            "It looks like the pictures come out as they went in: the pieces were cut, but their order is not used.",
            lambda images, order, pieces: images.clone()),
    ),
    hints=(
        "Write down the 16 numbers of a 4 x 4 picture. Which four are the second of its 2 x 2 pieces? Do they lie side "
        "by side in memory?",
        "`reshape` to (B, C, pieces, h / pieces, pieces, w / pieces): which two of these six say *which* piece?",
        "`.permute(0, 2, 4, 1, 3, 5)`, then the two piece numbers as one, `[:, order]`, and the same way back.",
    ),
)  # fmt: skip


# --- whom does it follow? ---


def my_followed(predicted, labels, scenes):
    # where the two agree, nobody can tell which of them was followed
    told = labels != scenes
    said, label, scene = predicted[told], labels[told], scenes[told]
    follows_label = (said == label).float().mean()
    follows_scene = (said == scene).float().mean()
    return torch.stack((follows_label, follows_scene, 1 - follows_label - follows_scene))


def _followed(of: str) -> Callable:
    def function(predicted: Tensor, labels: Tensor, scenes: Tensor) -> Tensor:
        told = labels != scenes
        label, scene = predicted == labels, predicted == scenes
        if of == "all":
            shares = label.float().mean(), scene.float().mean(), (~label & ~scene).float().mean()
        elif of == "over_all":
            num = len(labels)
            shares = tuple((one & told).sum() / num for one in (label, scene, ~label & ~scene))
        elif of == "exchanged":
            shares = tuple(one[told].float().mean() for one in (scene, label, ~label & ~scene))
        else:
            shares = tuple(one[told].sum().float() for one in (label, scene, ~label & ~scene))
        return torch.stack(shares)

    return function


def _followed_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(142)
    random = [torch.randint(4, (3, num), generator=generator) for num in (12, 60)]
    return [
        Case("label and scene always differ", (integers(0, 1, 2, 2), integers(0, 1, 1, 0), integers(1, 2, 2, 1))),
        Case("in one picture of three they agree", (integers(0, 2, 1), integers(0, 2, 0), integers(0, 1, 1))),
        Case("it says neither", (integers(3, 3, 0), integers(0, 1, 0), integers(1, 0, 2))),
        *(Case(f"{rows.shape[1]} random pictures", tuple(rows)) for rows in random),
    ]  # fmt: skip


followed = Exercise(
    name="followed",
    title="Whom does it follow?",
    statement=(
        "`predicted`, `labels` and `scenes` are (N,) int64: the class that a network names, the true one, and the one "
        "that the scene suggests. Of the pictures in which label and scene *differ*, return three shares, (3,): those "
        "in which the network names the label, the scene, and neither."
    ),
    reference=my_followed,
    solution_function=my_followed,
    cases_function=_followed_cases,
    mistakes=(
        Mistake("all_pictures",
            "It looks like all pictures are counted, also those in which label and scene agree. There a right answer "
            "does not tell who was followed, and the shares sum to more than 1.",
            _followed("all")),
        Mistake("over_all",
            "It looks like the right pictures are counted, but divided by the number of *all* pictures. Divide by the "
            "number of those in which label and scene differ.",
            _followed("over_all")),
        Mistake("exchanged",
            "It looks like label and scene are exchanged in the result: first the label, then the scene, then neither.",
            _followed("exchanged")),
        Mistake("counts",
            "It looks like numbers of pictures in place of shares: divide by how many there are.",
            _followed("counts")),
    ),
    hints=(
        "A picture of a red ball on the grass that always goes with red. The network says red. What has it looked at?",
        "Choose the pictures first: `told = labels != scenes`. Then everything is a mean over `[told]`.",
        "`(predicted[told] == labels[told]).float().mean()`, the same with the scenes, and what is left of 1.",
    ),
)  # fmt: skip
