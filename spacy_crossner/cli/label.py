"""`label`: label text with a pipeline, for self-training or for an annotator."""

from pathlib import Path
from typing import Annotated, Any, List, Mapping, Optional

import typer
from wasabi import msg

from ..errors import CrossnerError, Errors
from ..storage.locks import only_writer
from ._app import app, user_errors

THRESHOLD = 0.9


@app.command("label")
def label_cli(
    model: Annotated[str, typer.Argument(help="Folder of a pipeline, or name of an installed one")],
    text: Annotated[
        List[Path],
        typer.Argument(
            metavar="TEXT...", help="Text (plain or .gz), one sentence per line; or DocBins (.spacy). See --split"
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="DocBin to write; with --uncertain, a file for the annotation tool")
    ],
    threshold: Annotated[
        Optional[float],
        typer.Option(
            min=0,
            max=1,
            help=f"Minimum score of an entity; tokens of entities below it get no annotation. Default: {THRESHOLD}",
        ),
    ] = None,
    domain: Annotated[Optional[str], typer.Option(help="Domain name stored in the docs")] = None,
    exclude: Annotated[
        Optional[List[Path]],
        typer.Option("--exclude", "-x", help="Train, dev or test file whose sentences are skipped (repeatable)"),
    ] = None,
    uncertain: Annotated[
        Optional[int],
        typer.Option(
            min=1, help="Choose so many sentences that would teach the pipeline most, and write them for an annotator"
        ),
    ] = None,
    to: Annotated[
        Optional[str],
        typer.Option(help="With --uncertain: the annotation tool, label-studio (.json), prodigy or doccano (.jsonl)"),
    ] = None,
    split: Annotated[
        Optional[bool],
        typer.Option("--split/--lines", help="With --uncertain: split lines into sentences (the default), or do not"),
    ] = None,
    min_words: Annotated[
        Optional[int], typer.Option(help="With --uncertain: skip sentences with fewer words. Default: 4")
    ] = None,
    max_words: Annotated[
        Optional[int], typer.Option(help="With --uncertain: skip sentences with more words. Default: 100")
    ] = None,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU, -1 for the CPU")] = -1,
) -> None:
    """Label text with the entities whose score reaches a threshold, for self-training.

    With --uncertain, choose sentences to label next: the pipeline is unsure of them, they differ from one another, and
    each type has its share. The pipeline's entities and their scores are suggestions for the annotator.
    """
    of_silver = {"--threshold": threshold, "--domain": domain}
    of_choice = {"--to": to, "--split/--lines": split, "--min-words": min_words, "--max-words": max_words}
    with user_errors(), only_writer(output):
        if uncertain is None:
            _refuse(of_choice, "a call without --uncertain")
            _label(model, text, output, THRESHOLD if threshold is None else threshold, domain, exclude or [], gpu_id)
        else:
            _refuse(of_silver, "--uncertain")
            settings = {"number": uncertain, "split": split, "min_words": min_words, "max_words": max_words}
            given = {name: value for name, value in settings.items() if value is not None}
            _choose(model, text, output, to, given, exclude or [], gpu_id)


def _refuse(options: Mapping[str, Any], other: str) -> None:
    """Raise an error if one of the options is given."""
    for option, value in options.items():
        if value is not None:
            raise CrossnerError(Errors.C660.format(option=option, other=other))


def _label(
    model: str,
    text: List[Path],
    output: Path,
    threshold: float,
    domain: Optional[str],
    exclude: List[Path],
    gpu_id: int,
) -> None:
    from ..silver.labelling import label_files
    from ..storage.loading import load_pipeline

    nlp = load_pipeline(model, gpu_id)
    result = label_files(nlp, text, output, threshold=threshold, domain=domain, exclude=exclude)
    msg.good(
        f"{output}: {len(result.docs):,} of {result.n_read:,} sentences, {result.n_certain:,} entities; "
        f"{result.n_uncertain:,} uncertain entities are left without annotation"
    )
    if exclude:
        msg.info(f"{result.n_excluded:,} sentences skipped: they are in a file given with --exclude")


def _choose(
    model: str,
    text: List[Path],
    output: Path,
    tool: Optional[str],
    settings: Mapping[str, Any],
    exclude: List[Path],
    gpu_id: int,
) -> None:
    from ..data.json_forms.imports import FORMS, find_form, label_studio_interface
    from ..silver.uncertain import UncertainSettings, write_uncertain
    from ..storage.loading import load_pipeline

    if tool is None:
        raise CrossnerError(Errors.C666.format(known=", ".join(FORMS)))
    chosen = UncertainSettings(**settings)
    find_form(tool, output)
    report = write_uncertain(load_pipeline(model, gpu_id), text, output, tool, chosen, exclude)
    n_chosen = len(report.suggestions)
    msg.info(
        f"{report.n_read:,} sentences read; {report.n_excluded:,} excluded sentences, {report.n_repeated:,} "
        f"repetitions and near-duplicates, and {report.n_lengths:,} too short or too long ones skipped"
    )
    for name, count in sorted(report.types.items()):
        msg.text(f"{count:,} sentences with {name}" if name else f"{count:,} sentences without an entity")
    if n_chosen < chosen.number:
        msg.warn(f"The text has only {n_chosen:,} sentences to choose from")
    msg.good(f"{output}: {n_chosen:,} sentences, {sum(len(each.spans) for each in report.suggestions):,} entities")
    if tool == "label-studio":
        msg.info("Labelling interface for the project in Label Studio:")
        print(label_studio_interface(report.labels))
