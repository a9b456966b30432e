"""`convert`: convert text files to DocBins."""

from pathlib import Path
from typing import Annotated, Dict, List, Literal, Optional

import typer
from wasabi import msg, table

from ..data.convert import Conversion, convert
from ..data.drawing import Size
from ..data.reading import Format
from ..data.schemes import Scheme
from ..storage.locks import only_writer
from ._app import app, user_errors


@app.command("convert")
def convert_cli(
    source: Annotated[
        Path, typer.Argument(help="Text file, folder with train, dev and test files, or folder of .ann files")
    ],
    output: Annotated[
        Path, typer.Argument(help=".spacy file to write; a folder if SOURCE has splits or with --dev or --test")
    ],
    domain: Annotated[str, typer.Option("--domain", "-d", help="Domain name stored in every doc")],
    format: Annotated[Format, typer.Option("--format", "-f", help="Format of the text")] = Format.auto,
    scheme: Annotated[
        Scheme,
        typer.Option(
            "--scheme", "-s", help="Tag scheme of column files. bioes also reads BILOU and BMEWO; io reads bare labels"
        ),
    ] = Scheme.auto,
    raw: Annotated[
        bool, typer.Option("--raw", help="Read unannotated text (plain or .gz), one sentence or paragraph per line")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", "-r", help="Repair invalid tags and offsets where possible, and count the repairs"),
    ] = False,
    label_map: Annotated[
        Optional[List[str]], typer.Option("--map", "-m", metavar="OLD=NEW", help="Rename a label (repeatable)")
    ] = None,
    drop: Annotated[
        Optional[List[str]],
        typer.Option("--drop", metavar="LABEL", help="Remove all entities with this label (repeatable)"),
    ] = None,
    lang: Annotated[str, typer.Option("--lang", "-l", help="Language of the text and of the tokenizer")] = "en",
    labels_out: Annotated[
        Optional[Path], typer.Option("--labels-out", help="Write the labels as JSON for spacy.read_labels.v1")
    ] = None,
    dev: Annotated[
        Optional[str],
        typer.Option(
            "--dev", metavar="SIZE", help="Draw a dev set from train: a fraction (0.2) or a number of sentences (100)"
        ),
    ] = None,
    test: Annotated[
        Optional[str], typer.Option("--test", metavar="SIZE", help="Draw a test set from train, as with --dev")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Random seed for --dev and --test")] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Replace splits in OUTPUT that this command did not write")
    ] = False,
) -> None:
    """Convert text with entities to DocBins with a domain mark.

    Reads CoNLL columns and CSV (IO, IOB1, BIO, BIOES, BILOU, BMEWO), JSON of Prodigy, doccano, Label Studio, Hugging
    Face and spaCy, brat's .ann files and inline [words](label) markup. Columns are identified by their content. --map
    and --drop use the label names of the input file. If there is an error, no file is written.

    --dev and --test draw missing sets from train. Every set gets entities of every type, if there are enough. No
    sentence is in two sets. Documents (-DOCSTART-) stay together.
    """
    names = parse_map(label_map or [])
    sizes = {name: parse_size(name, size) for name, size in (("dev", dev), ("test", test)) if size is not None}
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
            sizes=sizes,
            seed=seed,
            force=force,
        )
        report(result, scheme)
        if labels_out is not None:
            msg.good(f"{labels_out}: {len(result.labels)} labels")


def parse_map(pairs: List[str]) -> Dict[str, str]:
    """Parse pairs `OLD=NEW` and return a mapping from old to new label names.

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


def parse_size(name: str, text: str) -> Size:
    """Parse a fraction of the sentences, or a number of sentences.

    RAISES (typer.BadParameter): the text is neither a fraction between 0 and 1 nor an integer of at least 1.
    """
    try:
        size: Size = int(text) if text.isascii() and text.isdigit() else float(text)
    except ValueError:
        size = 0
    if not (size >= 1 if isinstance(size, int) else 0 < size < 1):
        problem = f"'{text}' is neither a fraction between 0 and 1 nor a number of sentences"
        raise typer.BadParameter(problem, param_hint=f"--{name}")
    return size


def report(result: Conversion, scheme: Scheme) -> None:
    """Print the written files, repairs, notes and warnings.

    result (Conversion): the result of `convert`.
    scheme (Scheme): the scheme of the command line.
    """
    for file in result.files:
        source = file.source
        kind = ", ".join([source.format or "plain text", *source.forms])
        if source.rows:
            layout = source.columns.layout.describe() if source.columns and source.columns.layout else ""
            kind = f"columns, {source.scheme.upper()} tags" + (" (detected)" if scheme is Scheme.auto else "")
            kind += f", {layout}" if layout else ""
        counts = f"{file.sentences:,} sentences, {file.tokens:,} tokens"
        entities = (
            "no annotation" if source.raw else f"{file.entities.total():,} entities of {len(file.entities)} types"
        )
        msg.good(f"{file.output}: {counts}, {entities} ({source.path.name}: {kind})")
        if file.fit.misfits:
            msg.warn(f"{file.output.name}: {file.fit.note()}")
    for source in {id(file.source): file.source for file in result.files}.values():
        for message, count in source.faults.repairs.items():
            msg.warn(f"{source.path.name}: repaired {count:,}: {message}")
        for message, count in source.faults.notes.items():
            msg.info(f"{source.path.name}: {count:,} {message}")
    if result.drawn:
        print_parts(result)
    for note in result.notes:
        msg.info(note)
    for warning in result.warnings:
        msg.warn(warning[:1].upper() + warning[1:])
    for split in result.missing:
        use = {"dev": "train and calibrate need", "test": "evaluate needs"}[split]
        msg.warn(f"There is no {split} set, which {use}. --{split} 0.2 takes a fifth of train for it.")
    for path in result.removed:
        msg.warn(f"{path}: deleted; it belonged to another corpus")
    if result.unread:
        msg.info(f"Not read: {', '.join(result.unread)}")
    if any(file.source.rows and file.source.scheme is Scheme.iob1 for file in result.files) and scheme is Scheme.auto:
        msg.info("Entities begin with I- tags, so the tags were read as IOB1. If this is wrong, use --scheme bio")
    if result.changes.unknown():
        unknown = ", ".join(result.changes.unknown())
        seen = ", ".join(sorted(result.changes.seen)) or "none"
        msg.warn(f"--map or --drop names labels that are in no file: {unknown}. Labels in the files: {seen}")


def print_parts(result: Conversion) -> None:
    """Print the number of entities of each type in each part. Warn if a part lacks a type."""
    parts = {file.output.stem: file.entities for file in result.files}
    rows = [(label, *(f"{entities[label]:,}" for entities in parts.values())) for label in result.labels]
    aligns: List[Literal["r", "c", "l"]] = ["r" if i else "l" for i in range(1 + len(parts))]
    print(table(rows, header=("type", *parts), divider=True, aligns=aligns))
    for name, entities in parts.items():
        lacking = [label for label in result.labels if not entities[label]]
        if lacking:
            msg.warn(f"{name} has no entity of the types {', '.join(lacking)}: there are too few of them")
