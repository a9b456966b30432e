"""Scores of BIO tag sequences in [0, 1]: strict (seqeval) and lenient (conlleval).

They only differ at an `I-X` tag that does not follow `B-X` or `I-X`. A tagger without BIO constraints can predict such
tags. Strict scores treat it as O, lenient scores as the start of an entity.
"""

import warnings
from itertools import pairwise
from typing import Any, Dict, List, Sequence, TypedDict

from seqeval.metrics import classification_report
from seqeval.scheme import IOB2

from ..annotations.tags import OUTSIDE, bio_to_spans, split_tag

RULE = (
    "strict = exact spans in strict IOB2, sentence by sentence (seqeval), an I- tag without a start counts as O; "
    "lenient = conlleval over one concatenated sequence, an I- tag without a start starts an entity; "
    "untyped = strict, but only spans are compared, not types"
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
    """Micro-averaged precision, recall and F1, and the scores of each type, the most frequent type first."""

    per_type: Dict[str, TypePRF]


def strict_scores(gold: Sequence[Tags], predicted: Sequence[Tags]) -> StrictScores:
    """Score exact spans in strict IOB2, sentence by sentence.

    gold (Sequence[Tags]): the gold BIO tags of each sentence.
    predicted (Sequence[Tags]): the predicted tags, with the same lengths.
    RETURNS (StrictScores): the scores; 0 instead of a division by 0.
    RAISES (ValueError): a tag is not BIO, or the lengths differ.
    """
    labels = _labels([*gold, *predicted])
    report = _report(_encode(gold, labels), _encode(predicted, labels), mode="strict", scheme=IOB2)
    per_type: Dict[str, TypePRF] = {}
    for label, code in labels.items():
        # A label is not in the report if it only has I- tags without a start.
        if code in report:
            per_type[label] = {**_prf(report[code]), "support": int(report[code]["support"])}
    ranked = sorted(per_type.items(), key=lambda item: (-item[1]["support"], item[0]))
    return {**_prf(report["micro avg"]), "per_type": dict(ranked)}


def conlleval_scores(gold: Sequence[Tags], predicted: Sequence[Tags]) -> PRF:
    """Score as the published CrossNER code: conlleval on one sequence of all sentences.

    There is no boundary between sentences: an `I-X` tag at the start of a sentence continues an entity X at the end of
    the previous sentence.

    gold (Sequence[Tags]): the gold BIO tags of each sentence.
    predicted (Sequence[Tags]): the predicted tags, with the same lengths.
    RETURNS (PRF): micro-averaged scores; 0 instead of a division by 0.
    RAISES (ValueError): a tag is not BIO, or the lengths differ.
    """
    _check_lengths(gold, predicted)
    labels = _labels([*gold, *predicted])
    joined = [[tag for tags in _encode(side, labels) for tag in tags] for side in (gold, predicted)]
    return _prf(_report(joined[:1], joined[1:])["micro avg"])


def untyped_scores(gold: Sequence[Tags], predicted: Sequence[Tags]) -> PRF:
    """Score exact spans as in strict scores, but without their types.

    gold (Sequence[Tags]): the gold BIO tags of each sentence.
    predicted (Sequence[Tags]): the predicted tags, with the same lengths.
    RETURNS (PRF): micro-averaged scores; 0 instead of a division by 0.
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
    """Return a code for each label. seqeval would strip hyphens from the ends of a label (`x-` becomes `x`)."""
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
        raise ValueError("Gold and predicted tags differ in the number or the lengths of sentences.")


def _report(gold: List[Tags], predicted: List[Tags], **reading: Any) -> Dict[str, Any]:
    """Return seqeval's report by label code, with the total under `micro avg`."""
    _check_lengths(gold, predicted)
    with warnings.catch_warnings():
        # Without predicted entities, the macro average is the mean of an empty list. We do not use it.
        warnings.simplefilter("ignore", RuntimeWarning)
        # seqeval rejects an empty list of sentences.
        return classification_report(gold or [[]], predicted or [[]], output_dict=True, zero_division=0, **reading)


def _prf(row: Dict[str, Any]) -> PRF:
    return {"p": float(row["precision"]), "r": float(row["recall"]), "f": float(row["f1-score"])}
