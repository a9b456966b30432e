"""The terms of a training loss: registered callables over `LossInputs` that return a torch scalar."""

from .base import LossInputs, LossTerm, weighted_sum
from .language_model import LanguageModel
from .likelihood import TagLikelihood
from .mixture import EntityDetection, ExpertGate

__all__ = ["EntityDetection", "ExpertGate", "LanguageModel", "LossInputs", "LossTerm", "TagLikelihood", "weighted_sum"]
