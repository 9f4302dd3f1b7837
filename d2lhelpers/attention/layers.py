"""Layers of attention: gates for positions and for channels, pooling, and self-attention.

Each gives its result when it is called, and its result together with the map behind it by `attend`, in one pass:
no hook is left in the network, and nothing is kept from one batch to the next. Maps carry gradients, so that a loss can
be put on them.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "AttentionPooling",
    "ChannelGate",
    "SelfAttention",
    "SpatialGate",
    "dot_product_attention",
    "position_code",
]

# The slowest wave of the position code turns by 1 / SLOWEST of a radian a step. Sentences want 10,000; along a feature
# map there are some ten positions, and most of the code would be the same at all of them.
SLOWEST = 100


# wrapped, so that `features.layer_reader` can take a network apart without looking into it
@torch.fx.wrap
def require_features(features: Tensor, channels: int) -> None:
    """Raise the ValueError that names the argument unless `features` are (B, channels, h, w)."""
    if features.ndim != 4 or features.shape[1] != channels or 0 in features.shape[2:]:
        got = tuple(features.shape)
        raise ValueError(f"features must be (B, {channels}, h, w), h and w at least 1, got {got}")


class Attention(nn.Module):
    """What the modules have in common: called, they give the result of `attend` without its map."""

    def attend(self, features: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def forward(self, features: Tensor) -> Tensor:
        return self.attend(features)[0]


class SpatialGate(Attention):
    """Weigh positions: one number in (0, 1) for each, by which all its channels are multiplied.

    Each position is judged by itself; where one should fall as another rises, use `AttentionPooling`.

    Args:
        channels: of the features.
        kernel_size: of the convolution that judges; odd. 1 sees a position alone, 3 its neighbours too.
    Raises:
        ValueError: an even kernel size.
    Source: Woo et al. 2018 (CBAM), section 3, in its simplest form, known as `ColorAttention` from the article that
    chapter 14 follows. Taught in chapters 13 and 14.
    """

    def __init__(self, channels: int, kernel_size: int = 1) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, to have a middle, got {kernel_size}")
        self.score = nn.Conv2d(channels, 1, kernel_size, padding=kernel_size // 2)

    def attend(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h, w) -> gated features of that shape, and the weights (B, 1, h, w) in (0, 1)."""
        require_features(features, self.score.in_channels)
        weights = self.score(features).sigmoid()
        return features * weights, weights


class ChannelGate(Attention):
    """Weigh channels: squeeze each to its mean over the picture, and excite it by a number in (0, 1).

    Args:
        channels: of the features.
        reduction: the layer between has channels / reduction units, rounded down, but at least one.
    Raises:
        ValueError: a reduction below 1.
    Source: Hu et al. 2018, section 3; equal to `torchvision.ops.SqueezeExcitation`. Taught in chapter 13.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        if reduction < 1:
            raise ValueError(f"reduction must be at least 1, got {reduction}")
        middle = max(1, channels // reduction)
        self.squeeze = nn.Linear(channels, middle)
        self.excite = nn.Linear(middle, channels)

    def attend(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h, w) -> gated features of that shape, and the weights (B, C) in (0, 1)."""
        require_features(features, self.squeeze.in_features)
        weights = self.excite(self.squeeze(features.mean(dim=(2, 3))).relu()).sigmoid()
        return features * weights[:, :, None, None], weights


class AttentionPooling(Attention):
    """Average over the picture, with weights that the network chooses: they are at least 0 and sum to 1.

    Untrained it is the plain average, because all scores are 0.

    Args:
        channels: of the features.
    Source: Ilse et al. 2018, equation 7, with a linear score. Taught in chapters 13 and 14.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        # no bias: added to every score, it would change nothing
        self.score = nn.Conv2d(channels, 1, kernel_size=1, bias=False)
        nn.init.zeros_(self.score.weight)

    def attend(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h, w) -> the average (B, C), and the weights (B, 1, h, w)."""
        require_features(features, self.score.in_channels)
        scores = self.score(features)
        weights = scores.flatten(2).softmax(dim=2).view_as(scores)
        return (features * weights).sum(dim=(2, 3)), weights


