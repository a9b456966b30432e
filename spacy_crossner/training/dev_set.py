"""Check that a dev set can rank pipelines: without entities of known types, every pipeline scores 0."""

from typing import Any, Iterable, Mapping, Optional, Set

from spacy.language import Language
from spacy.training import Example

SHOWN = 5


def why_all_scores_are_0(nlp: Language, dev: Iterable[Example], weights: Mapping[str, Any]) -> Optional[str]:
    """Return the reason why all entity scores on a dev set must be 0; None if there is none.

    nlp (Language): the initialized pipeline.
    dev (Iterable[Example]): the dev set.
    weights (Mapping[str, Any]): the weights of the scores for model selection, `score_weights` of the config.
    """
    finders = [name for name in nlp.pipe_names if "doc.ents" in nlp.get_pipe_meta(name).assigns]
    if not finders or not any(weight for name, weight in weights.items() if name.startswith("ents_")):
        # No component predicts entities, or entity scores have no weight in model selection.
        return None
    known = {label for name in finders for label in getattr(nlp.get_pipe(name), "labels", ())}
    is_annotated, labels = False, set()
    for example in dev:
        is_annotated = is_annotated or example.reference.has_annotation("ENT_IOB")
        labels |= {ent.label_ for ent in example.reference.ents}
        if labels & known:
            return None
    if not is_annotated:
        return "has no entity annotation"
    if not labels:
        return "has no entity"
    return f"only has entities of the types {_in_words(labels)}; the labels of the pipeline are {_in_words(known)}"


def _in_words(labels: Set[str]) -> str:
    return ", ".join(sorted(labels)[:SHOWN]) + (" ..." if len(labels) > SHOWN else "")
