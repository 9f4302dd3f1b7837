"""What takes longer than a chapter: `python -m d2lhelpers experiment NAME` runs it, the chapters draw what it came to.

Each module but `runner` holds the experiments of one topic; lower ones know nothing of the chapters.
"""

from d2lhelpers.experiments.attention import ATTENTION
from d2lhelpers.experiments.detectors import DETECTORS
from d2lhelpers.experiments.enlarging import ENLARGING
from d2lhelpers.experiments.fcn import FCN_LONG, FCNS
from d2lhelpers.experiments.rcnn import RCNNS
from d2lhelpers.experiments.runner import Experiment, Row, read, run
from d2lhelpers.experiments.seeing import SEEING
from d2lhelpers.experiments.shortcuts import SHORTCUTS
from d2lhelpers.experiments.ssd import BANANAS, SSD
from d2lhelpers.experiments.style import OPTIMISERS, STYLE_NETWORKS
from d2lhelpers.experiments.yolo import YOLO, YOLO_LONG

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        RCNNS,
        SSD,
        BANANAS,
        YOLO,
        YOLO_LONG,
        DETECTORS,
        FCNS,
        FCN_LONG,
        OPTIMISERS,
        STYLE_NETWORKS,
        ENLARGING,
        SEEING,
        ATTENTION,
        SHORTCUTS,
    )
}

__all__ = ["EXPERIMENTS", "Experiment", "Row", "read", "run"]
