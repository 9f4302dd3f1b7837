"""Pictures as vectors: which of a collection are nearest to this one, and are they of its kind?"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2lhelpers.features.layers import activation_batches

__all__ = ["feature_vectors", "nearest", "precision_at_k"]

# Distances held at once, 32 MiB of float64: a larger collection is searched in parts.
MAX_PAIRS = 2**22
MAX_QUERIES = 1024

MEASURES = ("cosine", "euclidean")


def feature_vectors(net: nn.Module, images: Tensor, layer: str, batch_size: int = 64) -> Tensor:
    """One vector for each picture: a layer's activations, averaged over the positions.

    Args:
        net, images, batch_size: as for `activations`.
        layer: whose activations are (B, C, h, w), or (B, C) as they are.
    Returns:
        (N, C) floating.
    Raises:
        ValueError: as for `activations`.
    Source: Babenko and Lempitsky 2015, section 3. Taught in chapter 12.
    """
    batches = activation_batches(net, images, [layer], batch_size)
    # (B, C) counts as one position
    return torch.cat(
        [batch[layer].unflatten(1, (-1, 1)).flatten(2).mean(dim=2) for batch in batches]
    )


@torch.no_grad()
def nearest(
    queries: Tensor, collection: Tensor, k: int, measure: str = "cosine"
) -> tuple[Tensor, Tensor]:
    """The k nearest vectors to each query, all pairs compared, in parts so that memory is bounded.

    Args:
        queries: (Q, D), floating or whole numbers, finite.
        collection: (N, D), likewise, on the same device.
        k: from 1 to N.
        measure: "cosine", 1 - the cosine of the angle, in [0, 2], 1 for a vector of zeros; or "euclidean".
    Returns:
        indices (Q, k) int64 into the collection, nearest first, and of equal ones the first first; and their distances
        (Q, k) float64.
    Raises:
        ValueError: other shapes, vectors that are not finite, a k or measure that there is not.
    Taught in chapter 12.
    """
    if queries.ndim != 2 or collection.ndim != 2 or queries.shape[1] != collection.shape[1]:
        raise ValueError(
            "queries and collection must be (Q, D) and (N, D), flattened where they are pictures, got "
            f"{tuple(queries.shape)} and {tuple(collection.shape)}"
        )
    if not 1 <= k <= len(collection):
        raise ValueError(f"k must lie in 1..{len(collection)}, the size of the collection, got {k}")
    if measure not in MEASURES:
        raise ValueError(f"measure must be one of {', '.join(MEASURES)}, got {measure!r}")
    for name, vectors in (("queries", queries), ("collection", collection)):
        if not vectors.isfinite().all():
            raise ValueError(f"{name} must be finite, but holds infinity or NaN")
    found = [_search(part, collection, k, measure) for part in queries.split(MAX_QUERIES)]
    indices, distances = (torch.cat(parts) for parts in zip(*found, strict=True))
    return indices, distances


def precision_at_k(indices: Tensor, query_labels: Tensor, collection_labels: Tensor) -> Tensor:
    """Of the first 1, 2, ... k found, the share that is of the query's class; averaged over the queries.

    Args:
        indices: (Q, k) int64, of `nearest`.
        query_labels: (Q,).
        collection_labels: (N,).
    Returns:
        (k,) float64 in [0, 1].
    Raises:
        ValueError: other shapes, or no query.
    Source: Manning et al. 2008, section 8.4. Taught in chapter 12.
    """
    if indices.ndim != 2 or query_labels.shape != indices.shape[:1] or len(indices) == 0:
        raise ValueError(
            "indices must be (Q, k) and query_labels (Q,), Q at least 1, got "
            f"{tuple(indices.shape)} and {tuple(query_labels.shape)}"
        )
    right = (collection_labels[indices] == query_labels[:, None]).double()
    looked_at = torch.arange(1, indices.shape[1] + 1, device=right.device)
    return (right.cumsum(dim=1) / looked_at).mean(dim=0)


def _search(queries: Tensor, collection: Tensor, k: int, measure: str) -> tuple[Tensor, Tensor]:
    """`nearest` for few queries: the best so far are kept, and challenged by one part of the collection at a time."""
    origin = collection[0].double()
    queries = _prepare(queries, measure, origin)
    best = queries.new_zeros(len(queries), 0)
    indices = best.long()
    start = 0
    for part in collection.split(max(1, MAX_PAIRS // max(1, len(queries)))):
        distances = _distances(queries, _prepare(part, measure, origin), measure)
        candidates = torch.cat((best, distances), dim=1)
        place = torch.arange(start, start + len(part), device=queries.device)
        where = torch.cat((indices, place.expand(len(queries), -1)), dim=1)
        chosen = _smallest(candidates, min(k, candidates.shape[1]))
        best, indices = candidates.gather(1, chosen), where.gather(1, chosen)
        start += len(part)
    return indices, best


def _prepare(vectors: Tensor, measure: str, origin: Tensor) -> Tensor:
    # The squares of long vectors drown the small differences that decide who is nearest: hence float64 and, as no
    # distance depends on where the origin is, an origin among them.
    if measure == "cosine":
        return F.normalize(vectors.double(), dim=1)
    return vectors.double() - origin


def _distances(queries: Tensor, others: Tensor, measure: str) -> Tensor:
    if measure == "cosine":
        return (1 - queries @ others.T).clamp(0, 2)
    return torch.cdist(queries, others, compute_mode="use_mm_for_euclid_dist")


def _smallest(values: Tensor, k: int) -> Tensor:
    """(Q, N) -> (Q, k), the places of the k smallest in order; of equal ones the first, where `topk` takes any."""
    bound = values.kthvalue(k, dim=1, keepdim=True).values
    smaller, equal = values < bound, values == bound
    room = k - smaller.sum(dim=1, keepdim=True)
    chosen = smaller | (equal & (equal.cumsum(dim=1) <= room))
    place = chosen.nonzero()[:, 1].view(len(values), k)
    return place.gather(1, values.gather(1, place).argsort(dim=1, stable=True))
