"""A class for every pixel: the data, the metric, and pictures of both."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "crops": ["crop_window", "voc_rand_crop"],
        "drawing": ["show_confusion", "show_mask"],
        "evaluation": ["PixelScores", "evaluate", "near_outline", "predict"],
        "fitting": ["fit", "pixel_loss"],
        "loading": ["VOCSegDataset", "load_data_voc"],
        "metrics": ["class_iou", "confusion_matrix", "mean_iou", "pixel_accuracy"],
        "upsampling": ["bilinear_kernel", "upsampling_geometry", "upsampling_layer"],
    },
)
