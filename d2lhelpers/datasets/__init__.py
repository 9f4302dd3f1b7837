"""The course's datasets: where they come from, which tier is here, and readers for them."""

import lazy_loader

# Loaded when first used: `doctor` asks what is fetched, and must be able to when torch is broken.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "box_files": ["BananasDataset", "load_data_bananas", "read_boxes", "read_data_bananas"],
        "boxed": ["BoxedPictures", "BoxedSplit", "load_boxes"],
        "download": ["FetchError"],
        "labelled": ["Split", "load"],
        "marked": ["MarkedPictures", "load_marked"],
        "masked": ["MaskedPictures", "MaskedSplit", "load_masks"],
        "pictures": ["Pictures", "loader"],
        "registry": ["REGISTRY", "Source"],
        "tiers": ["fetch", "folder", "is_fetched", "tier", "weights"],
        "voc": ["VOC_CLASSES", "VOC_COLORMAP"],
        "voc_files": ["read_voc_images", "voc_colormap2label", "voc_label_indices"],
    },
)
