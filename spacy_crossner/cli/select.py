"""`select`: a corpus for domain-adaptive pre-training out of raw text."""

from pathlib import Path
from typing import Annotated, List, Optional

import typer
from wasabi import msg

from ..storage.locks import only_writer
from ..text.select import select_corpus, statistics_path
from ..text.sizes import Level, SelectionReport, levels_table
from ._app import app, user_errors


@app.command("select")
def select_cli(
    raw: Annotated[List[Path], typer.Argument(help="Text, plain or .gz, a sentence or a paragraph a line")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write, a sentence a line; OUT.json beside it")
    ],
    entities: Annotated[
        Optional[Path], typer.Option("--entities", "-e", help="Entity list: name<TAB>type, or a name, on each line")
    ] = None,
    level: Annotated[Level, typer.Option("--level", "-l", help="Which sentences")] = Level.integrated,
    types: Annotated[
        Optional[str], typer.Option("--types", "-t", help="Types special to the domain: T,...; all if not given")
    ] = None,
    min_entities: Annotated[int, typer.Option(help="Mentions that a sentence of the entity level needs")] = 2,
    min_special: Annotated[
        int, typer.Option(help="Mentions of special types that a sentence of the task level needs")
    ] = 1,
    upsample: Annotated[int, typer.Option(help="How often the task level is in the integrated level")] = 2,
    exclude: Annotated[
        Optional[List[Path]],
        typer.Option("--exclude", "-x", help="Dev or test file whose sentences are left out (repeatable)"),
    ] = None,
    split: Annotated[
        bool, typer.Option("--split/--lines", help="Split lines into sentences, or take them as such")
    ] = True,
    ignore_case: Annotated[bool, typer.Option(help="Look for names without regard to case")] = False,
    filter_size: Annotated[int, typer.Option(help="Size of the duplicate filter in MiB")] = 64,
    share: Annotated[float, typer.Option(help="Share of the sentences that is taken, by their words")] = 1.0,
) -> None:
    """Select the sentences of raw text that a language model of a domain is best trained on.

    domain: all of them. entity: those with two or more mentions of the list. task: those with a mention of a type
    special to the domain. integrated: entity, and then task twice. Repetitions are left out.
    """
    with user_errors(), only_writer(output):
        report = select_corpus(
            raw,
            output,
            entities=entities,
            level=level,
            exclude=exclude or [],
            types=parse_types(types),
            min_entities=min_entities,
            min_special=min_special,
            upsample=upsample,
            split=split,
            ignore_case=ignore_case,
            filter_size=filter_size,
            share=share,
        )
        print_report(report)


def parse_types(text: Optional[str]) -> List[str]:
    """Return types from `T,...`; none from an empty text, as where none is given.

    RAISES (typer.BadParameter): one of them is empty.
    """
    types = [kind.strip() for kind in text.split(",")] if text else []
    if not all(types):
        raise typer.BadParameter(f"'{text}' is not of the form T,...", param_hint="--types")
    return types


def print_report(report: SelectionReport) -> None:
    """Print the sizes of the levels and what was left out."""
    print(levels_table(report))
    left_out = f"{report.duplicates:,} repetitions and {report.excluded:,} to exclude left out"
    msg.info(f"{report.sentences_read:,} sentences read, {left_out}; tokens are what white space parts")
    for warning in report.warnings:
        msg.warn(warning)
    written = report.written
    msg.good(f"{report.output}: {written.sentences:,} sentences, {written.tokens:,} tokens of the {report.level} level")
    msg.good(f"Statistics written to {statistics_path(report.output)}")
