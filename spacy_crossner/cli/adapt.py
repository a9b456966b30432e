"""`adapt`: from the files in a folder to a pipeline."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from ..storage.locks import only_writer
from ..storage.outputs import check_pipeline
from ._app import app, user_errors


@app.command("adapt")
def adapt_cli(
    folder: Annotated[Path, typer.Argument(help="Folder with your files: labelled text, raw text, a list of names")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the pipeline; OUTPUT.project is the project")
    ],
    target: Annotated[
        Optional[Path], typer.Option("--target", help="Labelled text of the domain, if there is more than one")
    ] = None,
    source: Annotated[Optional[Path], typer.Option("--source", help="Labelled text of a general domain")] = None,
    domain: Annotated[str, typer.Option("--domain", "-d", help="Name of the domain")] = "",
    encoder: Annotated[str, typer.Option("--encoder", help="Encoder, as in project.yml")] = "",
    lang: Annotated[str, typer.Option("--lang", "-l", help="Language of the text")] = "en",
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU, -1 for the CPU")] = -1,
) -> None:
    """Train a pipeline on the files in a folder: init and all steps of the project, but for its installation.

    A second call goes on where a killed one stopped, and keeps the steps whose inputs have not changed.
    """
    from ..projects.adaptation import project_of, run_project
    from ..projects.start import start_project

    project = project_of(output)
    with user_errors(), only_writer(project):
        check_pipeline(output)
        plan = start_project(
            folder,
            project,
            target=target,
            source=source,
            domain=domain,
            encoder=encoder,
            lang=lang,
            gpu_id=gpu_id,
            force=True,
        )
        run_project(plan, output)
