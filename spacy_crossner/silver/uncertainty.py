"""How unsure a pipeline is of a sentence.

With a component of this package, from the probabilities p of the tags at each token, at the component's temperature:

    u = mean of the 3 largest H(p) / log(number of tags)        H(p) = - sum of p log p over the tags

The mean over all tokens is small for long sentences, whose tokens are mostly sure, and the sum is large for them
(Settles and Craven, 2008). The probability of the best path falls with the length, too. With the most unsure tokens
alone, sentences of different lengths can be compared.

With another pipeline, from the scores s of its entities (s below 0.5 counts as 0.5):

    u = mean of the 3 largest h(s)                              h(s) = - s log2 s - (1 - s) log2 (1 - s)

A sentence without an entity then has u = 0: such a pipeline cannot say what it may have missed.
"""

import math
from typing import List, Sequence, Set

import numpy as np
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc

from ..annotations.scores import get_score
from ..core.component import SequenceNER
from ..errors import CrossnerError, Errors

# Number of tokens, or of entities, that decide.
MOST_UNSURE = 3
# Digits that are kept. The batch of a sentence changes the last digits of its probabilities.
DIGITS = 4


def tag_uncertainty(probabilities: NDArray[np.float64]) -> float:
    """Return the uncertainty of a sentence from its tag probabilities.

    probabilities (NDArray): shape (n_words, n_tags).
    RETURNS (float): in [0, 1].
    """
    n_words, n_tags = probabilities.shape
    if not n_words or n_tags < 2:
        return 0.0
    # 0 log 0 is 0.
    logs = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    entropies = -(probabilities * logs).sum(axis=1) / math.log(n_tags)
    return _round(float(np.sort(entropies)[-MOST_UNSURE:].mean()))


def score_uncertainty(scores: Sequence[float]) -> float:
    """Return the uncertainty of a sentence from the scores of its entities, in [0, 1]; 0 without an entity."""
    largest = sorted(map(_ambiguity, scores), reverse=True)[:MOST_UNSURE]
    return _round(sum(largest) / len(largest)) if largest else 0.0


def _ambiguity(score: float) -> float:
    score = min(max(score, 0.5), 1.0)
    return -sum(p * math.log2(p) for p in (score, 1 - score) if p > 0)


def _round(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), DIGITS)


class UncertainPipeline:
    """A pipeline that annotates docs and says how unsure it is of each.

    nlp (Language): the pipeline. Its last component of this package gives the tag probabilities.
    """

    def __init__(self, nlp: Language) -> None:
        self.nlp = nlp
        own = [pipe for _, pipe in nlp.pipeline if isinstance(pipe, SequenceNER)]
        self.component = own[-1] if own else None
        # The labels of that component; with another pipeline, those of the entities found so far.
        self.labels: Set[str] = set(own[-1].labels) if own else set()

    def annotate(self, docs: List[Doc]) -> List[float]:
        """Annotate docs with the whole pipeline, in place, and return the uncertainty of each.

        RAISES (CrossnerError): the pipeline has no component of this package, and an entity has no score.
        """
        uncertainty: List[float] = []
        for _, pipe in self.nlp.pipeline:
            if pipe is self.component:
                uncertainty = list(map(tag_uncertainty, pipe.annotate(docs)))
            elif hasattr(pipe, "pipe"):
                docs[:] = pipe.pipe(docs)
            else:
                docs[:] = map(pipe, docs)
        self.labels.update(ent.label_ for doc in docs for ent in doc.ents)
        return uncertainty if self.component else [score_uncertainty(_scores(doc)) for doc in docs]

    def check(self) -> None:
        """Raise an error if the pipeline has said nothing about any sentence."""
        if self.component is None and not self.labels:
            raise CrossnerError(Errors.C664.format(names=", ".join(self.nlp.pipe_names) or "no components"))


def _scores(doc: Doc) -> List[float]:
    scores: List[float] = []
    for ent in doc.ents:
        score = get_score(ent)
        if score is None:
            raise CrossnerError(Errors.C052.format(entity=ent.text))
        scores.append(score)
    return scores
