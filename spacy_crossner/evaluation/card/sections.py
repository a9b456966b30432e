"""The sections of a model card: what the pipeline finds, its data, and its scores."""

from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, Dict, List

from .facts import Encoder, Facts
from .markdown import UNKNOWN, code, codes, percent, table
from .stages import AUTOMATIC


def types(facts: Facts) -> List[str]:
    """Return the table of the types of entities, with the columns that are known."""
    lines = [f"Entities of {len(facts.labels)} types in text of the language {code(facts.meta['lang'])}."]
    if not facts.labels:
        return lines
    columns: Dict[str, List[str]] = {"type": [code(label) for label in facts.labels]}
    trained_on, by_type = facts.trained_on, facts.by_type
    if trained_on is not None:
        name = "training entities" if len(facts.stages) == 1 else "training entities, last stage"
        columns[name] = [f"{trained_on[label]:,}" for label in facts.labels]
    if by_type is not None:
        rows = [by_type.get(label, {"support": 0}) for label in facts.labels]
        for name, key in (("precision", "p"), ("recall", "r"), ("F1", "f")):
            # Without an entity in the test set, a score of 0 would say nothing.
            columns[name] = [percent(row[key]) if row["support"] else UNKNOWN for row in rows]
        columns["test entities"] = [f"{row['support']:,}" for row in rows]
        lines.append("Precision, recall and F1 are strict, on the test set, in percent.")
    return [*lines, table(list(columns), zip(*columns.values(), strict=True))]


def data(facts: Facts) -> List[str]:
    """Return the table of the data of all stages, and which raw text and lists were used."""
    rows = [
        [
            str(number),
            each.use,
            code(each.file),
            ", ".join(each.domains) or UNKNOWN,
            UNKNOWN if each.sentences is None else f"{each.sentences:,}",
            UNKNOWN if each.sentences is None else f"{sum(each.entities.values()):,}",
            each.labels or UNKNOWN,
        ]
        for number, stage in enumerate(facts.stages, start=1)
        for each in stage.data
    ]
    header = ["stage", "use", "file", "domain", "sentences", "entities", "labels"]
    lines = [table(header, rows)] if rows else ["The training data is unknown."]
    if len(facts.stages) > 1:
        lines.append("Each stage continues from the pipeline of the stage before.")
    if facts.stages[0].sources:
        lines.append("Stage 1 continues from a pipeline whose training is unknown.")
    if any(each.labels == AUTOMATIC for stage in facts.stages for each in stage.data):
        lines.append("Automatic labels come from lists of names or from other pipelines. They have errors.")
    lines += [raw_text(encoder) for encoder in facts.encoders if encoder.is_adapted]
    if facts.lists:
        lines.append(f"Lists of names whose mentions are features of words: {codes(facts.lists)}.")
    if facts.unused:
        lines.append(f"Not used: {', '.join(facts.unused)}.")
    return lines


def raw_text(encoder: Encoder) -> str:
    """Return a sentence on the raw text that an encoder was adapted to."""
    sizes = ", ".join(f"{number:,} {name}" for name, number in encoder.corpus.items() if "to train on" in name)
    return f"The encoder was adapted to raw text{f': {sizes}' if sizes else ''}."


def scores(facts: Facts) -> List[str]:
    """Return the scores on dev and test, the calibration and the speed."""
    fits = facts.calibration["components"] if facts.calibration else []
    rows = [[f"dev, after calibration, {code(fit['component'])}", "", "", percent(fit["f"]["after"])] for fit in fits]
    test = facts.scores
    if test:
        rows.append(["test, strict", *(percent(test["strict"][key]) for key in "prf")])
    if test and test["from_text"]:
        rows.append(["test, from plain text", *(percent(test["from_text"][key]) for key in "prf")])
    lines = [table(["in percent", "precision", "recall", "F1"], rows)] if rows else []
    lines.append(about_test_set(test) if test else "The scores on a test set are unknown.")
    if fits:
        lines.append("The F1 on dev is too high an estimate, since the step and the threshold were chosen by it.")
    for fit in fits:
        lines.append(
            f"Calibration of {code(fit['component'])}: temperature {fit['temperature']['after']:.3f}, threshold "
            f"{fit['threshold']:.2f}, expected calibration error on dev {fit['ece']['before']:.3f} before and "
            f"{fit['ece']['after']:.3f} after it."
        )
    if fits and facts.export:
        lines.append("The figures on dev are of the pipeline before the export of its encoder.")
    if test and test["calibration"]:
        lines.append(f"Expected calibration error on test: {test['calibration']['ece']:.3f}.")
    if test:
        lines.append(
            f"Speed on test: {test['words_per_second']:,.0f} words per second, in batches of {test['batch_size']} "
            f"sentences, on this device: {test['device']}."
        )
    return lines


def about_test_set(scored: Dict[str, Any]) -> str:
    """Return what the test set is, and when an entity is right."""
    # The scores may come from another operating system.
    file = PurePosixPath(PureWindowsPath(scored["data"]["path"]).as_posix()).name
    return (
        f"The test set is {code(file)}: {scored['sentences']:,} sentences with {scored['entities']:,} entities. "
        "Strict: an entity is right if its span and its type are."
    )
