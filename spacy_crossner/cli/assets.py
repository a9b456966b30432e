"""`assets`: fetch the data that project.yml names."""

from pathlib import Path
from typing import Annotated

import httpx
import typer
from weasel.cli.assets import project_assets

from ..errors import CrossnerError, Errors
from ._app import app, user_errors


@app.command("assets")
def assets_cli(
    project_dir: Annotated[Path, typer.Argument(help="Folder of project.yml", exists=True, file_okay=False)] = Path(
        "."
    ),
) -> None:
    """Fetch the assets of a project, those marked as extra too, and check their sums. Needs a network."""
    with user_errors():
        fetch_assets(project_dir)


def fetch_assets(project_dir: Path) -> None:
    """Fetch the assets of a project; those that are there already, with the right sum, are not fetched again.

    project_dir (Path): the folder of project.yml.
    RAISES (CrossnerError): the network or a server does not answer.
    """
    from ..comparison.project import check_project

    check_project(project_dir)
    try:
        project_assets(project_dir, extra=True)
    except (OSError, httpx.HTTPError) as error:
        raise CrossnerError(Errors.C017.format(error=type(error).__name__)) from error
