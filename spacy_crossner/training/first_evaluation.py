"""Leave out the evaluation at step 0, which spaCy makes after the first update.

It scores a pipeline that has learned nothing yet, and takes minutes on a large dev set.
"""

from typing import Any, Callable, Dict

from spacy.language import Language

# Marks the scores of an evaluation that was left out. spaCy's loop needs numbers at step 0.
LEFT_OUT = "first_evaluation_left_out"


def create_skip_first_evaluation(skip: bool = True) -> Callable[[Language, Dict[str, int]], None]:
    """Make a callback for `[training.before_update]` that leaves out the evaluation at step 0.

    The first evaluation then comes at step `eval_frequency`. Its pipeline becomes `model-best`, unless a score is below
    0. Until then, `model-best` is the pipeline of step 0 with the score 0. If `max_steps` ends the training before step
    `eval_frequency`, nothing is left out.

    skip (bool): leave it out; false for spaCy's behaviour.
    """

    def skip_first_evaluation(nlp: Language, progress: Dict[str, int]) -> None:
        if not skip or progress["step"] > 0:
            return
        training = nlp.config.interpolate()["training"]
        if 0 < training["max_steps"] < training["eval_frequency"]:
            return
        # spaCy drops the weight of every score that an evaluation lacks, for all later evaluations too.
        scores = {name: 0.0 for name, weight in training["score_weights"].items() if weight is not None}

        def evaluate(*args: Any, **kwargs: Any) -> Dict[str, Any]:
            del nlp.evaluate
            return {**scores, LEFT_OUT: 1.0}

        nlp.evaluate = evaluate  # type: ignore[method-assign]

    return skip_first_evaluation
