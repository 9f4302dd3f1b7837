"""What a network sees: its layers read by name, traced back to pixels, mapped, and compared."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "deconvolution": ["RULES", "class_signal", "climb", "deconvolve", "descend", "strongest"],
        "layers": ["activations", "layer_names", "layer_reader"],
        "maps": ["grad_cam", "occlusion_map", "scaled_to_one"],
        "patches": ["cut_patches", "receptive_field", "strongest_places"],
        "perceptual": ["PerceptualDistance"],
        "retrieval": ["feature_vectors", "nearest", "precision_at_k"],
    },
)
