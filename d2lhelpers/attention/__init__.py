"""Attention over a feature map: which positions count, which channels, and who listens to whom.

`layers` computes it, `maps` draws and judges what it left.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "layers": [
            "AttentionPooling",
            "ChannelGate",
            "SelfAttention",
            "SpatialGate",
            "dot_product_attention",
            "position_code",
        ],
        "maps": ["enlarge", "mass_on_mask", "peaks_on_mask"],
    },
)
