"""`split`: split a DocBin at random into named parts."""

from pathlib import Path
from typing import Annotated, Dict, Optional

import typer
from wasabi import msg

from ..data.split import UNLABELLED, split
from ..storage.locks import only_writer
from ._app import app, user_errors

REST = "rest"


@app.command("split")
def split_cli(
    source: Annotated[Path, typer.Argument(help="DocBin (.spacy)")],
    output: Annotated[Path, typer.Argument(help="Folder for the .spacy files, one for each part")],
    sizes: Annotated[
        str, typer.Option(help="Names and sizes of the parts, such as train=100,dev=300,unlabelled=600,test=rest")
    ],
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same parts")] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Replace parts in OUTPUT that this command did not write")
    ] = False,
) -> None:
    """Split a DocBin at random into parts of given sizes.

    The annotation of the part "unlabelled" is removed. The last part may have the size "rest". Parts from an earlier
    call in OUTPUT are replaced, or deleted if the new split does not have them.
    """
    parsed = parse_sizes(sizes)
    with user_errors(), only_writer(output):
        result = split(source, output, parsed, seed=seed, force=force)
        for name, path in result.parts.items():
            note = " (annotation removed)" if name in UNLABELLED else ""
            msg.good(f"{path}: {result.sizes[name]:,} docs{note}")
        for path in result.removed:
            msg.warn(f"{path}: deleted; it was part of an earlier split")
        if result.unused:
            msg.info(f"{result.unused:,} docs are not in any part")
        if result.shared:
            msg.warn(f"{result.shared:,} texts are in more than one part, because the data set contains duplicates")


def parse_sizes(text: str) -> Dict[str, Optional[int]]:
    """Parse `name=size,...` and return the size of each part; `rest` becomes None.

    RAISES (typer.BadParameter): the text has another form, or a name occurs twice.
    """
    sizes: Dict[str, Optional[int]] = {}
    for part in text.split(","):
        name, _, size = (piece.strip() for piece in part.partition("="))
        if not name or "/" in name or not (size == REST or (size.isascii() and size.isdigit())):
            raise typer.BadParameter(f"'{part}' is not of the form name=number or name=rest", param_hint="--sizes")
        if name in sizes:
            raise typer.BadParameter(f"'{name}' is given twice", param_hint="--sizes")
        sizes[name] = None if size == REST else int(size)
    return sizes
