"""Assignments: handed out, collected, graded and reported on, by nbgrader.

A notebook of an assignment uses `Assignment` for its numbers and, in a bug hunt, `exposes`. The teacher's side
is `python -m d2lhelpers class release | collect | grade | report`.
"""

import lazy_loader

# Loaded when first used: the commands are described to the parser without torch.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "detectors": ["handed_in", "render_unseen", "save_detector"],
        "hunts": ["exposes"],
        "variants": ["Assignment", "variant_of"],
    },
)
