"""`package`: turn a saved pipeline into an installable wheel."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ..storage.locks import only_writer
from ..storage.packaging import package_pipeline
from ._app import app, user_errors


@app.command("package")
def package_cli(
    model: Annotated[Path, typer.Argument(help="Folder of a saved pipeline")],
    output_dir: Annotated[Path, typer.Argument(help="Folder for the wheel")],
    name: Annotated[str, typer.Option("--name", "-n", help="Name of the package and its module, such as crossner_ai")],
    version: Annotated[str, typer.Option("--version", "-v", help="Version of the package")] = "0.1.0",
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace a wheel of the same name and version")] = False,
) -> None:
    """Package a pipeline under exactly the name given: `pip install` it, then `spacy.load(name)`."""
    with user_errors(), only_writer(output_dir / name):
        wheel = package_pipeline(model, output_dir, name, version=version, force=force)
    path = shlex.quote(str(wheel))
    typer.echo(f"Package written. Install it: pip install {path}\nThen in Python: spacy.load({name!r})")
