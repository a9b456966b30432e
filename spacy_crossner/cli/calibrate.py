"""`calibrate`: fit a temperature and a threshold to the scores of a trained pipeline."""

from pathlib import Path
from typing import Annotated, Any, Dict, List, Optional

import typer
from wasabi import msg

from ..errors import CrossnerError
from ..storage.locks import only_writer
from ._app import app, user_errors

C214 = "[C214] Give either --output (for one pipeline) or --all (for a folder of several training ways)."


@app.command("calibrate")
def calibrate_cli(
    model: Annotated[
        str, typer.Argument(help="Pipeline folder or name of an installed pipeline; with --all, the folder of ways")
    ],
    data: Annotated[Path, typer.Argument(help="Annotated DocBin (.spacy), not used for training: the dev set")],
    output: Annotated[Optional[Path], typer.Option("--output", "-o", help="Folder for the calibrated pipeline")] = None,
    every: Annotated[
        bool,
        typer.Option("--all", help="Calibrate each changed MODEL/WAY/model-best and save it to MODEL/WAY/calibrated"),
    ] = False,
    component: Annotated[
        Optional[str], typer.Option(help="Component name. Default: all spacy-crossner components")
    ] = None,
    threshold: Annotated[
        bool, typer.Option(help="Also fit the score threshold with the best F1; entities below it are dropped")
    ] = True,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace the output folder if it is empty or a saved pipeline")
    ] = False,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU, -1 for the CPU")] = -1,
) -> None:
    """Fit a temperature and a threshold on dev, so that about 80% of the entities with a score of 0.8 are correct."""
    from ..evaluation.temperature import calibrate_files
    from ..evaluation.ways import calibrate_ways

    with user_errors():
        if every is (output is not None):
            raise CrossnerError(C214)
        if output is None:
            for way in calibrate_ways(Path(model), data, component=component, threshold=threshold, gpu_id=gpu_id):
                if way.results is not None:
                    print_calibration(way.results, data, way.path)
            return
        with only_writer(output):
            rows = calibrate_files(
                model, data, output, component=component, threshold=threshold, force=force, gpu_id=gpu_id
            )
        print_calibration(rows, data, output)


def print_calibration(rows: List[Dict[str, Any]], data: Path, output: Path) -> None:
    """Print the fitted temperature and threshold of each component.

    rows (List[Dict[str, Any]]): one row for each component, from `calibrate_files`.
    data (Path): the annotated DocBin.
    output (Path): the folder of the calibrated pipeline.
    """
    for row in rows:
        ece, temperature = row["ece"], row["temperature"]["after"]
        if not row["entities"]:
            msg.warn(f"'{row['component']}' predicts no entity in {data}: its temperature stays {temperature:.3f}")
            continue
        msg.good(
            f"'{row['component']}': temperature {temperature:.3f}, expected calibration error {ece['before']:.3f} "
            f"before, {ece['after']:.3f} after, on {row['entities']:,} predicted entities; threshold "
            f"{row['threshold']:.2f}, F1 {100 * row['f']['before']:.2f} before, {100 * row['f']['after']:.2f} after"
        )
    typer.echo(f"Pipeline saved to {output}.")
