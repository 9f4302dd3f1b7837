"""Where an object might be, before anything says what it is: proposals, and the features inside them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "roi": ["roi_align", "roi_pool"],
        "rpn": ["ProposalNetwork", "anchor_targets"],
        "sampling": ["RoISample", "sample_balanced", "sample_rois"],
        "selective_search": ["Merging", "Remembered", "merge_regions", "selective_search"],
    },
)
