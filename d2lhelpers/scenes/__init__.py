"""Pictures of things on backgrounds, with every truth about them known and every nuisance a parameter."""

from d2lhelpers.scenes.render import Scene, render
from d2lhelpers.scenes.sets import SceneSet, scene_seed, scene_set
from d2lhelpers.scenes.settings import CLASSES, COLOURS, Setting, Thing

__all__ = [
    "CLASSES",
    "COLOURS",
    "Scene",
    "SceneSet",
    "Setting",
    "Thing",
    "render",
    "scene_seed",
    "scene_set",
]
