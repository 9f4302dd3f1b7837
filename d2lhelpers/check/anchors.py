"""The exercise on anchor boxes: how wide and how high they are."""

import torch

from d2lhelpers.check import anchor_pictures as drawn
from d2lhelpers.check import solutions
from d2lhelpers.check.cases import Case, Mistake
from d2lhelpers.check.engine import Exercise

__all__ = ["anchor_size"]


def _size_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(7)
    cases = [
        Case("a square picture, a square anchor", (100, 100, 0.5, 1.0)),
        Case("a square picture, an anchor four times as wide as high", (100, 100, 0.4, 4.0)),
        Case("a picture twice as wide as high, a square anchor", (100, 200, 0.5, 1.0)),
        Case("a picture twice as wide as high, a wide anchor", (100, 200, 0.4, 4.0)),
        Case("an upright picture, an upright anchor", (300, 100, 0.2, 0.25)),
        Case("the chapter's photograph", (561, 728, 0.75, 2.0)),
    ]
    for _ in range(4):
        height, width = (int(side) for side in torch.randint(50, 900, (2,), generator=generator))
        size, ratio = (
            round(value, 2) for value in (0.1 + 2 * torch.rand(2, generator=generator)).tolist()
        )
        cases.append(Case("a random picture and anchor", (height, width, size, ratio)))
    return cases


def _anchor_size(height: float, width: float, size: float, ratio: float) -> tuple[float, float]:
    return height * size * ratio**0.5 / width, size / ratio**0.5


anchor_size = Exercise(
    name="anchor_size",
    title="How wide and high an anchor is",
    statement=(
        "For a picture of `height` times `width` pixels, return `(w, h)`: width and height of the anchor "
        "that `multibox_prior` makes for one `size` and one `ratio`, w as a fraction of the picture's width "
        "and h of its height. Both sides are measured in heights of the picture: an anchor of ratio 1 is a "
        "true square of `size` times the height, and the ratio is its true width over its true height, in "
        "pixels. Numbers in, numbers out."
    ),
    reference=_anchor_size,
    solution_function=solutions.my_anchor_size,
    cases_function=_size_cases,
    draw=drawn.draw_anchor_size,
    mistakes=(
        Mistake("no_aspect",
            "It looks like height / width is missing: size * sqrt(ratio) is the anchor's width in heights "
            "of the picture, and is taken here for a fraction of the width, as d2l's text has it (w s "
            "sqrt(r)). On a picture that is not square, a square anchor then comes out as wide as the "
            "picture is drawn out.",
            lambda height, width, size, ratio: (size * ratio**0.5, size / ratio**0.5)),
        Mistake("prose_pixels",
            "It looks like d2l's text, w s sqrt(r) and h s / sqrt(r), in pixels. Two things differ: the "
            "result is a fraction of the picture, and d2l's code takes the height for both sides, so that "
            "ratio 1 is a true square.",
            lambda height, width, size, ratio: (width * size * ratio**0.5, height * size / ratio**0.5)),
        Mistake("pixels",
            "It looks like the right anchor, but in pixels. Divide its width by the picture's width and its "
            "height by the picture's height.",
            lambda height, width, size, ratio: (height * size * ratio**0.5, height * size / ratio**0.5)),
        Mistake("aspect_inverted",
            "It looks like width / height in place of height / width. In a picture wider than high, a "
            "length is a smaller fraction of the width than of the height.",
            lambda height, width, size, ratio: (width * size * ratio**0.5 / height, size / ratio**0.5)),
        Mistake("measured_in_widths",
            "It looks like both sides are measured in widths of the picture. The anchor is square where it "
            "should be, but of another size: `size` counts in heights.",
            lambda height, width, size, ratio: (size * ratio**0.5, size / ratio**0.5 * width / height)),
        Mistake("ratio_inverted",
            "It looks like the ratio is taken as height over width. It is width over height: a ratio of 4 "
            "is a wide box.",
            lambda height, width, size, ratio: _anchor_size(height, width, size, 1 / ratio)),
        Mistake("no_root",
            "It looks like the square root is missing. Multiplying one side by the ratio and dividing the "
            "other by it makes width over height its square.",
            lambda height, width, size, ratio: _anchor_size(height, width, size, ratio**2)),
        Mistake("width_only",
            "It looks like the ratio goes into the width alone. Width over height is then right, but the "
            "area is not: with sqrt(ratio) in both, all ratios of a size cover the same area.",
            lambda height, width, size, ratio: (height * size * ratio / width, size)),
        Mistake("swapped",
            "It looks like (h, w). The width comes first, as x does before y in the corners of a box.",
            lambda height, width, size, ratio: _anchor_size(height, width, size, ratio)[::-1]),
    ),
    hints=(
        "On a picture 100 high and 200 wide, a square anchor of size 0.5 has sides of 50 pixels. What "
        "fraction of the width is that, and what fraction of the height?",
        "Begin in pixels: the height is height * size / sqrt(ratio), the width height * size * sqrt(ratio): "
        "the picture's height in both. Then turn each into a fraction of its own side of the picture.",
        "`h = size / ratio**0.5`, as the picture's height cancels; in `w = size * ratio**0.5 * ...` it does "
        "not: the pixels are divided by the width.",
    ),
    needs="",
)  # fmt: skip
