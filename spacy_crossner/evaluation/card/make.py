"""Make the model card of a pipeline, and fill its meta data."""

from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

from wasabi import MarkdownRenderer

from .facts import Facts, collect_facts
from .limits import find_limits
from .making import making
from .sections import data, scores, types

# Labels in the description; it is one line in a list of packages.
LABELS_SHOWN = 8


class Card(NamedTuple):
    """A model card.

    meta (Dict[str, Any]): the meta data of the package.
    text (str): the card in Markdown, without a title.
    """

    meta: Dict[str, Any]
    text: str


def make_card(
    model: Path, meta: Dict[str, Any], *, metrics: Optional[Path] = None, license: Optional[str] = None
) -> Card:
    """Return the model card of a pipeline. The same inputs give the same card.

    model (Path): the folder of the pipeline.
    meta (Dict[str, Any]): its meta data. A description, sources and notes in it are kept.
    metrics (Optional[Path]): the folder of the scores of `evaluate --all`.
    license (Optional[str]): the license of the pipeline; if it is not given, that of the meta data is kept.
    """
    facts = collect_facts(model, meta, metrics)
    limits = find_limits(facts)
    markdown = MarkdownRenderer()
    sections = {
        "What it finds": types(facts),
        "Data": data(facts),
        "Scores": scores(facts),
        "How it was made": making(facts),
        "Limits": [markdown.list(limits)],
    }
    given = license or meta.get("license")
    if given:
        sections["License"] = [given]
    for title, paragraphs in sections.items():
        markdown.add(markdown.title(2, title))
        for paragraph in paragraphs:
            markdown.add(paragraph)
    filled = {
        **meta,
        "description": meta.get("description") or describe(facts),
        "license": given or "",
        "notes": meta.get("notes") or " ".join([*limits, origin_of_performance(facts)]),
        "performance": performance(facts),
    }
    if sources := meta.get("sources") or list_sources(facts):
        filled["sources"] = sources
    return Card(filled, markdown.text)


def describe(facts: Facts) -> str:
    """Return a description in one line."""
    labels = facts.labels[:LABELS_SHOWN]
    more = len(facts.labels) - len(labels)
    named = f": {', '.join(labels)}{f' and {more} more types' if more > 0 else ''}" if labels else ""
    domains = f", domain {', '.join(facts.domains)}" if facts.domains else ""
    return " ".join(f"Named entity recognition{domains}{named}".split())


def list_sources(facts: Facts) -> List[Dict[str, str]]:
    """Return the training data and the encoders in the form of spaCy's meta data."""
    files = [each for stage in facts.stages for each in stage.data if each.use == "train"]
    names = [f"{each.file} ({', '.join(each.domains)})" if each.domains else each.file for each in files]
    names += [encoder.name for encoder in facts.encoders]
    return [{"name": name} for name in dict.fromkeys(names)]


def performance(facts: Facts) -> Dict[str, Any]:
    """Return the scores for spaCy's meta data: those on test if they are known, or else those of training."""
    before: Dict[str, Any] = facts.meta.get("performance", {})
    if not facts.scores:
        return before
    strict = facts.scores["strict"]
    per_type = {label: {key: row[key] for key in "prf"} for label, row in strict["per_type"].items()}
    found = {f"ents_{key}": strict[key] for key in "prf"}
    return {**before, **found, "ents_per_type": per_type, "speed": facts.scores["words_per_second"]}


def origin_of_performance(facts: Facts) -> str:
    """Return which data the scores in the meta data are of."""
    if facts.scores:
        return "The scores of entities in `performance` are strict scores on the test set."
    return "The scores in `performance` are those on dev at the end of training, before calibration."