class SelfAttention(Attention):
    """Let every position ask all others, and add what it hears to what it knows.

    The better a position's query fits another's key, the more it takes of that one's value. Features are standardised
    first (a layer norm at each position), and the code of the place is added where queries and keys are made, but not
    where values are: it says where to listen, not what is heard.

    Args:
        channels: of the features; a multiple of num_heads, and of 4 with positions.
        num_heads: independent maps, each over its share of the channels.
        positions: add the code of the place. Without it, the block cannot tell a picture from its shuffled pieces.
    Raises:
        ValueError: channels that cannot be shared out so.
    Source: Vaswani et al. 2017, section 3.2; Carion et al. 2020 (DETR) for the positions. Taught in chapter 13.
    """

    def __init__(self, channels: int, num_heads: int = 4, positions: bool = True) -> None:
        super().__init__()
        if num_heads < 1 or channels % num_heads or (positions and channels % 4):
            raise ValueError(
                "channels must be a multiple of num_heads and, with positions, of 4, "
                f"got {channels} and {num_heads} heads"
            )
        self.channels, self.num_heads, self.positions = channels, num_heads, positions
        self.norm = nn.LayerNorm(channels)
        self.query, self.key, self.value, self.out = (
            nn.Linear(channels, channels) for _ in range(4)
        )

    def attend(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h, w) -> features of that shape, and the weights (B, num_heads, h, w, h, w).

        weights[b, head, y, x] is the map, (h, w) with a sum of 1, of where the position (y, x) listens.
        """
        heard, weights = dot_product_attention(*self.heads(features))
        size = features.shape[2:]
        return self.add(features, heard), weights.unflatten(3, size).unflatten(2, size)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape, by PyTorch's kernel, which saves the time and memory that the map costs."""
        return self.add(features, F.scaled_dot_product_attention(*self.heads(features)))

    def heads(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, C, h, w) -> queries, keys and values, each (B, num_heads, h w, C / num_heads)."""
        require_features(features, self.channels)
        content = self.norm(features.flatten(2).mT)  # [B, h w, C]
        placed = content
        if self.positions:
            size = features.shape[2], features.shape[3]  # `layer_reader` could not unpack it
            code = position_code(*size, self.channels, content.device)
            placed = content + code.flatten(1).mT.to(content.dtype)
        each = self.query(placed), self.key(placed), self.value(content)
        return tuple(x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for x in each)

    def add(self, features: Tensor, heard: Tensor) -> Tensor:
        """Bring what the heads heard, (B, num_heads, h w, C / num_heads), together and add it to the features."""
        mixed = self.out(heard.transpose(1, 2).flatten(2))
        return features + mixed.mT.unflatten(2, features.shape[2:])


def dot_product_attention(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """softmax(Q K^T / sqrt(D)) V, with the weights.

    A sum of D products of standardised numbers has a variance of D; divided by its root, the softmax is no step.

    Args:
        query: (..., N, D).
        key: (..., M, D).
        value: (..., M, E).
    Returns:
        (..., N, E), and the weights (..., N, M), each row with a sum of 1.
    Raises:
        ValueError: shapes that do not fit together.
    Source: Vaswani et al. 2017, equation 1; equal to `F.scaled_dot_product_attention`. Taught in chapter 13.
    """
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        shapes = [tuple(x.shape) for x in (query, key, value)]
        raise ValueError(
            f"query and key must be equally long, values as many as keys, got {shapes}"
        )
    weights = (query @ key.mT / math.sqrt(query.shape[-1])).softmax(dim=-1)
    return weights @ value, weights


@torch.fx.wrap
def position_code(
    height: int, width: int, channels: int, device: torch.device | None = None
) -> Tensor:
    """Where each position of a map is, as waves: sines and cosines of y in one half of the channels, of x in the other.

    Nothing is learnt, and any size has a code. The product of two codes depends only on how far apart the positions
    are along y and x, so that "just above me" is the same question everywhere.

    Args:
        height, width: of the map.
        channels: a multiple of 4.
    Returns:
        (channels, height, width) float32 in [-1, 1].
    Raises:
        ValueError: channels that are not a multiple of 4.
    Source: Vaswani et al. 2017, section 3.5; Carion et al. 2020 for two dimensions. Taught in chapter 13.
    """
    if channels < 4 or channels % 4:
        raise ValueError(f"channels must be a multiple of 4, got {channels}")
    turn = SLOWEST ** -torch.linspace(0, 1, channels // 4, device=device)  # radians a step
    along_y, along_x = (torch.arange(n, device=device) * turn[:, None] for n in (height, width))
    y = torch.cat((along_y.sin(), along_y.cos()))[:, :, None].expand(-1, -1, width)
    x = torch.cat((along_x.sin(), along_x.cos()))[:, None, :].expand(-1, height, -1)
    return torch.cat((y, x))
