"""The import forms of annotation tools: texts with the entities that a pipeline suggests, for a person to correct."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, NamedTuple, Optional, Sequence, Tuple
from xml.sax.saxutils import quoteattr

from ...errors import CrossnerError, Errors

# Names of the labels and of the text in the labelling interface of Label Studio.
LABELS_NAME, TEXT_NAME = "label", "text"
# The name under which Label Studio lists the predictions.
MODEL_VERSION = "spacy-crossner"


class SuggestedSpan(NamedTuple):
    """An entity: start and end in characters, its label, and its score; None without a score."""

    start: int
    end: int
    label: str
    score: Optional[float]


@dataclass(frozen=True)
class Suggestion:
    """A text for an annotator, with the entities that a pipeline suggests.

    text (str): the text.
    tokens (Sequence[Tuple[int, int]]): start and end of its tokens in characters. Spans consist of whole tokens.
    spans (Sequence[SuggestedSpan]): the entities, in order, without overlaps.
    uncertainty (float): how unsure the pipeline is, in [0, 1].
    """

    text: str
    tokens: Sequence[Tuple[int, int]]
    spans: Sequence[SuggestedSpan]
    uncertainty: float


class ImportForm(NamedTuple):
    """The import form of a tool: the ending of its files, and the function that writes one."""

    suffix: str
    write: Callable[[Sequence[Suggestion]], str]


def to_label_studio(suggestions: Sequence[Suggestion]) -> str:
    """Return tasks for Label Studio, as one JSON list. Entities are predictions, and offsets count code points.

    The score of a prediction is 1 minus the uncertainty: Label Studio can give the tasks of the lowest scores first.
    """
    tasks = []
    for number, suggestion in enumerate(suggestions):
        results = [
            {
                "id": f"{number}-{span.start}",
                "type": "labels",
                "from_name": LABELS_NAME,
                "to_name": TEXT_NAME,
                "value": {
                    "start": span.start,
                    "end": span.end,
                    "text": suggestion.text[span.start : span.end],
                    "labels": [span.label],
                },
                **_with_score(span),
            }
            for span in suggestion.spans
        ]
        score = round(1 - suggestion.uncertainty, 4)
        prediction = {"model_version": MODEL_VERSION, "score": score, "result": results}
        data = {TEXT_NAME: suggestion.text, "uncertainty": suggestion.uncertainty}
        tasks.append({"data": data, "predictions": [prediction]})
    return json.dumps(tasks, ensure_ascii=False, indent=1) + "\n"


def to_prodigy(suggestions: Sequence[Suggestion]) -> str:
    """Return tasks for Prodigy's `ner.manual`, one on each line, with the tokens of the pipeline."""
    return _json_lines(map(_prodigy_task, suggestions))


def _prodigy_task(suggestion: Suggestion) -> Dict[str, Any]:
    starts = {start: number for number, (start, _) in enumerate(suggestion.tokens)}
    ends = {end: number for number, (_, end) in enumerate(suggestion.tokens)}
    tokens = [
        {
            "text": suggestion.text[start:end],
            "start": start,
            "end": end,
            "id": number,
            "ws": suggestion.text[end : end + 1] == " ",
        }
        for number, (start, end) in enumerate(suggestion.tokens)
    ]
    spans = [
        {
            "start": span.start,
            "end": span.end,
            "token_start": starts[span.start],
            # The last token, not the one after it.
            "token_end": ends[span.end],
            "label": span.label,
            **_with_score(span),
        }
        for span in suggestion.spans
    ]
    return {
        "text": suggestion.text,
        "tokens": tokens,
        "spans": spans,
        "meta": {"uncertainty": suggestion.uncertainty},
    }


def to_doccano(suggestions: Sequence[Suggestion]) -> str:
    """Return texts for doccano, one on each line, with [start, end, label] of each entity.

    Offsets count UTF-16 units, as doccano does unless a project counts grapheme clusters. Its labels have no scores:
    those of the entities, in order, are a field that doccano keeps.
    """
    return _json_lines(
        {
            "text": suggestion.text,
            "label": [
                [_utf16_length(suggestion.text[: span.start]), _utf16_length(suggestion.text[: span.end]), span.label]
                for span in suggestion.spans
            ],
            "scores": [span.score for span in suggestion.spans],
            "uncertainty": suggestion.uncertainty,
        }
        for suggestion in suggestions
    )


FORMS = {
    "label-studio": ImportForm(".json", to_label_studio),
    "prodigy": ImportForm(".jsonl", to_prodigy),
    "doccano": ImportForm(".jsonl", to_doccano),
}


def find_form(tool: str, output: Path) -> ImportForm:
    """Return the import form of a tool.

    tool (str): the tool, a key of `FORMS`.
    output (Path): the file to write.
    RAISES (CrossnerError): the tool is not known, or the file has the name of another form.
    """
    if tool not in FORMS:
        raise CrossnerError(Errors.C661.format(tool=tool, known=", ".join(FORMS)))
    if output.suffix != FORMS[tool].suffix:
        raise CrossnerError(Errors.C662.format(path=output, tool=tool, suffix=FORMS[tool].suffix))
    return FORMS[tool]


def label_studio_interface(labels: Iterable[str]) -> str:
    """Return the labelling interface of a Label Studio project that shows the tasks of `to_label_studio`."""
    choices = "".join(f"<Label value={quoteattr(label)}/>" for label in labels)
    return (
        f'<View><Labels name="{LABELS_NAME}" toName="{TEXT_NAME}">{choices}</Labels>'
        f'<Text name="{TEXT_NAME}" value="${TEXT_NAME}"/></View>'
    )


def _with_score(span: SuggestedSpan) -> Dict[str, float]:
    return {} if span.score is None else {"score": span.score}


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _json_lines(records: Iterable[Dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records)
