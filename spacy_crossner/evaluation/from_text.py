"""Scores of `nlp(text)` on untokenized text, as in an application, by character offsets.

The text is tokenized by the pipeline. A gold entity that begins or ends inside a token cannot be predicted and counts
as missed. Scores on gold tokens do not show these misses.
"""

from collections import Counter
from typing import Any, Dict, List, Sequence, Set, Tuple

from spacy.language import Language
from spacy.scorer import PRFScore
from spacy.tokens import Doc

from ..annotations.domains import get_domain, set_domain
from ..data.running import TokenFit, running_text_of

# Start and end (exclusive) in characters, and label.
CharEntity = Tuple[int, int, str]


def predict_from_text(nlp: Language, gold: Sequence[Doc], batch_size: int) -> List[Doc]:
    """Return a pipeline's predictions for the untokenized text of docs, with the docs' domains.

    nlp (Language): the pipeline.
    gold (Sequence[Doc]): the docs. Unknown spaces between tokens are guessed by `data.running`.
    batch_size (int): docs in a batch.
    """
    docs = [nlp.make_doc(running_text_of(doc)[0]) for doc in gold]
    for expected, doc in zip(gold, docs, strict=True):
        set_domain(doc, get_domain(expected))
    return list(nlp.pipe(docs, batch_size=batch_size))


def measure_fit(nlp: Language, gold: Sequence[Doc]) -> TokenFit:
    """Count the gold entities that begin or end inside a token of the pipeline's tokenizer."""
    fit = TokenFit()
    for doc in gold:
        spaces = None if doc.has_unknown_spaces else [bool(token.whitespace_) for token in doc]
        spans = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
        fit.add([token.text for token in doc], spaces, spans, nlp.tokenizer)
    return fit


def text_scores(gold: Sequence[Doc], predicted: Sequence[Doc]) -> Dict[str, Any]:
    """Score predictions on untokenized text. An entity is right if its character offsets and its label are right.

    A predicted entity that overlaps an unannotated token is not counted, as in the scores on gold tokens.

    gold (Sequence[Doc]): the annotated docs.
    predicted (Sequence[Doc]): their predictions from `predict_from_text`.
    RETURNS (Dict[str, Any]): `p`, `r`, `f` in [0, 1]; `per_type` with `p`, `r`, `f` and `support`, the most frequent
        type first; the numbers of `entities` and `predicted_entities`; `guessed`, the number of sentences with unknown
        spaces.
    """
    total, by_label = PRFScore(), dict[str, PRFScore]()
    support: Counter[str] = Counter()
    n_predicted = 0
    for doc, predicted_doc in zip(gold, predicted, strict=True):
        _, offsets = running_text_of(doc)
        gold_entities = {(offsets[ent.start][0], offsets[ent.end - 1][1], ent.label_) for ent in doc.ents}
        unannotated = [offsets[token.i] for token in doc if not token.ent_iob]
        predicted_entities = {
            (ent.start_char, ent.end_char, ent.label_)
            for ent in predicted_doc.ents
            if not any(start < ent.end_char and end > ent.start_char for start, end in unannotated)
        }
        total.score_set(predicted_entities, gold_entities)
        for label in {label for _, _, label in predicted_entities | gold_entities}:
            score = by_label.setdefault(label, PRFScore())
            score.score_set(_of_label(predicted_entities, label), _of_label(gold_entities, label))
        support.update(label for _, _, label in gold_entities)
        n_predicted += len(predicted_entities)
    labels = sorted(by_label, key=lambda label: (-support[label], label))
    return {
        **_figures(total),
        "per_type": {label: {**_figures(by_label[label]), "support": support[label]} for label in labels},
        "entities": support.total(),
        "predicted_entities": n_predicted,
        "guessed": sum(doc.has_unknown_spaces for doc in gold),
    }


def _of_label(entities: Set[CharEntity], label: str) -> Set[CharEntity]:
    return {entity for entity in entities if entity[2] == label}


def _figures(score: PRFScore) -> Dict[str, float]:
    # The properties of `PRFScore` add a small number to each divisor, so the scores are computed here.
    n_predicted, n_gold = score.tp + score.fp, score.tp + score.fn
    n_both = n_predicted + n_gold
    return {
        "p": score.tp / n_predicted if n_predicted else 0.0,
        "r": score.tp / n_gold if n_gold else 0.0,
        "f": 2 * score.tp / n_both if n_both else 0.0,
    }
