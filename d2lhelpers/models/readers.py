"""What reads a feature map and names a class: by the average, by gates, or by attention."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from d2lhelpers.attention import AttentionPooling, ChannelGate, SelfAttention, SpatialGate

__all__ = ["READERS", "MapReader", "PointwiseBlock"]


class PointwiseBlock(nn.Module):
    """Two linear layers at each position by itself, added to what came in: the half of a transformer's block that does
    not look around. With a middle twice as wide it has as many weights as a `SelfAttention`.

    Source: Vaswani et al. 2017, section 3.3. Taught in chapter 13.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.wide, self.narrow = (
            nn.Linear(channels, 2 * channels),
            nn.Linear(2 * channels, channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        new = self.narrow(F.gelu(self.wide(self.norm(features.flatten(2).mT))))
        return features + new.mT.unflatten(2, features.shape[2:])


def _transformer(width: int) -> nn.Module:
    return nn.Sequential(
        *(layer(width) for layer in (SelfAttention, PointwiseBlock, SelfAttention, PointwiseBlock))
    )


# how -> what happens on the map, what gates it, what makes one vector of it
READERS: dict[str, tuple[Callable, Callable | None, Callable | None]] = {
    "average": (PointwiseBlock, None, None),
    "channel gate": (PointwiseBlock, lambda width: ChannelGate(width, reduction=8), None),
    "spatial gate": (PointwiseBlock, SpatialGate, None),
    "attention pooling": (PointwiseBlock, None, AttentionPooling),
    "self-attention": (SelfAttention, None, None),
    "transformer": (_transformer, None, None),
}


class MapReader(nn.Module):
    """Reads the features of a frozen network. All have the same parts but for the one that they are named after.

    Their numbers of weights differ by 4% at most, except for the transformer, two whole blocks of it, which on a
    network's features in place of patches of pixels is known as the hybrid vision transformer.

    Args:
        how: one of READERS.
        channels: of the features.
        num_classes: to tell apart.
        width: channels that are worked with.
    Raises:
        ValueError: an unknown `how`.
    Source: Dosovitskiy et al. 2021, section 3.1, for the transformer. Taught in chapter 13.
    """

    def __init__(self, how: str, channels: int, num_classes: int, width: int = 64) -> None:
        super().__init__()
        if how not in READERS:
            raise ValueError(f"how must be one of {', '.join(READERS)}, got {how!r}")
        mix, gate, pool = READERS[how]
        self.enter = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, width, 1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.mix = mix(width)
        self.gate = gate(width) if gate else nn.Identity()
        self.pool = pool(width) if pool else None
        self.head = nn.Linear(width, num_classes)

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, num_classes) logits."""
        read = self.gate(self.mix(self.enter(features)))
        return self.head(read.mean(dim=(2, 3)) if self.pool is None else self.pool(read))

    def attend(self, features: Tensor) -> Tensor | None:
        """(B, channels, h, w) -> (B, 1, h, w), which positions count; None where the reader makes no such map.

        Of self-attention, how much each position is listened to, on average over those who listen and the heads.
        """
        entered = self.enter(features)
        if isinstance(self.mix, SelfAttention):
            return self.mix.attend(entered)[1].mean(dim=(1, 2, 3))[:, None]
        if isinstance(self.gate, SpatialGate):
            return self.gate.attend(self.mix(entered))[1]
        return None if self.pool is None else self.pool.attend(self.mix(entered))[1]
