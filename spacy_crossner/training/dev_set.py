"""Whether a dev set can rank pipelines: where it has no entity to find, all of them score 0."""

from typing import Any, Iterable, Mapping, Optional, Set

from spacy.language import Language
from spacy.training import Example

SHOWN = 5


def why_all_scores_are_0(nlp: Language, dev: Iterable[Example], weights: Mapping[str, Any]) -> Optional[str]:
    """Return why every score of entities on a dev set is 0; None if some may be higher.

    nlp (Language): the initialized pipeline.
    dev (Iterable[Example]): the dev set.
    weights (Mapping[str, Any]): the weights of the scores that select a pipeline, `score_weights` of the config.
    """
    finders = [name for name in nlp.pipe_names if "doc.ents" in nlp.get_pipe_meta(name).assigns]
    if not finders or not any(weight for name, weight in weights.items() if name.startswith("ents_")):
        # No component learns entities, or they do not count in the selection.
        return None
    known = {label for name in finders for label in getattr(nlp.get_pipe(name), "labels", ())}
    is_annotated, labels = False, set()
    for example in dev:
        is_annotated = is_annotated or example.reference.has_annotation("ENT_IOB")
        labels |= {ent.label_ for ent in example.reference.ents}
        if labels & known:
            return None
    if not is_annotated:
        return "has no annotation of entities"
    if not labels:
        return "has no entity"
    return f"has entities of the types {_in_words(labels)} alone, and the labels of the pipeline are {_in_words(known)}"


def _in_words(labels: Set[str]) -> str:
    return ", ".join(sorted(labels)[:SHOWN]) + (" ..." if len(labels) > SHOWN else "")
