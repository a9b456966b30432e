"""Run a pipeline on annotated sentences."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, List, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.tokens import Doc

from ..annotations.domains import get_language, without_annotation
from ..data.faults import Fault, Faults
from ..data.normal_form import sentence_key
from ..data.running import TokenFit
from ..errors import CrossnerError
from .experts import experts_kept
from .from_text import measure_fit, predict_from_text

NO_ANNOTATION = Fault("C201", "entities or a gold 'no entity' annotation; text without annotation cannot be scored")
C202 = (
    "[C202] {source}: no sentence to score. The file holds {found} sentence(s), {dropped} of them dropped as seen in "
    "training. Give a file with other annotated sentences."
)


@dataclass(frozen=True)
class Predictions:
    """Annotated docs and a pipeline's predictions for them.

    gold (List[Doc]): the annotated docs.
    docs (List[Doc]): the same sentences with the pipeline's predictions.
    dropped_seen (int): number of docs left out because they were seen in training.
    seconds (float): prediction time after one warm-up batch.
    batch_size (int): docs in a batch.
    fit (TokenFit): how the gold entities fit the tokens of the pipeline's tokenizer.
    from_text (Optional[List[Doc]]): predictions on the untokenized text, if requested.
    notes (List[str]): messages for the user.
    """

    gold: List[Doc]
    docs: List[Doc]
    dropped_seen: int
    seconds: float
    batch_size: int
    fit: TokenFit
    from_text: Optional[List[Doc]] = None
    notes: List[str] = field(default_factory=list)


def check_annotated(gold: Sequence[Doc], source: str) -> None:
    """Check that each doc is annotated. Docs annotated as having no entity are allowed.

    gold (Sequence[Doc]): the docs.
    source (str): the name of the data.
    RAISES (DataError): a doc has no annotation.
    """
    for number, doc in enumerate(gold, 1):
        if len(doc) and not doc.has_annotation("ENT_IOB"):
            found = f"no annotation on sentence {number} ('{doc[:8].text} ...')"
            raise Faults(Path(source)).error(NO_ANNOTATION, None, found)


def predict(
    nlp: Language,
    gold: Sequence[Doc],
    *,
    drop_seen: Iterable[Doc] = (),
    batch_size: Optional[int] = None,
    source: str = "data",
    from_text: bool = False,
) -> Predictions:
    """Run a pipeline on annotated docs; see `evaluate`."""
    check_annotated(gold, source)
    unseen = _unseen(gold, drop_seen)
    if not unseen:
        raise CrossnerError(C202.format(source=source, found=len(gold), dropped=len(gold) - len(unseen)))
    batch_size = batch_size or nlp.batch_size
    with experts_kept(nlp):
        docs, seconds = _timed_predictions(nlp, unseen, batch_size)
    text_docs = predict_from_text(nlp, unseen, batch_size) if from_text else None
    n_dropped, fit = len(gold) - len(unseen), measure_fit(nlp, unseen)
    other_languages = {get_language(doc) for doc in unseen} - {None, nlp.lang}
    notes = [
        f"The data was converted as '{other}', but the pipeline's language is '{nlp.lang}'."
        for other in other_languages
    ]
    return Predictions(unseen, docs, n_dropped, seconds, batch_size, fit, text_docs, notes)


def _unseen(gold: Sequence[Doc], seen: Iterable[Doc]) -> List[Doc]:
    known = {sentence_key(doc.text) for doc in seen}
    return [doc for doc in gold if sentence_key(doc.text) not in known]


def _timed_predictions(nlp: Language, docs: Sequence[Doc], batch_size: int) -> Tuple[List[Doc], float]:
    """Return the docs with the pipeline's predictions, and the prediction time in seconds after one warm-up batch."""
    warm_up = [without_annotation(doc, nlp.vocab) for doc in docs[:batch_size]]
    for _ in nlp.pipe(warm_up, batch_size=batch_size):
        pass
    inputs = [without_annotation(doc, nlp.vocab) for doc in docs]
    start = time.perf_counter()
    predicted = list(nlp.pipe(inputs, batch_size=batch_size))
    return predicted, time.perf_counter() - start
