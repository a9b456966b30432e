"""`assets`: fetch CrossNER's data."""

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
    """Fetch CrossNER's files with git, at a pinned commit, and check their sums. Needs a network."""
    with user_errors(), only_writer(output):
        if fetch_assets(output):
            msg.good(f"CrossNER is in {output}, and every file has the right sum")
        else:
            msg.info(f"{output} is kept: every file has the right sum")
