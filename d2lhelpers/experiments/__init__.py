"""What takes longer than a chapter: `python -m d2lhelpers experiment NAME` runs it, the chapters draw what it came to.

Each module but `runner` holds the experiments of one topic; lower ones know nothing of the chapters.
"""

from d2lhelpers.experiments.detectors import DETECTORS
from d2lhelpers.experiments.fcn import FCN_LONG, FCNS
from d2lhelpers.experiments.rcnn import RCNNS
from d2lhelpers.experiments.runner import Experiment, Row, read, run
from d2lhelpers.experiments.ssd import BANANAS, SSD
from d2lhelpers.experiments.yolo import YOLO, YOLO_LONG

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (RCNNS, SSD, BANANAS, YOLO, YOLO_LONG, DETECTORS, FCNS, FCN_LONG)
}

__all__ = ["EXPERIMENTS", "Experiment", "Row", "read", "run"]
