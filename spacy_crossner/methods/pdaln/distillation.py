"""Distillation: learning the tag distributions of a teacher (Zhang et al., 2021, Eq. 11)."""

from typing import Optional

from torch import Tensor

from ...core.losses import LossInputs, LossTerm
from ...errors import CrossnerError, Errors

AVERAGES = ("entities", "tokens")


class Distillation(LossTerm):
    """Cross-entropy between the tag distributions of teacher and student (the component) at each token.

    The distributions are those of the head: the marginals of a CRF, or a softmax. The weight is gamma of the equation:
    this term is multiplied by gamma, and the sum of all other terms by 1 - gamma.

    average (str): over the tokens of gold "entities", as the paper prints it, or over all "tokens".
    domain (Optional[str]): docs of this domain only, such as "adaptive"; None for all.
    temperature (float): divides the log-probabilities of both; above 1 both distributions are flatter.
    weight (float): gamma, 0 to 1.
    """

    needs_teacher = True
    is_mixture_weight = True

    def __init__(
        self,
        average: str = "entities",
        domain: Optional[str] = "adaptive",
        temperature: float = 1.0,
        weight: float = 0.5,
    ) -> None:
        super().__init__(weight)
        if average not in AVERAGES or temperature <= 0 or not 0 <= weight <= 1:
            settings = f"average {average}, temperature {temperature}, weight {weight}"
            raise CrossnerError(Errors.C041.format(settings=settings, known=" or ".join(AVERAGES)))
        self.average = average
        self.domain = domain
        self.temperature = temperature

    def __call__(self, inputs: LossInputs) -> Tensor:
        """Return a scalar; 0 if no token is used, because no doc belongs to the domain or no doc has an entity.

        RAISES (CrossnerError): the teacher has other tags.
        """
        student, teacher = inputs.head.log_probabilities(inputs.output), inputs.teacher
        if teacher.shape != student.shape:
            raise CrossnerError(Errors.C042.format(own=student.shape[2], teacher=teacher.shape[-1]))
        tokens = self._tokens(inputs)
        if not tokens.any():
            return 0.0 * student.sum()
        probabilities = (teacher[tokens] / self.temperature).softmax(dim=1)
        log_probabilities = (student[tokens] / self.temperature).log_softmax(dim=1)
        return -(probabilities * log_probabilities).sum(dim=1).mean()

    def teacher_rows(self, inputs: LossInputs) -> Tensor:
        """Return which rows have tokens that the term uses, bool, shape (n_docs,)."""
        return self._tokens(inputs).any(dim=1)

    def _tokens(self, inputs: LossInputs) -> Tensor:
        """Return which tokens the term uses, bool, shape (n_docs, n_tokens)."""
        tokens = inputs.output.mask & inputs.rows_of(self.domain).unsqueeze(1)
        return tokens & (inputs.tags > 0) if self.average == "entities" else tokens
