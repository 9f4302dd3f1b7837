"""Boxes for the tests: random ones by seed, and hypothesis strategies."""

import torch
from hypothesis import strategies as st
from torch import Tensor

# eighths: sums and products are exact in float32
coordinates = st.integers(0, 64).map(lambda k: k / 8)
sides = st.integers(1, 32).map(lambda k: k / 8)


@st.composite
def boxes(draw, min_size: int = 1, max_size: int = 8, dtype: torch.dtype = torch.float64) -> Tensor:
    """(N, 4) corners with areas above 0."""
    rows = draw(
        st.lists(
            st.tuples(coordinates, coordinates, sides, sides), min_size=min_size, max_size=max_size
        )
    )
    return torch.tensor([(x, y, x + w, y + h) for x, y, w, h in rows], dtype=dtype).reshape(-1, 4)


def random_boxes(
    count: int, seed: int, dtype: torch.dtype = torch.float32, batch: tuple[int, ...] = ()
) -> Tensor:
    """(*batch, count, 4) corners within [0, 1], sides between 0.02 and 0.4."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(*batch, count, 2, generator=generator, dtype=dtype) * 0.6
    side = torch.rand(*batch, count, 2, generator=generator, dtype=dtype) * 0.38 + 0.02
    return torch.cat((corner, corner + side), dim=-1)
