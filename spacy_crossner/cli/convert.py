"""`convert`: text files to DocBins."""

from pathlib import Path
from typing import Annotated, Dict, List, Optional

import typer
from wasabi import msg

from ..data.convert import Conversion, convert
from ..data.reading import Format
from ..data.schemes import Scheme
from ..locks import only_writer
from ._app import app, user_errors


@app.command("convert")
def convert_cli(
    source: Annotated[Path, typer.Argument(help="Text file, or folder with train, dev, test as .txt or .jsonl")],
    output: Annotated[Path, typer.Argument(help="The .spacy file to write, a folder where SOURCE is one")],
    domain: Annotated[str, typer.Option("--domain", "-d", help="Domain mark of every doc")],
    format: Annotated[Format, typer.Option("--format", "-f", help="Format of the text")] = Format.auto,
    scheme: Annotated[
        Scheme, typer.Option("--scheme", "-s", help="Tag scheme of columns; bioes reads BILOU too")
    ] = Scheme.auto,
    raw: Annotated[
        bool, typer.Option("--raw", help="Plain text (or .gz), a sentence or paragraph a line: no annotation")
    ] = False,
    repair: Annotated[bool, typer.Option("--repair", "-r", help="Mend what can be mended and count it")] = False,
    label_map: Annotated[
        Optional[List[str]], typer.Option("--map", "-m", metavar="OLD=NEW", help="Rename a label (repeatable)")
    ] = None,
    drop: Annotated[
        Optional[List[str]], typer.Option("--drop", metavar="LABEL", help="Take a label's entities away (repeatable)")
    ] = None,
    lang: Annotated[str, typer.Option("--lang", "-l", help="Language whose tokenizer cuts running text")] = "en",
    labels_out: Annotated[
        Optional[Path], typer.Option("--labels-out", help="Write the labels as JSON for spacy.read_labels.v1")
    ] = None,
) -> None:
    """Convert text with entities to DocBins with a domain mark.

    Reads CoNLL columns (IOB1, BIO, BIOES, BILOU), JSONL with character spans and inline [words](label) markup.
    --map and --drop take labels by their names in the file. Nothing is written where something is wrong.
    """
    names = parse_map(label_map or [])
    with user_errors(), only_writer(output):
        result = convert(
            source,
            output,
            domain,
            format=format,
            scheme=scheme,
            lang=lang,
            raw=raw,
            repair=repair,
            label_map=names,
            drop=drop or [],
            labels_out=labels_out,
        )
        report(result, scheme)
        if labels_out is not None:
            msg.good(f"{labels_out}: {len(result.labels)} labels")


def parse_map(pairs: List[str]) -> Dict[str, str]:
    """Return label names by the names to replace, from `OLD=NEW` each.

    RAISES (typer.BadParameter): a pair has another form, or a label gets two names.
    """
    names: Dict[str, str] = {}
    for pair in pairs:
        old, _, new = pair.partition("=")
        if not old or not new:
            raise typer.BadParameter(f"'{pair}' is not of the form OLD=NEW", param_hint="--map")
        if names.setdefault(old, new) != new:
            raise typer.BadParameter(f"'{old}' gets two names, '{names[old]}' and '{new}'", param_hint="--map")
    return names


def report(result: Conversion, scheme: Scheme) -> None:
    """Print what was written, mended and noted.

    result (Conversion): what `convert` returned.
    scheme (Scheme): the scheme that was asked for.
    """
    for file in result.files:
        source = file.source
        kind = source.format or "plain text"
        if source.rows:
            kind = f"columns, {source.scheme.upper()} tags" + (" (detected)" if scheme is Scheme.auto else "")
        counts = f"{file.sentences:,} sentences, {file.tokens:,} tokens"
        entities = (
            "no annotation" if source.raw else f"{file.entities.total():,} entities of {len(file.entities)} types"
        )
        msg.good(f"{file.output}: {counts}, {entities} ({source.path.name}: {kind})")
        for what, count in source.faults.repairs.items():
            msg.warn(f"{source.path.name}: repaired {count:,}: {what}")
        for what, count in source.faults.notes.items():
            msg.info(f"{source.path.name}: {count:,} {what}")
    for path in result.removed:
        msg.warn(f"{path}: taken away, it was of another corpus")
    if result.unread:
        msg.info(f"Not read: {', '.join(result.unread)}")
    if any(file.source.rows and file.source.scheme is Scheme.iob1 for file in result.files) and scheme is Scheme.auto:
        msg.info("I- tags begin entities here, so they were read as IOB1. If that is wrong: --scheme bio")
    if result.changes.unknown():
        unknown = ", ".join(result.changes.unknown())
        seen = ", ".join(sorted(result.changes.seen)) or "none"
        msg.warn(f"--map or --drop names labels that no file holds: {unknown}. Labels found: {seen}")
