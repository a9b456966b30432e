"""`bootstrap`: compare the scores of two pipelines with a significance test."""

import json
from pathlib import Path
from typing import Annotated, Optional

import typer

from ..data.files import check_output, write_files
from ._app import app, user_errors


@app.command("bootstrap")
def bootstrap_cli(
    first: Annotated[str, typer.Argument(help="Folder of a pipeline, or name of an installed one")],
    second: Annotated[str, typer.Argument(help="Second pipeline, given in the same way")],
    data: Annotated[Path, typer.Argument(help="Annotated DocBin (.spacy)")],
    samples: Annotated[int, typer.Option(min=100, help="Number of bootstrap samples")] = 10_000,
    seed: Annotated[int, typer.Option(help="Random seed of the samples")] = 0,
    output: Annotated[Optional[Path], typer.Option("--output", "-o", help="Write the result as JSON")] = None,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU, -1 for the CPU")] = -1,
) -> None:
    """Compare two pipelines on the same sentences with a paired bootstrap test."""
    from ..evaluation.bootstrap import bootstrap_files

    with user_errors():
        if output is not None:
            check_output(output, [data])
        result = bootstrap_files(first, second, data, samples=samples, seed=seed, gpu_id=gpu_id)
        if output is not None:
            write_files({output: (json.dumps(result, indent=2) + "\n").encode("utf8")})
    first_f1, second_f1, difference, low, high = (
        100 * result[key] for key in ("first", "second", "difference", "low", "high")
    )
    typer.echo(
        f"F1 {first_f1:.2f} and {second_f1:.2f} on {result['sentences']:,} sentences: {difference:+.2f}, 95% interval "
        f"{low:+.2f} to {high:+.2f}, p = {result['p_value']:.4f} that the first is not better."
    )
