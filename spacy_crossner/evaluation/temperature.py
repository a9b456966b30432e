"""Calibration: fit the temperature and the score threshold of a trained component on dev data."""

from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from spacy.language import Language
from spacy.tokens import Doc

from ..annotations.domains import without_annotation
from ..core.component import SequenceNER
from ..data.docbin import read_docbin
from ..errors import CrossnerError
from ..fingerprints import path_digest
from ..storage.loading import load_pipeline
from ..storage.outputs import check_new, check_outside, write_pipeline
from .calibration import Judged, calibration, fit_temperature, log_loss, threshold_curve
from .predicting import check_annotated

# The key of the results in meta.json, for the model card.
CALIBRATION_KEY = "spacy_crossner_calibration"
THRESHOLDS = tuple(i / 100 for i in range(100))

C206 = "[C206] The pipeline '{model}' has no component of spacy-crossner{named}; it has {names}."
C213 = "[C213] {data}: its {count} sentences have no entity to calibrate on. Give dev data with entities."


class Scorer:
    """The scores that a component gives to its entities on docs that it was not trained on.

    nlp (Language): the pipeline.
    gold (Sequence[Doc]): annotated docs.
    component (str): the component's name.
    """

    def __init__(self, nlp: Language, gold: Sequence[Doc], component: str) -> None:
        pipe = nlp.get_pipe(component)
        assert isinstance(pipe, SequenceNER)
        self.pipe = pipe
        self.batch_size = nlp.batch_size
        docs = [without_annotation(doc, nlp.vocab) for doc in gold]
        position = nlp.pipe_names.index(component)
        with nlp.select_pipes(enable=nlp.pipe_names[:position]):
            self.docs = list(nlp.pipe(docs))
        self.expected = [{(ent.start, ent.end, ent.label_) for ent in doc.ents} for doc in gold]
        # As in `evaluate`: an entity that overlaps an unannotated token is not counted.
        self.is_annotated = [doc.to_array("ENT_IOB") > 0 for doc in gold]
        self.n_gold = sum(len(spans) for spans in self.expected)

    def judge(self, temperature: float) -> Judged:
        """Return the scores of all entities at a temperature, without a threshold."""
        pipe, judged = self.pipe, Judged([], [])
        before = pipe.threshold, pipe.temperature
        pipe.threshold, pipe.cfg["temperature"] = 0.0, temperature
        try:
            for first_doc in range(0, len(self.docs), self.batch_size):
                predictions = pipe.predict(self.docs[first_doc : first_doc + self.batch_size])
                for i, prediction in enumerate(predictions, first_doc):
                    for start, end, label, value in prediction.spans:
                        if self.is_annotated[i][start:end].all():
                            judged.scores.append(value)
                            judged.correct.append((start, end, label) in self.expected[i])
        finally:
            pipe.threshold, pipe.cfg["temperature"] = before
        return judged

    def f(self, temperature: float, threshold: float) -> float:
        """Return F1 at a temperature and a threshold."""
        (row,) = threshold_curve(*self.judge(temperature), self.n_gold, [threshold])
        return row["f"]


