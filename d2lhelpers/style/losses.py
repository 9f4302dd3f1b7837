"""The losses of neural style transfer, with d2l's names: what is there, how it is painted, how smooth it is."""

from __future__ import annotations

from torch import Tensor

__all__ = ["content_loss", "gram", "smoothness_loss", "style_loss", "tv_loss"]


def content_loss(Y_hat: Tensor, Y: Tensor) -> Tensor:
    """The mean squared difference of two feature maps, place by place.

    Args:
        Y_hat: (B, C, h, w), features of the picture that is being made.
        Y: as Y_hat, of the content picture; a constant, through which no gradient flows.
    Returns:
        A scalar.
    Raises:
        ValueError: two shapes, which would be broadcast to one.
    Source: Gatys et al. 2016, equation 1, with the mean for the sum; d2l, section 14.12.5.1. Taught in chapter 11.
    """
    if Y_hat.shape != Y.shape:
        raise ValueError(
            f"Y_hat and Y must have one shape, got {tuple(Y_hat.shape)} and {tuple(Y.shape)}: content is compared "
            "place by place, so the pictures must have one size"
        )
    return (Y_hat - Y.detach()).square().mean()


def gram(X: Tensor) -> Tensor:
    """How often channels are active together: products of all pairs, added up over all places.

    Divided by the number of values, C h w, so that pictures of different sizes, and layers, can be compared.

    Args:
        X: (B, C, h, w), floating.
    Returns:
        (B, C, C), symmetric, without negative eigenvalues.
    Raises:
        ValueError: another number of dimensions, or no values.
    Source: Gatys et al. 2016, equation 3. d2l, section 14.12.5.2, gives (C, C), right for a batch of one only: its
    `reshape` mixes the pictures of a larger one. Taught in chapter 11.
    """
    if X.ndim != 4 or X.numel() == 0:
        raise ValueError(f"X must be (B, C, h, w), none of them 0, got {tuple(X.shape)}")
    channels = X.flatten(2)
    return channels @ channels.mT / channels[0].numel()


def style_loss(Y_hat: Tensor, gram_Y: Tensor) -> Tensor:
    """The mean squared difference of two Gram matrices.

    Args:
        Y_hat: (B, C, h, w), features of the picture that is being made.
        gram_Y: (B, C, C), `gram` of the style picture's, of whatever size; a constant.
    Returns:
        A scalar.
    Raises:
        ValueError: matrices of different shapes.
    Source: Gatys et al. 2016, equation 4; d2l, section 14.12.5.2. Taught in chapter 11.
    """
    gram_Y_hat = gram(Y_hat)
    if gram_Y_hat.shape != gram_Y.shape:
        raise ValueError(
            f"gram_Y must be {tuple(gram_Y_hat.shape)}, as gram(Y_hat) is, got {tuple(gram_Y.shape)}"
        )
    return (gram_Y_hat - gram_Y.detach()).square().mean()


def tv_loss(Y_hat: Tensor) -> Tensor:
    """Total variation: the mean absolute difference of neighbouring pixels, half of it down and half across.

    Args:
        Y_hat: (B, C, height, width), pixels.
    Returns:
        A scalar; a picture of one row or one column has no neighbours that way, and loses nothing there.
    Source: Rudin et al. 1992; d2l, section 14.12.5.3. Taught in chapter 11.
    """
    return 0.5 * sum(_mean(difference.abs()) for difference in _differences(Y_hat))


def smoothness_loss(Y_hat: Tensor) -> Tensor:
    """`tv_loss` with squares for absolute values: kinder to soft shading, harder on a single wrong pixel, and smooth
    at 0, without which L-BFGS goes astray.

    Args, Returns: as for `tv_loss`.
    Source: Mahendran and Vedaldi 2015, equation 4 with beta 2. Taught in chapter 11.
    """
    return 0.5 * sum(_mean(difference.square()) for difference in _differences(Y_hat))


def _differences(images: Tensor) -> tuple[Tensor, Tensor]:
    return images.diff(dim=-2), images.diff(dim=-1)


def _mean(values: Tensor) -> Tensor:
    return values.sum() / max(values.numel(), 1)
