"""The exercises on self-attention: heads, and a bug hunt on the axis of its softmax."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake
from d2lhelpers.check.engine import Exercise

__all__ = ["attend", "split_heads"]


def my_attend(query, key, value):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    # each row is one query's: it shares out its attention among the keys
    return scores.softmax(dim=-1) @ value


def _attend(
    scale: Callable[[Tensor, Tensor], float] = lambda query, key: math.sqrt(query.shape[-1]),
    weigh: Callable[[Tensor], Tensor] = lambda scores: scores.softmax(dim=-1),
) -> Callable:
    """Attention with one of its steps another."""

    def function(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return weigh(query @ key.mT / scale(query, key)) @ value

    return function


def _exchanged(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return _attend()(key, query, value)


def _scaled_after(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return (query @ key.mT).softmax(dim=-1) / math.sqrt(query.shape[-1]) @ value


def _attend_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(133)

    def random(*size: int) -> Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float32)

    def numbers(*rows: tuple[float, ...]) -> Tensor:
        return torch.tensor(rows, dtype=torch.float32)

    return [
        Case("two queries, two keys",
            (numbers((2, 0), (1, 1)), numbers((1, 0), (0, 3)), numbers((1, 0), (0, 1)))),
        Case("queries of 0: everyone is heard alike",
            (numbers((0, 0), (0, 0)), numbers((1, 0), (0, 3)), numbers((4, 0), (0, 2)))),
        Case("one query, two keys, the first fits better",
            (numbers((2, 0)), numbers((1, 0), (0, 1)), numbers((10, 0), (0, 10)))),
        Case("4 positions with vectors of 16", (random(4, 16), random(4, 16), random(4, 16))),
        Case("3 queries, 5 keys, values longer than keys", (random(3, 4), random(5, 4), random(5, 6))),
        Case("a batch of 2 with 9 positions", (random(2, 9, 8), random(2, 9, 8), random(2, 9, 8))),
    ]  # fmt: skip


attend = Exercise(
    name="attend",
    title="Bug hunt: who shares out the attention?",
    statement=(
        "`query` is (..., N, D), `key` (..., M, D), `value` (..., M, E). Return (..., N, E): for each query the mean "
        "of the values, weighted by the softmax of query · key / √D. Each query's weights sum to 1."
    ),
    reference=my_attend,
    solution_function=my_attend,
    cases_function=_attend_cases,
    mistakes=(
        Mistake("over_queries",
            "The softmax runs over the wrong axis, the queries: each *key* shares itself out among those who ask, and "
            "a position that nobody competes for shouts. Every query needs weights that sum to 1: `dim=-1`.",
            _attend(weigh=lambda scores: scores.softmax(dim=-2))),
        Mistake("no_scale",
            "It looks like the scores are not divided by √D. With long vectors they become large, and the softmax "
            "listens to one key alone.",
            _attend(scale=lambda query, key: 1.0)),
        Mistake("by_d",
            "It looks like the scores are divided by D. A sum of D products has a standard deviation of √D: divide by "
            "the root.",
            _attend(scale=lambda query, key: query.shape[-1])),
        Mistake("by_number_of_keys",
            "It looks like the scores are divided by the root of the number of keys. It is the length of the vectors "
            "that makes products large.",
            _attend(scale=lambda query, key: math.sqrt(key.shape[-2]))),
        Mistake("scaled_after",
            "It looks like the weights are divided by √D after the softmax. Then they no longer sum to 1; divide the "
            "scores before it.",
            _scaled_after),
        Mistake("exchanged",
            "It looks like queries and keys are exchanged: the result has a row for each key.",
            _exchanged),
        Mistake("sigmoid",
            "It looks like a sigmoid in place of the softmax: the weights do not sum to 1.",
            _attend(weigh=torch.sigmoid)),
        Mistake("no_softmax",
            "It looks like there is no softmax: the raw scores weigh the values, and may be negative.",
            _attend(weigh=lambda scores: scores)),
    ),
    hints=(
        "`scores[n, m]` belongs to query n and key m. Over which of the two should the weights sum to 1?",
        "Print `weights.sum(dim=-1)` and `weights.sum(dim=-2)`. With N = M nothing crashes, whichever axis you take.",
        "`(query @ key.mT / query.shape[-1] ** 0.5).softmax(dim=-1) @ value`.",
    ),
)  # fmt: skip


def my_split_heads(x, num_heads):
    batch, positions, channels = x.shape
    # the channels are cut into shares; then the heads go before the positions
    return x.reshape(batch, positions, num_heads, channels // num_heads).transpose(1, 2)


def _reshaped(x: Tensor, num_heads: int) -> Tensor:
    return x.reshape(len(x), num_heads, x.shape[1], -1)


def _not_transposed(x: Tensor, num_heads: int) -> Tensor:
    return x.unflatten(2, (num_heads, -1))


def _interleaved(x: Tensor, num_heads: int) -> Tensor:
    return x.unflatten(2, (-1, num_heads)).permute(0, 3, 1, 2)


def _turned(x: Tensor, num_heads: int) -> Tensor:
    return my_split_heads(x, num_heads).mT


def _split_cases() -> list[Case]:
    def numbered(batch: int, positions: int, channels: int) -> Tensor:
        count = torch.arange(batch * positions * channels, dtype=torch.float32)
        return count.view(batch, positions, channels)

    return [
        Case("one position, 4 channels, 2 heads", (numbered(1, 1, 4), 2)),
        Case("2 positions, 4 channels, 2 heads", (numbered(1, 2, 4), 2)),
        Case("3 positions, 4 channels, 2 heads", (numbered(1, 3, 4), 2)),
        Case("2 pictures, 4 positions, 12 channels, 3 heads", (numbered(2, 4, 12), 3)),
        Case("one head", (numbered(1, 2, 3), 1), edge=True),
    ]


split_heads = Exercise(
    name="split_heads",
    title="Split into heads",
    statement=(
        "`x` is (B, N, C): C channels at each of N positions. Give each of `num_heads` heads its share of the "
        "channels, the first C / num_heads to the first head and so on. Return (B, num_heads, N, C / num_heads)."
    ),
    reference=my_split_heads,
    solution_function=my_split_heads,
    cases_function=_split_cases,
    mistakes=(
        Mistake("reshaped",
            "It looks like `x` is reshaped to the final shape at once. The shape is right and nothing crashes, but the "
            "numbers are dealt out in the order in which they lie in memory: a head gets all channels of *some* "
            "positions. Cut the channels first, then exchange heads and positions.",
            _reshaped),
        Mistake("not_transposed",
            "It looks right, but positions stand before heads, (B, N, heads, C / heads). `transpose(1, 2)`.",
            _not_transposed),
        Mistake("interleaved",
            "It looks like the channels are dealt out one by one, every num_heads-th to the same head. The first head "
            "gets the first C / num_heads.",
            _interleaved),
        Mistake("turned",
            "It looks like the last two dimensions are exchanged: positions before channels.",
            _turned),
    ),
    hints=(
        "Two positions with channels 0 1 2 3 and 4 5 6 7, two heads: which four numbers should the first head get?",
        "Only the last dimension is cut: `x.unflatten(2, (num_heads, -1))`. Which order do the dimensions have then?",
        "`x.reshape(B, N, num_heads, C // num_heads).transpose(1, 2)`.",
    ),
)  # fmt: skip
