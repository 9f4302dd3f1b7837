"""The networks of the course and their weights."""

from d2lhelpers.models.backbones import (
    BACKBONES,
    CIFAR10_CLASSES,
    Classifier,
    ResidualBlock,
    Standardise,
    backbone,
)
from d2lhelpers.models.weights import load_weights, save_weights

__all__ = [
    "BACKBONES",
    "CIFAR10_CLASSES",
    "Classifier",
    "ResidualBlock",
    "Standardise",
    "backbone",
    "load_weights",
    "save_weights",
]
