"""Language modelling beside tagging (Jia et al., 2019, Eq. 8)."""

from typing import Optional

from torch import Tensor

from ...core.losses import LossInputs, LossTerm
from ...errors import CrossnerError, Errors
from .head import GeneratedTagger


class LanguageModel(LossTerm):
    """Negative log-likelihood of the next word and of the word before, by a sampled softmax.

    It uses only the docs of the batch without annotation.

    domain (Optional[str]): docs of this domain only, so that each domain can have its own weight; None for all.
    samples (Optional[int]): number of other words in the softmax, drawn by frequency; None for all words.
    correct (bool): correct the scores for the frequency of draws; False for the equation as it is printed.
    weight (float): factor in the sum of the terms.
    """

    def __init__(
        self, domain: Optional[str] = None, samples: Optional[int] = 50, correct: bool = True, weight: float = 1.0
    ) -> None:
        super().__init__(weight)
        if samples is not None and samples < 1:
            raise CrossnerError(Errors.C048.format(samples=samples))
        self.domain = domain
        self.samples = samples
        self.correct = correct

    def __call__(self, inputs: LossInputs) -> Tensor:
        """Return the mean over the words to predict; 0 if the batch has none."""
        if not isinstance(inputs.head, GeneratedTagger):
            raise CrossnerError(
                Errors.C029.format(term=type(self).__name__, needed="param_gen_ner", head=type(inputs.head).__name__)
            )
        rows = inputs.rows_of(self.domain)
        return inputs.head.language_model_nll(inputs.output, rows, self.samples, correct=self.correct)
