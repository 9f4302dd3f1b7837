"""What a network sees: its layers read by name, traced back to pixels, and compared."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "deconvolution": ["RULES", "climb", "deconvolve", "descend", "strongest"],
        "layers": ["activations", "layer_names", "layer_reader"],
        "perceptual": ["PerceptualDistance"],
        "retrieval": ["feature_vectors", "nearest", "precision_at_k"],
    },
)
