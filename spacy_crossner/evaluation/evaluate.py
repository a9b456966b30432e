"""Run a pipeline over annotated sentences and score it: strict, lenient, and words per second."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.tokens import Doc

from ..annotations.domains import get_language, without_annotation
from ..annotations.scores import get_score
from ..annotations.tags import OUTSIDE, TAGS_KEY, bio_to_spans, spans_to_bio
from ..data.docbin import read_docbin
from ..data.faults import Fault, Faults
from ..data.files import check_output, write_files
from ..data.normal_form import sentence_key
from ..data.running import TokenFit
from ..errors import CrossnerError
from ..storage.loading import load_pipeline
from .calibration import Judged, calibration, threshold_curve
from .experts import experts_kept, gate_accuracy
from .from_text import measure_fit, predict_from_text, text_scores
from .metrics import RULE, conlleval_scores, count_illegal, strict_scores, untyped_scores
from .mistakes import count_entities
from .provenance import sha256_of, versions

NO_ANNOTATION = Fault("C201", "entities or a gold 'no entity' on it; text without annotation cannot be scored")
C202 = "[C202] {source}: no sentence to score: the file holds {found}, {dropped} of them dropped as seen in training."
C205 = (
    "[C205] The pipeline changed the tokens of sentence {number} from {gold} to {predicted}. Scores need the gold "
    "tokens: take out components that merge or split tokens."
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

    A predicted entity that touches a token without annotation is neither right nor wrong and is left out, as in
    spaCy's own scorer.

    nlp (Language): the pipeline.
    gold (Sequence[Doc]): the annotated docs, a sentence each.
    drop_seen (Iterable[Doc]): gold docs with the text of one of these, by its normal form, are left out.
    batch_size (Optional[int]): docs in a batch; `nlp.batch_size` if not given.
    source (str): the name of the data in error messages.
    from_text (bool): also score what the pipeline finds in the running text, see `text_scores`.
    RETURNS (Dict[str, Any]): can be written as JSON. `strict` with `p`, `r`, `f` and `per_type`; `conlleval` and
        `untyped` with `p`, `r`, `f`, all in [0, 1]; `calibration`, the expected calibration error and the reliability
        table of the entities' scores, and `thresholds`, the strict figures when entities with a lower score are
        dropped, both None where an entity has no score; `gate`, the accuracy of a mixture's gate, see `gate_accuracy`;
        `token_fit`, the `entities` and those of them, `misfits`, that begin or end inside a token of `nlp(text)`, with
        `share` and `examples`; `from_text`, see `text_scores`, or None; `illegal_tags`, the predicted I- tags that
        nothing opens; `notes`, what the user should know of; the numbers of `sentences`, `words`, `entities`,
        `predicted_entities` and `dropped_seen` sentences; `per_sentence`, how many entities are right, found and gold
        in each; `seconds` of prediction after one batch for warming up; `words_per_second`; `batch_size`.
    RAISES (CrossnerError): a sentence has no annotation, none is left, or the pipeline changes the tokens.
    """
    return score(predict(nlp, gold, drop_seen=drop_seen, batch_size=batch_size, source=source, from_text=from_text))


@dataclass(frozen=True)
class Predicted:
    """Annotated docs and what a pipeline found in them.

    gold (List[Doc]): the annotated docs.
    docs (List[Doc]): the same sentences as the pipeline annotates them.
    dropped_seen (int): docs that were left out, as they were seen in training.
    seconds (float): time of the prediction, after one batch for warming up.
    batch_size (int): docs in a batch.
    fit (TokenFit): how the gold entities fit the pipeline's own tokens.
    from_text (Optional[List[Doc]]): what it found in the running text of the docs, if that was asked for.
    notes (List[str]): what the user should know of.
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
    """Check that each doc is annotated, be it that there is no entity in it.

    gold (Sequence[Doc]): the docs.
    source (str): the name of the data.
    RAISES (DataError): one is not.
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
) -> Predicted:
    """Run a pipeline on annotated docs; see `evaluate`."""
    check_annotated(gold, source)
    kept = _unseen(gold, drop_seen)
    if not kept:
        raise CrossnerError(C202.format(source=source, found=len(gold), dropped=len(gold) - len(kept)))
    batch_size = batch_size or nlp.batch_size
    with experts_kept(nlp):
        docs, seconds = _timed_predictions(nlp, kept, batch_size)
    in_text = predict_from_text(nlp, kept, batch_size) if from_text else None
    dropped, fit = len(gold) - len(kept), measure_fit(nlp, kept)
    others = {get_language(doc) for doc in kept} - {None, nlp.lang}
    notes = [f"The text was converted as '{other}', the pipeline's language is '{nlp.lang}'." for other in others]
    return Predicted(kept, docs, dropped, seconds, batch_size, fit, in_text, notes)


