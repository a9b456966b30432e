"""A report of a pipeline's scores and mistakes: one HTML page that needs nothing else."""

from collections import Counter
from importlib import resources
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from spacy.tokens import Doc, Span

from ..annotations.experts import get_experts
from ..data.files import check_output, write_files
from .evaluate import Predicted, score_files
from .experts import experts_html
from .mistakes import KINDS, Verdict, confusion, judge

# Hues of the types, in the order of their frequency; further ones begin anew.
HUES = (210, 30, 120, 280, 0, 170, 60, 320, 90, 240, 15, 190, 45, 300)
# Sentences whose gate is drawn, the worst first: each drawing is as large as ten sentences.
DRAWN = 40


class Piece(NamedTuple):
    """A stretch of a sentence's text.

    text (str): the text, with the space after it.
    label (str): the type of the entity that it is, "" for none.
    kind (str): what is wrong with it.
    score (Optional[float]): its score.
    """

    text: str
    label: str = ""
    kind: str = ""
    score: Optional[float] = None


class Sentence(NamedTuple):
    """A sentence of the report.

    number (int): its place in the data, from 1.
    text (str): its text.
    gold (List[Piece]): the text with the gold entities.
    found (List[Piece]): the text with the found ones.
    kinds (List[str]): what is wrong in it.
    mistakes (int): how many entities are not right.
    gate (Markup): the confidences of experts, if there are any.
    """

    number: int
    text: str
    gold: List[Piece]
    found: List[Piece]
    kinds: List[str]
    mistakes: int
    gate: Markup


def make_report(scores: Dict[str, Any], found: Predicted) -> str:
    """Return the report as HTML: scores, confusion, calibration, and every sentence, those with most mistakes first.

    scores (Dict[str, Any]): see `evaluate_files`.
    found (Predicted): what was scored.
    """
    verdicts = [judge(gold, doc) for gold, doc in zip(found.gold, found.docs, strict=True)]
    everything = [verdict for row in verdicts for verdict in row]
    types = list(scores["strict"]["per_type"])
    types += sorted({verdict.found.label_ for verdict in everything if verdict.found} - set(types))
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
        kind_counts=Counter(verdict.kind for verdict in everything),
        confusion=confusion(everything),
        sentences=sort_sentences(found, verdicts),
        style=Markup(style),
        script=Markup(script),
    )


def sort_sentences(found: Predicted, verdicts: Sequence[List[Verdict]]) -> List[Sentence]:
    """Return the sentences, those with most mistakes first, of equals those whose wrong entities have higher scores."""
    order = sorted(range(len(verdicts)), key=lambda i: (*_badness(verdicts[i]), i))
    rows = []
    for place, i in enumerate(order):
        gold, doc, row = found.gold[i], found.docs[i], verdicts[i]
        wrong = [verdict for verdict in row if verdict.kind != "right"]
        has_gate = get_experts(doc) is not None and len(doc) and place < DRAWN
        rows.append(
            Sentence(
                number=i + 1,
                text=doc.text,
                gold=list(cut(gold, {verdict.gold: verdict for verdict in row if verdict.gold})),
                found=list(cut(doc, {verdict.found: verdict for verdict in row if verdict.found})),
                kinds=sorted({verdict.kind for verdict in row}),
                mistakes=len(wrong),
                gate=Markup(experts_html(doc)) if has_gate else Markup(""),
            )
        )
    return rows


def cut(doc: Doc, verdicts: Dict[Span, Verdict]) -> Iterator[Piece]:
    """Cut the text of a doc at the entities that were judged."""
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
    """Load a pipeline, score it on a DocBin and write the report; for the arguments see `evaluate_files`.

    RETURNS (Dict[str, Any]): the scores.
    """
    check_output(Path(output), map(Path, (data, *drop_seen)))
    scores, found = score_files(model, data, drop_seen=drop_seen, gpu_id=gpu_id, batch_size=batch_size)
    write_files({Path(output): make_report(scores, found).encode("utf8")})
    return scores


def _badness(verdicts: Sequence[Verdict]) -> Tuple[int, float]:
    wrong = [verdict for verdict in verdicts if verdict.kind != "right"]
    return -len(wrong), -max((verdict.score or 0.0 for verdict in wrong), default=0.0)
