"""The limits of a pipeline: what its figures say that it should not be used for."""

from typing import Dict, List

from .facts import Facts
from .markdown import code, codes, percent

# Types with a lower F1 on test, or with fewer training entities, are named.
LOW_F, FEW_ENTITIES = 0.5, 20


def find_limits(facts: Facts) -> List[str]:
    """Return the limits of a pipeline, a paragraph each.

    facts (Facts): what is known about it.
    """
    return [*limits_of_types(facts), *limits_of_scores(facts), *limits_of_use(facts)]


def limits_of_types(facts: Facts) -> List[str]:
    """Return which types have a low F1, no entity in the test set, or few training entities."""
    limits = []
    by_type, trained_on = facts.by_type, facts.trained_on
    if by_type is not None:
        support = {label: by_type.get(label, {}).get("support", 0) for label in facts.labels}
        low = {label: by_type[label]["f"] for label, n in support.items() if n and by_type[label]["f"] < LOW_F}
        if low:
            named = _with_figures({label: percent(f) for label, f in sorted(low.items(), key=lambda each: each[1])})
            limits.append(f"Types with an F1 below {100 * LOW_F:.0f} on test: {named}. Check these entities by hand.")
        absent = [label for label, n in support.items() if not n]
        if absent:
            limits.append(f"Types without an entity in the test set: {codes(absent)}. Their scores are unknown.")
    if trained_on is not None:
        few = {label: n for label, n in trained_on.items() if n < FEW_ENTITIES}
        if few:
            named = _with_figures({label: str(n) for label, n in sorted(few.items(), key=lambda each: each[1])})
            limits.append(
                f"Types with fewer than {FEW_ENTITIES} training entities in the last stage: {named}. The pipeline has "
                "seen few of their names and contexts."
            )
    return limits


def limits_of_scores(facts: Facts) -> List[str]:
    """Return how far the scores of the pipeline, and of its entities, can be relied on."""
    limits = []
    if facts.scores:
        strict, n = facts.scores["strict"], facts.scores["sentences"]
        missed, wrong = percent(1 - strict["r"]), percent(1 - strict["p"])
        limits.append(
            f"On test it misses {missed}% of the entities, and {wrong}% of the entities that it finds are wrong. These "
            f"figures are from {n:,} sentences. Do not use it without review where each entity counts, such as for "
            "removing names from text."
        )
    else:
        limits.append("Its scores on a test set are unknown. Measure them on annotated text of your own before use.")
    if facts.calibration:
        data = facts.calibration["data"]
        limits.append(
            f"The scores of entities (`ent._.score`) and the threshold were fitted on {data['sentences']:,} sentences, "
            f"`{data['file']}`. On text of another kind they are no reliable probabilities."
        )
    else:
        limits.append("No calibration is known: take the scores of entities as a ranking, not as probabilities.")
    return limits


def limits_of_use(facts: Facts) -> List[str]:
    """Return which text and which uses the pipeline is not made for."""
    kinds = code(facts.meta["lang"])
    if facts.domains:
        kinds += f" of the domain {codes(facts.domains)}"
    return [
        f"It was made for text in the language {kinds}. On other languages, domains and kinds of text (such as chat, "
        "speech, or scans) its scores are unknown, and usually lower.",
        "It finds only the types listed above. A mention of another type may be given one of them.",
        "Whether names of people are found equally well for all groups of people was not measured. Make no decision "
        "about a person from its output without review by a person.",
    ]


def _with_figures(figures: Dict[str, str]) -> str:
    return ", ".join(f"{code(label)} ({figure})" for label, figure in figures.items())
