"""The networks of the course and their weights."""

from d2lhelpers.models.backbones import BACKBONES, CIFAR10_CLASSES, ResidualBlock, backbone
from d2lhelpers.models.classifier import Classifier, Standardise
from d2lhelpers.models.fcn import FCN
from d2lhelpers.models.mask_rcnn import MaskRCNN
from d2lhelpers.models.rcnn import RCNN, FasterRCNN, FastRCNN
from d2lhelpers.models.readers import READERS, MapReader
from d2lhelpers.models.ssd import TinySSD
from d2lhelpers.models.vgg import average_pooling, vgg_features
from d2lhelpers.models.weights import load_weights, save_weights
from d2lhelpers.models.yolo import TinyYOLO

__all__ = [
    "BACKBONES",
    "CIFAR10_CLASSES",
    "FCN",
    "RCNN",
    "READERS",
    "Classifier",
    "FastRCNN",
    "FasterRCNN",
    "MapReader",
    "MaskRCNN",
    "ResidualBlock",
    "Standardise",
    "TinySSD",
    "TinyYOLO",
    "average_pooling",
    "backbone",
    "load_weights",
    "save_weights",
    "vgg_features",
]
