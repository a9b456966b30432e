"""`bootstrap`: compare the scores of two methods with a significance test."""

import json
from pathlib import Path
from typing import Annotated, Any, List, Mapping, Optional

import typer

from ..data.files import check_output, write_files
from ..errors import CrossnerError, Errors
from ._app import app, user_errors


@app.command("bootstrap")
def bootstrap_cli(
    pipelines: Annotated[
        List[str],
        typer.Argument(
            help="Two pipelines to compare, as folders or names of installed ones. For several seeds of training, "
            "further pairs: FIRST1 SECOND1 FIRST2 SECOND2 ..."
        ),
    ],
    data: Annotated[Path, typer.Argument(help="Annotated DocBin (.spacy)")],
    samples: Annotated[int, typer.Option(min=100, help="Number of bootstrap samples")] = 10_000,
    seed: Annotated[int, typer.Option(help="Random seed of the samples")] = 0,
    output: Annotated[Optional[Path], typer.Option("--output", "-o", help="Write the result as JSON")] = None,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU, -1 for the CPU")] = -1,
) -> None:
    """Compare two pipelines with a paired bootstrap test over sentences, or two methods over seeds and sentences."""
    from ..evaluation.bootstrap import bootstrap_files

    with user_errors():
        if len(pipelines) % 2:
            raise CrossnerError(Errors.C099.format(n=len(pipelines), last=pipelines[-1]))
        if output is not None:
            check_output(output, [data])
        pairs = list(zip(pipelines[::2], pipelines[1::2], strict=True))
        result = bootstrap_files(pairs, data, samples=samples, seed=seed, gpu_id=gpu_id)
        if output is not None:
            write_files({output: (json.dumps(result, indent=2) + "\n").encode("utf8")})
    typer.echo(_report(result))


def _report(result: Mapping[str, Any]) -> str:
    first, second, difference, low, high = (
        100 * result[key] for key in ("first", "second", "difference", "low", "high")
    )
    seeds = result["seeds"]
    if seeds == 1:
        test = "Paired bootstrap over sentences; it holds for these two pipelines, not for other seeds of training."
        mean = ""
    else:
        test = f"Hierarchical paired bootstrap over sentences and {seeds} seeds."
        mean = f" (means of {seeds} seeds: {', '.join(f'{100 * gain:+.2f}' for gain in result['by_seed'])})"
    return (
        f"F1 {first:.2f} and {second:.2f} on {result['sentences']:,} sentences: difference {difference:+.2f}{mean}, "
        f"95% interval {low:+.2f} to {high:+.2f}.\n{test}\n"
        f"p = {result['p_value']:.4f}, one-sided; null hypothesis: the first is not better. It is the fraction of "
        f"{result['samples']:,} samples that deviate from the observed difference by {difference:+.2f} or more.\n"
        f"p = {result['p_two_sided']:.4f}, two-sided; null hypothesis: no difference."
    )
