"""`adapt`: from the files in a folder to a pipeline."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from ..storage.locks import only_writer
from ..storage.outputs import check_pipeline
from ._app import DOMAIN, ENCODER, FILES, SOURCE, TARGET, app, user_errors


@app.command("adapt")
def adapt_cli(
    folder: Annotated[Path, FILES],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the pipeline; OUTPUT.project is the project")
    ],
    target: Annotated[Optional[Path], TARGET] = None,
    source: Annotated[Optional[Path], SOURCE] = None,
    domain: Annotated[str, DOMAIN] = "",
    encoder: Annotated[str, ENCODER] = "",
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
