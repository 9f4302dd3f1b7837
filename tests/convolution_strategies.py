"""Pictures, kernels and settings for the tests of convolutions."""

import torch
from hypothesis import assume
from hypothesis import strategies as st

whole = st.integers
pair = st.tuples


def values(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


@st.composite
def convolutions(draw):
    """X, K and settings of a convolution that has a place for its kernel, height and width apart."""
    two = lambda low, high: draw(pair(whole(low, high), whole(low, high)))  # noqa: E731
    kernel, stride, padding, dilation = two(1, 4), two(1, 4), two(0, 3), two(1, 3)
    least = [
        max(1, d * (k - 1) + 1 - 2 * p) for k, p, d in zip(kernel, padding, dilation, strict=True)
    ]
    sizes = [draw(whole(n, n + 5)) for n in least]
    batch, channels_in, channels_out = draw(whole(1, 2)), draw(whole(1, 3)), draw(whole(1, 3))
    seed = draw(whole(0, 99))
    X = values(batch, channels_in, *sizes, seed=seed)
    K = values(channels_out, channels_in, *kernel, seed=seed + 1)
    return X, K, {"stride": stride, "padding": padding, "dilation": dilation}


@st.composite
def transposed_convolutions(draw):
    """X, K and settings of a transposed convolution of which something is left."""
    two = lambda low, high: draw(pair(whole(low, high), whole(low, high)))  # noqa: E731
    kernel, stride, padding, dilation, sizes = two(1, 4), two(1, 4), two(0, 3), two(1, 3), two(1, 5)
    extra = tuple(draw(whole(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    for n, k, s, p, e, d in zip(sizes, kernel, stride, padding, extra, dilation, strict=True):
        assume((n - 1) * s + d * (k - 1) + 1 + e - 2 * p >= 1)
    batch, channels_in, channels_out = draw(whole(1, 2)), draw(whole(1, 3)), draw(whole(1, 3))
    seed = draw(whole(0, 99))
    X = values(batch, channels_in, *sizes, seed=seed)
    K = values(channels_in, channels_out, *kernel, seed=seed + 1)
    settings = {"stride": stride, "padding": padding, "output_padding": extra, "dilation": dilation}
    return X, K, settings


def remainder(sizes, K, settings):
    """What a convolution leaves over at the far ends: the output_padding that leads back to `sizes`."""
    reached = [d * (k - 1) + 1 for k, d in zip(K.shape[-2:], settings["dilation"], strict=True)]
    axes = zip(sizes, reached, settings["stride"], settings["padding"], strict=True)
    return tuple((n + 2 * p - r) % s for n, r, s, p in axes)
