"""`split`: split a DocBin into named parts at random, by a seed."""

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
    output: Annotated[Path, typer.Argument(help="Folder for one .spacy file a part")],
    sizes: Annotated[str, typer.Option(help="Parts and sizes: train=100,dev=300,unlabelled=600,test=rest")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same parts")] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Replace parts in OUTPUT that this command did not write")
    ] = False,
) -> None:
    """Split a DocBin at random into parts of given sizes.

    The part named "unlabelled" loses its annotation. The last part may have the size "rest". Parts that this command
    wrote into OUTPUT before are replaced, and deleted where they are not among the new ones.
    """
    parsed = parse_sizes(sizes)
    with user_errors(), only_writer(output):
        result = split(source, output, parsed, seed=seed, force=force)
        for name, path in result.parts.items():
            note = " (annotation removed)" if name in UNLABELLED else ""
            msg.good(f"{path}: {result.sizes[name]:,} docs{note}")
        for path in result.removed:
            msg.warn(f"{path}: deleted: it was a part of an earlier split")
        if result.unused:
            msg.info(f"{result.unused:,} docs are in no part")
        if result.shared:
            msg.warn(f"{result.shared:,} texts are in more than one part, as the set holds them more than once")


def parse_sizes(text: str) -> Dict[str, Optional[int]]:
    """Parse `name=size,...` and return sizes by name, None for `rest`.

    RAISES (typer.BadParameter): the text has another form, or a name occurs twice.
    """
    sizes: Dict[str, Optional[int]] = {}
    for part in text.split(","):
        name, _, size = (piece.strip() for piece in part.partition("="))
        if not name or "/" in name or not (size == REST or (size.isascii() and size.isdigit())):
            raise typer.BadParameter(f"'{part}' is not of the form name=number or name=rest", param_hint="--sizes")
        if name in sizes:
            raise typer.BadParameter(f"'{name}' stands twice", param_hint="--sizes")
        sizes[name] = None if size == REST else int(size)
    return sizes
