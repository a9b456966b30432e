"""`crf_ner`: entity recognition with a linear-chain CRF on token vectors."""

from ...core.component import SequenceNER
from ...core.factory import register_component

MODEL = """
@architectures = "spacy_crossner.CRF.v1"
use_crf = true
"""


class CRFEntityRecognizer(SequenceNER):
    """Entity recognizer with a linear-chain CRF, or with a softmax for each token (`use_crf = false`)."""


make_crf_ner = register_component("crf_ner", CRFEntityRecognizer, MODEL)
