"""Scores of BIO tag sequences: strict (seqeval) and lenient (conlleval). Pure functions, figures in [0, 1].

The two differ only at an `I-X` that nothing opens, which a tagger without the BIO constraint may emit: in the strict
reading it is outside, in the lenient one it starts an entity.
"""

import warnings
from itertools import pairwise
from typing import Any, Dict, List, Sequence, TypedDict

from seqeval.metrics import classification_report
from seqeval.scheme import IOB2

from ..annotations.tags import OUTSIDE, bio_to_spans, split_tag

RULE = (
    "strict = strict IOB2, exact spans sentence by sentence (seqeval), an I- tag that nothing opens is outside; "
    "lenient = conlleval over one concatenated sequence, such a tag starts an entity; "
    "untyped = strict, whatever the types: how well entities are found at all"
)

Tags = List[str]


class PRF(TypedDict):
    """Precision, recall and F1."""

    p: float
    r: float
    f: float


class TypePRF(PRF):
    """Precision, recall and F1 of one entity type; `support` is the number of its gold entities."""

    support: int


class StrictScores(PRF):
    """Micro-averaged precision, recall and F1, and those of each type, the most frequent type first."""

    per_type: Dict[str, TypePRF]


def strict_scores(gold: Sequence[Tags], predicted: Sequence[Tags]) -> StrictScores:
    """Score exact spans in the strict IOB2 reading, sentence by sentence.

    gold (Sequence[Tags]): the BIO tags of each sentence.
    predicted (Sequence[Tags]): the same number of tags for each.
    RETURNS (StrictScores): 0 where a figure has no denominator.
    RAISES (ValueError): a tag is not BIO, or the lengths differ.
    """
    labels = _labels([*gold, *predicted])
    report = _report(_encode(gold, labels), _encode(predicted, labels), mode="strict", scheme=IOB2)
    per_type: Dict[str, TypePRF] = {}
    for label, code in labels.items():
        # A label is missing where its only tags are I- tags that nothing opens.
        if code in report:
            per_type[label] = {**_prf(report[code]), "support": int(report[code]["support"])}
    ranked = sorted(per_type.items(), key=lambda item: (-item[1]["support"], item[0]))
    return {**_prf(report["micro avg"]), "per_type": dict(ranked)}


def conlleval_scores(gold: Sequence[Tags], predicted: Sequence[Tags]) -> PRF:
    """Score as the published CrossNER code does: conlleval on all sentences joined to one sequence.

    Without a boundary between sentences, an `I-X` at the start of a sentence continues an entity X at the end of the
    sentence before.

    gold (Sequence[Tags]): the BIO tags of each sentence.
    predicted (Sequence[Tags]): the same number of tags for each.
    RETURNS (PRF): micro-averaged; 0 where a figure has no denominator.
    RAISES (ValueError): a tag is not BIO, or the lengths differ.
    """
    _check_lengths(gold, predicted)
    labels = _labels([*gold, *predicted])
    joined = [[tag for tags in _encode(side, labels) for tag in tags] for side in (gold, predicted)]
    return _prf(_report(joined[:1], joined[1:])["micro avg"])


def untyped_scores(gold: Sequence[Tags], predicted: Sequence[Tags]) -> PRF:
    """Score exact spans in the strict reading, without regard to their types.

    gold (Sequence[Tags]): the BIO tags of each sentence.
    predicted (Sequence[Tags]): the same number of tags for each.
    RETURNS (PRF): micro-averaged; 0 where a figure has no denominator.
    RAISES (ValueError): a tag is not BIO, or the lengths differ.
    """
    _check_lengths(gold, predicted)
    _labels([*gold, *predicted])
    gold_spans, predicted_spans = (
        {(i, *span[:2]) for i, tags in enumerate(side) for span in bio_to_spans(tags) if tags[span[0]][0] == "B"}
        for side in (gold, predicted)
    )
    n_correct = len(gold_spans & predicted_spans)
    return {
        "p": n_correct / max(1, len(predicted_spans)),
        "r": n_correct / max(1, len(gold_spans)),
        "f": 2 * n_correct / max(1, len(predicted_spans) + len(gold_spans)),
    }


def count_illegal(tags: Sequence[str]) -> int:
    """Count the `I-X` tags of a sentence that follow neither `B-X` nor `I-X`."""
    steps = pairwise([OUTSIDE, *tags])
    return sum(tag.startswith("I-") and split_tag(before)[1] != split_tag(tag)[1] for before, tag in steps)


def _labels(sequences: Sequence[Tags]) -> Dict[str, str]:
    """Give every label a code for seqeval, which strips hyphens from the ends of a label (`x-` becomes `x`)."""
    tags = {tag for sequence in sequences for tag in sequence} - {OUTSIDE}
    for tag in tags:
        prefix, label = split_tag(tag)
        if prefix not in ("B", "I") or not label:
            raise ValueError(f"'{tag}' is not a BIO tag: expected 'O', 'B-<label>' or 'I-<label>'.")
    return {label: str(i) for i, label in enumerate(sorted({split_tag(tag)[1] for tag in tags}))}


def _encode(sequences: Sequence[Tags], labels: Dict[str, str]) -> List[Tags]:
    codes = {f"{prefix}-{label}": f"{prefix}-{code}" for label, code in labels.items() for prefix in "BI"}
    codes[OUTSIDE] = OUTSIDE
    return [[codes[tag] for tag in tags] for tags in sequences]


def _check_lengths(gold: Sequence[Tags], predicted: Sequence[Tags]) -> None:
    if [len(tags) for tags in gold] != [len(tags) for tags in predicted]:
        raise ValueError("Gold and predicted tags differ in the number of sentences or in the length of one.")


def _report(gold: List[Tags], predicted: List[Tags], **reading: Any) -> Dict[str, Any]:
    """Return seqeval's report: by label code, and `micro avg` for all."""
    _check_lengths(gold, predicted)
    with warnings.catch_warnings():
        # The macro average, which we do not use, is the mean of an empty list where no entity is predicted.
        warnings.simplefilter("ignore", RuntimeWarning)
        # seqeval refuses a list of no sentences.
        return classification_report(gold or [[]], predicted or [[]], output_dict=True, zero_division=0, **reading)


def _prf(row: Dict[str, Any]) -> PRF:
    return {"p": float(row["precision"]), "r": float(row["recall"]), "f": float(row["f1-score"])}
