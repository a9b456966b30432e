"""`label_aware_ner`: each tag is predicted from the sentence and from the tags before it (LANER)."""

from ...core.component import SequenceNER
from ...core.factory import register_component

MODEL = """
@architectures = "spacy_crossner.LabelAware.v1"
label_width = 100
use_background = true
use_context = true
use_crf = false
scheduled_sampling = 0.5
beam = 1
block = null
max_cells = 65536
"""


class LabelAwareEntityRecognizer(SequenceNER):
    """Label-aware autoregressive entity recognizer (Hu et al., 2022).

    What it reads of tags and sentence begins anew in each window; see `plan_windows` for where these are.
    """


# Windows of about two sentences: prefixes and backgrounds far longer than those of training cost F1.
make_label_aware_ner = register_component("label_aware_ner", LabelAwareEntityRecognizer, MODEL, window=64, overlap=16)
