"""`assets`: download the CrossNER data."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..data.assets import fetch_assets
from ..storage.locks import only_writer
from ._app import app, user_errors


@app.command("assets")
def assets_cli(
    output: Annotated[Path, typer.Argument(help="Folder for the files")] = Path("assets/crossner"),
) -> None:
    """Download CrossNER's files with git at a pinned commit and verify their checksums. Needs a network connection."""
    with user_errors(), only_writer(output):
        if fetch_assets(output):
            msg.good(f"CrossNER is in {output}; all checksums match")
        else:
            msg.info(f"{output} is up to date: all checksums match")
