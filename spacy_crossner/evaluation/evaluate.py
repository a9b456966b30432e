"""Score a pipeline on annotated sentences: strict and lenient scores, calibration, and words per second."""

import json
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.tokens import Doc

from ..annotations.scores import get_score
from ..annotations.tags import OUTSIDE, TAGS_KEY, bio_to_spans, spans_to_bio
from ..data.docbin import read_docbin
from ..data.files import check_output, write_files
from ..errors import CrossnerError
from ..storage.loading import load_pipeline
from .calibration import Judged, calibration, threshold_curve
from .experts import gate_accuracy
from .from_text import text_scores
from .metrics import RULE, conlleval_scores, count_illegal, strict_scores, untyped_scores
from .mistakes import count_entities
from .predicting import Predictions, predict
from .provenance import device_name, sha256_of, versions

C205 = (
    "[C205] The pipeline changed the tokens of sentence {number} from {gold} to {predicted}. Scores need the gold "
    "tokens: remove components that merge or split tokens."
)


def evaluate(
    nlp: Language,
    gold: Sequence[Doc],
    *,
    drop_seen: Iterable[Doc] = (),
    batch_size: Optional[int] = None,
    source: str = "data",
    from_text: bool = False,
) -> Dict[str, Any]:
    """Score a pipeline on annotated docs, with the gold tokens and domain marks as its input.

    A predicted entity that overlaps an unannotated token is not counted, as in spaCy's own scorer.

    nlp (Language): the pipeline.
    gold (Sequence[Doc]): the annotated docs, one sentence each.
    drop_seen (Iterable[Doc]): docs whose sentences are removed from `gold`, compared by normalized text.
    batch_size (Optional[int]): docs in a batch. Default: `nlp.batch_size`.
    source (str): the name of the data in error messages.
    from_text (bool): also score the predictions on untokenized text, see `text_scores`.
    RETURNS (Dict[str, Any]): the scores, which can be written as JSON. `strict` with `p`, `r`, `f` and `per_type`;
        `conlleval` and `untyped` with `p`, `r`, `f`; all in [0, 1]. `calibration`: expected calibration error and
        reliability table. `thresholds`: strict scores of the entities above each threshold. Both are None if an entity
        has no score. `gate`: accuracy of the gate of a mixture of experts, see `gate_accuracy`. `token_fit`: the number
        of `entities`, and of `misfits`, which begin or end inside a token of `nlp(text)`, with `share` and `examples`.
        `from_text`: see `text_scores`, or None. `illegal_tags`: number of predicted I- tags without a preceding tag of
        the same type. `notes`: messages for the user. The numbers of `sentences`, `words`, `entities`,
        `predicted_entities` and `dropped_seen` sentences. `per_sentence`: the numbers of right, predicted and gold
        entities. `seconds` of prediction after one warm-up batch, `words_per_second`, `batch_size`.
    RAISES (CrossnerError): a sentence has no annotation, no sentence is left, or the pipeline changes the tokens.
    """
    return score(predict(nlp, gold, drop_seen=drop_seen, batch_size=batch_size, source=source, from_text=from_text))


def score(predictions: Predictions) -> Dict[str, Any]:
    """Return the scores of `evaluate`.

    predictions (Predictions): annotated docs and their predictions.
    RAISES (CrossnerError): the pipeline has changed the tokens.
    """
    gold, predicted = predictions.gold, predictions.docs
    gold_tags, predicted_tags = _aligned_tags(gold, predicted)
    n_words = sum(len(doc) for doc in gold)
    judged_entities = _judged(gold, predicted)
    n_entities = sum(len(bio_to_spans(tags)) for tags in gold_tags)
    return {
        "strict": strict_scores(gold_tags, predicted_tags),
        "conlleval": conlleval_scores(gold_tags, predicted_tags),
        "untyped": untyped_scores(gold_tags, predicted_tags),
        "calibration": calibration(*judged_entities) if judged_entities else None,
        "thresholds": threshold_curve(*judged_entities, n_gold=n_entities) if judged_entities else None,
        "gate": gate_accuracy(gold, predicted),
        "token_fit": predictions.fit.to_json(),
        "from_text": text_scores(gold, predictions.from_text) if predictions.from_text is not None else None,
        "notes": [*predictions.notes, *([predictions.fit.note()] if predictions.fit.misfits else [])],
        "rule": RULE,
        "illegal_tags": sum(count_illegal(tags) for tags in predicted_tags),
        "sentences": len(gold),
        "words": n_words,
        "entities": n_entities,
        "predicted_entities": sum(len(bio_to_spans(tags)) for tags in predicted_tags),
        "per_sentence": count_entities(gold, predicted).tolist(),
        "dropped_seen": predictions.dropped_seen,
        "seconds": predictions.seconds,
        "words_per_second": n_words / predictions.seconds,
        "batch_size": predictions.batch_size,
    }


