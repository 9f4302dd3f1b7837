"""Detectors: what all of them share, from suppression to the score that they are held to."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "detector": ["Detection", "Detector"],
        "drawing": ["show_detections"],
        "evaluation": ["Scores", "evaluate", "score", "truths_of"],
        "fitting": ["fit"],
        "precision": ["average_precision", "match_detections", "match_picture", "precision_recall"],
        "suppression": ["multibox_detection", "nms", "nms_in_groups", "soft_nms"],
    },
)
