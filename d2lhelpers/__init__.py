"""The helper package of the course. Functions that d2l has keep d2l's name and are importable from here."""

import lazy_loader

# Loaded when first used: `python -m d2lhelpers doctor` must be able to say that torch is broken, and a notebook
# normalised before a commit has no need of it.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "anchors": [
            "assign_anchor_to_bbox",
            "multibox_prior",
            "multibox_target",
            "offset_boxes",
            "offset_inverse",
        ],
        "boxes": [
            "box_area",
            "box_center_to_corner",
            "box_corner_to_center",
            "box_iou",
            "clip_boxes",
        ],
        "convolution": ["corr2d", "kernel2matrix", "trans_conv"],
        "datasets": [
            "VOC_CLASSES",
            "VOC_COLORMAP",
            "read_voc_images",
            "voc_colormap2label",
            "voc_label_indices",
        ],
        "detection": ["multibox_detection", "nms", "soft_nms"],
        "plot": ["bbox_to_rect", "show_bboxes"],
        "segmentation": ["VOCSegDataset", "bilinear_kernel", "load_data_voc", "voc_rand_crop"],
    },
)

# How `lesson.claim` marks a claim in a notebook's outputs, and `notebooks.execute` finds it there.
CLAIM_MIME = "application/vnd.d2lhelpers.claim+json"

# How `lesson.play` hands stills for the web page to `record.keep_stills`.
STILLS_MIME = "application/vnd.d2lhelpers.stills+json"
# The environment variable by which a run asks for them.
STILLS_WANTED = "D2LHELPERS_STILLS"
