"""The pipeline components. `base` is what they share; each other file is one component."""

from .base import SequenceNER
from .crf_ner import CRFEntityRecognizer

__all__ = ["CRFEntityRecognizer", "SequenceNER"]
