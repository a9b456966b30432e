"""Report the scores and mistakes of a pipeline as one self-contained HTML page."""

from collections import Counter
from importlib import resources
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from spacy.tokens import Doc, Span

from ..annotations.experts import get_experts
from ..data.files import check_output, write_files
from .evaluate import score_files
from .experts import experts_html
from .mistakes import KINDS, Verdict, confusion, judge
from .predicting import Predictions

# Hues of the entity types, the most frequent type first. Further types reuse the hues from the start.
HUES = (210, 30, 120, 280, 0, 170, 60, 320, 90, 240, 15, 190, 45, 300)
# Number of sentences with a plot of the gate, worst sentences first. A plot is as large as ten sentences.
DRAWN = 40


class Piece(NamedTuple):
    """A part of a sentence: an entity, or text between entities.

    text (str): the text, with the space after it.
    label (str): the type of the entity; "" outside of entities.
    kind (str): the entity's kind of mistake, see `KINDS`.
    score (Optional[float]): the entity's score.
    """

    text: str
    label: str = ""
    kind: str = ""
    score: Optional[float] = None


class Sentence(NamedTuple):
    """A sentence of the report.

    number (int): its position in the data, from 1.
    text (str): its text.
    gold (List[Piece]): the text with the gold entities.
    predicted (List[Piece]): the text with the predicted entities.
    kinds (List[str]): the kinds of mistakes in it.
    mistakes (int): number of entities that are not right.
    gate (Markup): the confidences of the experts; empty without experts.
    """

    number: int
    text: str
    gold: List[Piece]
    predicted: List[Piece]
    kinds: List[str]
    mistakes: int
    gate: Markup


def make_report(scores: Dict[str, Any], predictions: Predictions) -> str:
    """Return the report as HTML: scores, confusion matrix, calibration, and all sentences, worst sentences first.

    scores (Dict[str, Any]): the scores, see `evaluate_files`.
    predictions (Predictions): the scored predictions.
    """
    verdicts = [judge(gold, doc) for gold, doc in zip(predictions.gold, predictions.docs, strict=True)]
    all_verdicts = [verdict for sentence_verdicts in verdicts for verdict in sentence_verdicts]
    types = list(scores["strict"]["per_type"])
    types += sorted({verdict.predicted.label_ for verdict in all_verdicts if verdict.predicted} - set(types))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = lambda value: f"{100 * value:.1f}"
    folder = resources.files(__package__) / "page"
    template, style, script = (
        (folder / name).read_text(encoding="utf8") for name in ("page.html", "page.css", "page.js")
    )
    return environment.from_string(template).render(
        scores=scores,
        types=types,
        hues={label: HUES[i % len(HUES)] for i, label in enumerate(types)},
        kinds=KINDS,
        kind_counts=Counter(verdict.kind for verdict in all_verdicts),
        confusion=confusion(all_verdicts),
        sentences=sort_sentences(predictions, verdicts),
        style=Markup(style),
        script=Markup(script),
    )


def sort_sentences(predictions: Predictions, verdicts: Sequence[List[Verdict]]) -> List[Sentence]:
    """Return the sentences, sorted by the number of mistakes and then by the highest score of a wrong entity."""
    order = sorted(range(len(verdicts)), key=lambda i: (*_worst_first(verdicts[i]), i))
    rows = []
    for rank, i in enumerate(order):
        gold, predicted, sentence_verdicts = predictions.gold[i], predictions.docs[i], verdicts[i]
        wrong = [verdict for verdict in sentence_verdicts if verdict.kind != "right"]
        has_gate = get_experts(predicted) is not None and len(predicted) and rank < DRAWN
        rows.append(
            Sentence(
                number=i + 1,
                text=predicted.text,
                gold=list(
                    cut_at_entities(gold, {verdict.gold: verdict for verdict in sentence_verdicts if verdict.gold})
                ),
                predicted=list(
                    cut_at_entities(
                        predicted, {verdict.predicted: verdict for verdict in sentence_verdicts if verdict.predicted}
                    )
                ),
                kinds=sorted({verdict.kind for verdict in sentence_verdicts}),
                mistakes=len(wrong),
                gate=Markup(experts_html(predicted)) if has_gate else Markup(""),
            )
        )
    return rows


def cut_at_entities(doc: Doc, verdicts: Dict[Span, Verdict]) -> Iterator[Piece]:
    """Cut the text of a doc at the entities that have a verdict."""
    end = 0
    for ent, verdict in sorted(verdicts.items(), key=lambda pair: pair[0].start):
        if ent.start > end:
            yield Piece(doc[end : ent.start].text_with_ws)
        score = None if ent is verdict.gold else verdict.score
        yield Piece(ent.text, ent.label_, verdict.kind, score)
        if ent[-1].whitespace_:
            yield Piece(" ")
        end = ent.end
    if end < len(doc):
        yield Piece(doc[end:].text_with_ws)


def report_files(
    model: str,
    data: Path,
    output: Path,
    *,
    drop_seen: Sequence[Path] = (),
    gpu_id: int = -1,
    batch_size: Optional[int] = None,
) -> Dict[str, Any]:
    """Load a pipeline, score it on a DocBin and write the report. See `evaluate_files` for the arguments.

    RETURNS (Dict[str, Any]): the scores.
    """
    check_output(Path(output), map(Path, (data, *drop_seen)))
    scores, predictions = score_files(model, data, drop_seen=drop_seen, gpu_id=gpu_id, batch_size=batch_size)
    write_files({Path(output): make_report(scores, predictions).encode("utf8")})
    return scores


def _worst_first(verdicts: Sequence[Verdict]) -> Tuple[int, float]:
    wrong = [verdict for verdict in verdicts if verdict.kind != "right"]
    return -len(wrong), -max((verdict.score or 0.0 for verdict in wrong), default=0.0)
