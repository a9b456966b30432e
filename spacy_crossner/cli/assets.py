"""`assets`: fetch the data that project.yml names."""

from pathlib import Path
from typing import Annotated, Any, Dict, List

import httpx
import typer
from weasel.cli.assets import project_assets
from weasel.util import load_project_config

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
    RAISES (CrossnerError): the network or a server does not answer, or an asset would be written elsewhere.
    """
    from ..comparison.project import check_project

    check_project(project_dir)
    check_assets(project_dir, load_project_config(project_dir).get("assets", []))
    try:
        project_assets(project_dir, extra=True)
    except (OSError, httpx.HTTPError) as error:
        raise CrossnerError(Errors.C017.format(error=type(error).__name__)) from error


def check_assets(project_dir: Path, assets: List[Dict[str, Any]]) -> None:
    """Check that assets are written into the project alone, and that git is given names and no options.

    project_dir (Path): the folder of project.yml.
    assets (List[Dict[str, Any]]): the assets that it names.
    RAISES (CrossnerError): an asset of another kind.
    """
    root = project_dir.resolve()
    for asset in assets:
        dest = Path(str(asset["dest"]))
        place = (root / dest).resolve()
        problem = ""
        if dest.is_absolute() or ".." in dest.parts:
            problem = "leads out of the project"
        elif not place.is_relative_to(root):
            problem = f"is or goes through a link to {place}"
        elif place == root:
            problem = "is the project's own folder"
        if problem:
            raise CrossnerError(Errors.C088.format(dest=asset["dest"], problem=problem))
        for part in ("repo", "branch"):
            value = str((asset.get("git") or {}).get(part) or "")
            # An option, or a transport that runs a command, in the place of an address.
            if value.startswith("-") or "::" in value or value.split() != [value] * bool(value):
                raise CrossnerError(Errors.C090.format(part=part, value=value))