def evaluate_files(
    model: str,
    data: Path,
    output: Optional[Path] = None,
    *,
    drop_seen: Sequence[Path] = (),
    gpu_id: int = -1,
    batch_size: Optional[int] = None,
    from_text: bool = False,
) -> Dict[str, Any]:
    """Load a pipeline, score it on a DocBin and write the scores.

    model (str): the folder of a pipeline or the name of an installed one.
    data (Path): the annotated DocBin.
    output (Optional[Path]): the JSON file for the scores, written completely or not at all.
    drop_seen (Sequence[Path]): DocBins whose sentences are removed from `data`.
    gpu_id (int): the GPU, -1 for the CPU.
    batch_size (Optional[int]): docs in a batch. Default: the batch size of the pipeline.
    from_text (bool): also score the predictions on untokenized text.
    RETURNS (Dict[str, Any]): the scores of `evaluate` and their inputs: `model`, `data` with its `sha256`, `drop_seen`,
        `device`, `versions`.
    RAISES (CrossnerError): the pipeline, the data or the GPU is missing; or see `evaluate`, `read_docbin` and
        `check_output`.
    """
    if output is not None:
        check_output(Path(output), map(Path, (data, *drop_seen)))
    scores, _ = score_files(model, data, drop_seen=drop_seen, gpu_id=gpu_id, batch_size=batch_size, from_text=from_text)
    if output is not None:
        write_files({Path(output): (json.dumps(scores, indent=2, ensure_ascii=False) + "\n").encode("utf8")})
    return scores


def score_files(
    model: str,
    data: Path,
    *,
    drop_seen: Sequence[Path] = (),
    gpu_id: int = -1,
    batch_size: Optional[int] = None,
    from_text: bool = False,
) -> Tuple[Dict[str, Any], Predictions]:
    """Load a pipeline and score it on a DocBin; return the scores (see `evaluate_files`) and the predictions."""
    data = Path(data)
    digest = sha256_of(data)
    nlp = load_pipeline(model, gpu_id)
    gold = read_docbin(data, nlp.vocab)
    seen = [doc for path in drop_seen for doc in read_docbin(Path(path), nlp.vocab)]
    predictions = predict(nlp, gold, drop_seen=seen, batch_size=batch_size, source=str(data), from_text=from_text)
    scores = {
        "model": {"path": str(model), **{key: nlp.meta[key] for key in ("lang", "name", "version")}},
        "data": {"path": str(data), "sha256": digest},
        "drop_seen": [str(path) for path in drop_seen],
        "device": device_name(gpu_id),
        "versions": versions(),
        **score(predictions),
    }
    return scores, predictions


def _words(doc: Doc) -> Tuple[str, ...]:
    return tuple(token.text for token in doc)


def _aligned_tags(gold: Sequence[Doc], predicted: Sequence[Doc]) -> Tuple[List[List[str]], List[List[str]]]:
    """Return the tags of gold and predicted docs, without predictions on tokens that have no gold annotation."""
    gold_tags, predicted_tags = [], []
    for number, (expected, doc) in enumerate(zip(gold, predicted, strict=True), 1):
        if _words(doc) != _words(expected):
            raise CrossnerError(C205.format(number=number, gold=len(expected), predicted=len(doc)))
        gold_tags.append(_ents_to_tags(expected))
        tags = list(doc.user_data.get(TAGS_KEY) or _ents_to_tags(doc))
        entities = {(ent.start, ent.end, ent.label_) for ent in doc.ents}
        spans = bio_to_spans(tags)
        if not entities <= set(spans):
            # Another component has changed the entities after the tagger.
            tags = _ents_to_tags(doc)
            spans = []
        for start, end, label in set(spans) - entities:
            # A threshold or another component has removed this entity. Entities that begin with I- can stay: strict
            # scores ignore them.
            if tags[start] == f"B-{label}":
                tags[start:end] = [OUTSIDE] * (end - start)
        missing = {token.i for token in expected if token.ent_iob == 0}
        for start, end, _ in bio_to_spans(tags):
            if not missing.isdisjoint(range(start, end)):
                tags[start:end] = [OUTSIDE] * (end - start)
        predicted_tags.append(tags)
    return gold_tags, predicted_tags


def _judged(gold: Sequence[Doc], predicted: Sequence[Doc]) -> Optional[Judged]:
    """Return the predicted entities without unannotated tokens; None if one of them has no score."""
    judged = Judged([], [])
    for expected, doc in zip(gold, predicted, strict=True):
        right = {(ent.start, ent.end, ent.label_) for ent in expected.ents}
        for ent in doc.ents:
            if all(token.ent_iob for token in expected[ent.start : ent.end]):
                score = get_score(ent)
                if score is None:
                    return None
                judged.scores.append(score)
                judged.correct.append((ent.start, ent.end, ent.label_) in right)
    return judged


def _ents_to_tags(doc: Doc) -> List[str]:
    return spans_to_bio([(span.start, span.end, span.label_) for span in doc.ents], len(doc))