def fit_scores(scorers: Sequence[Scorer], *, threshold: bool = True) -> Dict[str, Any]:
    """Fit one temperature and one threshold for the entities of all scorers together.

    The temperature minimizes the log-loss of the scores as probabilities that an entity is right. It does not change
    the predicted entities. The threshold maximizes F1 after entities with a lower score are dropped.

    scorers (Sequence[Scorer]): one for each pipeline and its docs, at least one.
    threshold (bool): fit the threshold. If False, it is 0.
    RETURNS (Dict[str, Any]): `entities`: the number of predicted entities; `temperature`, `log_loss`, `ece` and
        `f`, each with `before` and `after`; `threshold`. Without predicted entities the temperature stays and the
        scores are 0.
    """

    def judge(temperature: float) -> Judged:
        parts = [scorer.judge(temperature) for scorer in scorers]
        return Judged([x for part in parts for x in part.scores], [x for part in parts for x in part.correct])

    start_temperature = scorers[0].pipe.temperature
    judged_before = judge(start_temperature)
    temperature = start_temperature
    if judged_before.scores:
        temperature = fit_temperature(lambda value: log_loss(*judge(value)))
    judged_after = judge(temperature)
    n_gold = sum(scorer.n_gold for scorer in scorers)
    curve = threshold_curve(*judged_after, n_gold, THRESHOLDS if threshold else THRESHOLDS[:1])
    best = max(curve, key=lambda row: row["f"])
    return {
        "entities": len(judged_before.scores),
        "threshold": best["threshold"],
        "f": {"before": curve[0]["f"], "after": best["f"]},
        "temperature": {"before": start_temperature, "after": temperature},
        "log_loss": {"before": log_loss(*judged_before), "after": log_loss(*judged_after)},
        "ece": {"before": calibration(*judged_before)["ece"], "after": calibration(*judged_after)["ece"]},
    }


def calibrate(nlp: Language, gold: Sequence[Doc], component: str, *, threshold: bool = True) -> Dict[str, Any]:
    """Fit the temperature of a component and its threshold, and set them. See `fit_scores`.

    nlp (Language): the pipeline.
    gold (Sequence[Doc]): annotated docs that the component was not trained on.
    component (str): the component's name.
    threshold (bool): fit the threshold. If False, it is 0. A threshold in the component's config takes precedence.
    RETURNS (Dict[str, Any]): `component`, and the result of `fit_scores`.
    """
    scorer = Scorer(nlp, gold, component)
    fitted = fit_scores([scorer], threshold=threshold)
    scorer.pipe.cfg["temperature"] = fitted["temperature"]["after"]
    scorer.pipe.cfg["threshold"] = fitted["threshold"]
    return {"component": component, **fitted}


def calibrate_files(
    model: str,
    data: Path,
    output: Path,
    *,
    component: Optional[str] = None,
    threshold: bool = True,
    force: bool = False,
    gpu_id: int = -1,
) -> List[Dict[str, Any]]:
    """Load a pipeline, calibrate its components on a DocBin and save the pipeline, with the results in its meta data.

    model (str): the folder of a pipeline or the name of an installed one. It is not changed.
    data (Path): the annotated DocBin.
    output (Path): the folder for the calibrated pipeline, written completely or not at all.
    component (Optional[str]): the component's name. Default: all components of this package.
    threshold (bool): also fit the threshold.
    force (bool): replace a saved pipeline in the output folder.
    gpu_id (int): the GPU, -1 for the CPU.
    RETURNS (List[Dict[str, Any]]): the result of `calibrate` for each component.
    RAISES (CrossnerError): an input is missing, or the output exists; with `force`, if the output is not a pipeline or
        contains an input.
    """
    check_new(output, force)
    for input_path in (Path(model), data):
        check_outside(output, input_path)
    nlp = load_pipeline(model, gpu_id)
    names = [name for name, pipe in nlp.pipeline if isinstance(pipe, SequenceNER) and component in (None, name)]
    if not names:
        named = f" named '{component}'" if component else ""
        raise CrossnerError(C206.format(model=model, named=named, names=", ".join(nlp.pipe_names) or "none"))
    gold = read_docbin(data, nlp.vocab)
    check_annotated(gold, str(data))
    if not any(doc.ents for doc in gold):
        raise CrossnerError(C213.format(data=data, count=len(gold)))
    results = [calibrate(nlp, gold, name, threshold=threshold) for name in names]
    nlp.meta[CALIBRATION_KEY] = {
        "pipeline": path_digest(Path(model)),
        "data": {"file": data.name, "sentences": len(gold)},
        "components": results,
    }
    write_pipeline(nlp, output)
    return results
