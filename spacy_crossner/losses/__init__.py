"""The terms of a training loss: registered callables over `LossInputs` that return a torch scalar."""

from .base import LossInputs, LossTerm
from .likelihood import TagLikelihood
from .mixture import EntityDetection, ExpertGate

__all__ = ["EntityDetection", "ExpertGate", "LossInputs", "LossTerm", "TagLikelihood"]
