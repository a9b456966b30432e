"""`select`: select sentences of raw text for domain-adaptive pre-training."""

from pathlib import Path
from typing import Annotated, List, Optional

import typer
from wasabi import msg

from ..data.files import write_files
from ..storage.locks import only_writer
from ..text.select import select_corpus, statistics_path
from ..text.sizes import Level, SelectionReport, levels_table
from ._app import RAW, app, given, path_or_nothing, user_errors


@app.command("select")
def select_cli(
    raw: Annotated[List[Path], RAW],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write, one sentence per line; statistics go to OUT.json")
    ],
    entities: Annotated[
        Optional[Path],
        typer.Option(
            "--entities",
            "-e",
            parser=path_or_nothing,
            metavar="PATH",
            help="Entity list, one per line: name<TAB>type, or just a name",
        ),
    ] = None,
    level: Annotated[Level, typer.Option("--level", "-l", help="Selection level, see above")] = Level.integrated,
    types: Annotated[
        Optional[str], typer.Option("--types", "-t", help="Domain-specific types: T,... Default: all types")
    ] = None,
    min_entities: Annotated[int, typer.Option(help="Minimum mentions in a sentence of the entity level")] = 2,
    min_special: Annotated[
        int, typer.Option(help="Minimum mentions of domain-specific types in a sentence of the task level")
    ] = 1,
    upsample: Annotated[int, typer.Option(help="Copies of the task level in the integrated level")] = 2,
    exclude: Annotated[
        Optional[List[Path]],
        typer.Option("--exclude", "-x", help="Dev or test file whose sentences are skipped (repeatable)"),
    ] = None,
    split: Annotated[
        bool, typer.Option("--split/--lines", help="Split lines into sentences, or treat each line as a sentence")
    ] = True,
    ignore_case: Annotated[bool, typer.Option(help="Match names case-insensitively")] = False,
    filter_size: Annotated[int, typer.Option(help="Memory of the duplicate filter in MiB")] = 64,
    share: Annotated[
        float, typer.Option(help="Fraction of the sentences to use, chosen by a hash of their words")
    ] = 1.0,
    optional: Annotated[
        bool,
        typer.Option(help="Without text, write an empty file; without a list, select the domain level"),
    ] = False,
) -> None:
    """Select sentences of raw text for domain-adaptive pre-training.

    Levels: domain selects all sentences. entity selects sentences with two or more mentions of listed names. task
    selects sentences with a mention of a domain-specific type. integrated is entity followed by task twice. Duplicate
    sentences are removed.
    """
    texts = given(raw)
    kinds = parse_types(types)
    with user_errors(), only_writer(output):
        if optional and not texts:
            write_files({output: b"", statistics_path(output): b"{}\n"})
            msg.info(f"{output}: no sentences, as there is no raw text")
            return
        if optional and not entities:
            msg.info("Level domain, as there is no entity list")
            level, kinds = Level.domain, []
        report = select_corpus(
            texts,
            output,
            entities=entities,
            level=level,
            exclude=exclude or [],
            types=kinds,
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
    """Return the types in `T,...`. Empty text and None give an empty list.

    RAISES (typer.BadParameter): a type is empty.
    """
    types = [kind.strip() for kind in text.split(",")] if text else []
    if not all(types):
        raise typer.BadParameter(f"'{text}' is not of the form T,...", param_hint="--types")
    return types


def print_report(report: SelectionReport) -> None:
    """Print the size of each level and the number of skipped sentences."""
    print(levels_table(report))
    skipped = f"{report.duplicates:,} duplicates and {report.excluded:,} excluded sentences skipped"
    msg.info(f"{report.sentences_read:,} sentences read, {skipped}; tokens are split at white space")
    for warning in report.warnings:
        msg.warn(warning)
    written = report.written
    msg.good(f"{report.output}: {written.sentences:,} sentences, {written.tokens:,} tokens of the {report.level} level")
    msg.good(f"Statistics written to {statistics_path(report.output)}")
