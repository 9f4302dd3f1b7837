"""Neural style transfer: what a picture shows, how it is painted, and a picture that has the one and the other."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "gallery": ["PAINTINGS", "PHOTOGRAPHS", "painting", "photograph"],
        "losses": ["content_loss", "gram", "smoothness_loss", "style_loss", "tv_loss"],
        "pictures": ["as_picture", "to_bytes"],
        "synthesis": ["Synthesis", "SynthesizedImage", "adam", "lbfgs", "synthesise"],
        "transfer": ["StyleTransfer", "Weights"],
    },
)