def score(found: Predicted) -> Dict[str, Any]:
    """Return the scores of `evaluate`.

    found (Predicted): annotated docs and predictions.
    RAISES (CrossnerError): the pipeline has changed the tokens.
    """
    kept, predicted = found.gold, found.docs
    gold_tags, predicted_tags = _aligned_tags(kept, predicted)
    words = sum(len(doc) for doc in kept)
    judged = _judged(kept, predicted)
    entities = sum(len(bio_to_spans(tags)) for tags in gold_tags)
    return {
        "strict": strict_scores(gold_tags, predicted_tags),
        "conlleval": conlleval_scores(gold_tags, predicted_tags),
        "untyped": untyped_scores(gold_tags, predicted_tags),
        "calibration": calibration(*judged) if judged else None,
        "thresholds": threshold_curve(*judged, n_gold=entities) if judged else None,
        "gate": gate_accuracy(kept, predicted),
        "token_fit": found.fit.to_json(),
        "from_text": text_scores(kept, found.from_text) if found.from_text is not None else None,
        "notes": [*found.notes, *([found.fit.note()] if found.fit.misfits else [])],
        "rule": RULE,
        "illegal_tags": sum(count_illegal(tags) for tags in predicted_tags),
        "sentences": len(kept),
        "words": words,
        "entities": entities,
        "predicted_entities": sum(len(bio_to_spans(tags)) for tags in predicted_tags),
        "per_sentence": count_entities(kept, predicted).tolist(),
        "dropped_seen": found.dropped_seen,
        "seconds": found.seconds,
        "words_per_second": words / found.seconds,
        "batch_size": found.batch_size,
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
    output (Optional[Path]): where to write the scores as JSON, complete or not at all.
    drop_seen (Sequence[Path]): DocBins whose sentences are left out of `data`.
    gpu_id (int): the GPU, -1 for the CPU.
    batch_size (Optional[int]): docs in a batch; the pipeline's own if not given.
    from_text (bool): also score what the pipeline finds in the running text.
    RETURNS (Dict[str, Any]): the scores of `evaluate`, and what was scored with what: `model`, `data` with its
        `sha256`, `drop_seen`, `device`, `versions`.
    RAISES (CrossnerError): the pipeline, the data or the GPU is not there, or as `evaluate`, `read_docbin`
        and `check_output` say.
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
) -> Tuple[Dict[str, Any], Predicted]:
    """Load a pipeline and score it on a DocBin; return the scores of `evaluate_files`, and what was scored."""
    data = Path(data)
    digest = sha256_of(data)
    nlp = load_pipeline(model, gpu_id)
    gold = read_docbin(data, nlp.vocab)
    seen = [doc for path in drop_seen for doc in read_docbin(Path(path), nlp.vocab)]
    found = predict(nlp, gold, drop_seen=seen, batch_size=batch_size, source=str(data), from_text=from_text)
    scores = {
        "model": {"path": str(model), **{key: nlp.meta[key] for key in ("lang", "name", "version")}},
        "data": {"path": str(data), "sha256": digest},
        "drop_seen": [str(path) for path in drop_seen],
        "device": "cpu" if gpu_id < 0 else f"gpu:{gpu_id}",
        "versions": versions(),
        **score(found),
    }
    return scores, found


def _unseen(gold: Sequence[Doc], seen: Iterable[Doc]) -> List[Doc]:
    known = {sentence_key(doc.text) for doc in seen}
    return [doc for doc in gold if sentence_key(doc.text) not in known]


def _words(doc: Doc) -> Tuple[str, ...]:
    return tuple(token.text for token in doc)


def _timed_predictions(nlp: Language, docs: Sequence[Doc], batch_size: int) -> Tuple[List[Doc], float]:
    """Return the docs as the pipeline annotates them, and the seconds that took once it was warm."""
    warm_up = [without_annotation(doc, nlp.vocab) for doc in docs[:batch_size]]
    for _ in nlp.pipe(warm_up, batch_size=batch_size):
        pass
    inputs = [without_annotation(doc, nlp.vocab) for doc in docs]
    start = time.perf_counter()
    predicted = list(nlp.pipe(inputs, batch_size=batch_size))
    return predicted, time.perf_counter() - start


def _aligned_tags(gold: Sequence[Doc], predicted: Sequence[Doc]) -> Tuple[List[List[str]], List[List[str]]]:
    """Return the tags of gold and predicted docs, predictions that cannot be judged left out."""
    gold_tags, predicted_tags = [], []
    for number, (expected, doc) in enumerate(zip(gold, predicted, strict=True), 1):
        if _words(doc) != _words(expected):
            raise CrossnerError(C205.format(number=number, gold=len(expected), predicted=len(doc)))
        gold_tags.append(_ents_to_tags(expected))
        tags = list(doc.user_data.get(TAGS_KEY) or _ents_to_tags(doc))
        entities = {(ent.start, ent.end, ent.label_) for ent in doc.ents}
        spans = bio_to_spans(tags)
        if not entities <= set(spans):
            # Another component has changed the entities since.
            tags = _ents_to_tags(doc)
            spans = []
        for start, end, label in set(spans) - entities:
            # A threshold or another component has taken it out; what an I- tag begins the strict reading leaves out.
            if tags[start] == f"B-{label}":
                tags[start:end] = [OUTSIDE] * (end - start)
        missing = {token.i for token in expected if token.ent_iob == 0}
        for start, end, _ in bio_to_spans(tags):
            if not missing.isdisjoint(range(start, end)):
                tags[start:end] = [OUTSIDE] * (end - start)
        predicted_tags.append(tags)
    return gold_tags, predicted_tags


def _judged(gold: Sequence[Doc], predicted: Sequence[Doc]) -> Optional[Judged]:
    """Return the predicted entities that can be judged; None if one of them has no score."""
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
