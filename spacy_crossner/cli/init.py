"""`init`: write a project for the files in a folder."""

from pathlib import Path
from typing import Annotated, Optional

import typer
from wasabi import msg

from ..storage.locks import only_writer
from ._app import DOMAIN, ENCODER, FILES, SOURCE, TARGET, app, user_errors


@app.command("init")
def init_cli(
    folder: Annotated[Path, FILES],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the project")] = Path("."),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask no question")] = False,
    target: Annotated[Optional[Path], TARGET] = None,
    source: Annotated[Optional[Path], SOURCE] = None,
    domain: Annotated[str, DOMAIN] = "",
    encoder: Annotated[str, ENCODER] = "",
    lang: Annotated[str, typer.Option("--lang", "-l", help="Language of the text")] = "en",
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU, -1 for the CPU")] = -1,
    force: Annotated[bool, typer.Option("--force", help="Replace project.yml and configs in the folder")] = False,
) -> None:
    """Look at your files and write a project that trains on them: project.yml and configs.

    Labelled text is any format that convert reads. Of two sets, the larger one is the source. dev and test are drawn
    if they are missing.
    """
    from ..projects.start import start_project

    with user_errors(), only_writer(output / "project.yml"):
        start_project(
            folder,
            output,
            target=target,
            source=source,
            domain=domain,
            encoder=encoder,
            lang=lang,
            gpu_id=gpu_id,
            ask=None if yes else lambda question, default: str(typer.prompt(question, default=default)),
            force=force,
        )
    where = "" if output == Path(".") else f"cd {output} && "
    msg.good(f"Wrote {output / 'project.yml'}. Next: {where}python -m spacy project run all")
