"""`calibrate`: make the scores of a trained pipeline mean what they say."""

from pathlib import Path
from typing import Annotated, Any, Dict, List, Optional

import typer
from wasabi import msg

from ..errors import CrossnerError
from ..storage.locks import only_writer
from ._app import app, user_errors

C214 = "[C214] Give either --output, for one pipeline, or --all, for the folder of several ways."


@app.command("calibrate")
def calibrate_cli(
    model: Annotated[
        str, typer.Argument(help="Folder of a pipeline, or name of an installed one; with --all, the folder of ways")
    ],
    data: Annotated[Path, typer.Argument(help="Annotated DocBin (.spacy) that the pipeline was not trained on: dev")],
    output: Annotated[Optional[Path], typer.Option("--output", "-o", help="Folder for the calibrated pipeline")] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help="Calibrate each MODEL/WAY/model-best that has changed, and save it to MODEL/WAY/calibrated"
        ),
    ] = False,
    component: Annotated[
        Optional[str], typer.Option(help="Name of the component; all of spacy-crossner if not given")
    ] = None,
    threshold: Annotated[
        bool, typer.Option(help="Fit the threshold with the best F1, too; entities with a lower score are dropped")
    ] = True,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace the output folder, if it is a saved pipeline or empty")
    ] = False,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU, -1 for the CPU")] = -1,
) -> None:
    """Fit a temperature on dev, so that of entities with a score of 0.8 four in five are right, and a threshold."""
    from ..evaluation.temperature import calibrate_files
    from ..evaluation.ways import calibrate_ways

    with user_errors():
        if every is (output is not None):
            raise CrossnerError(C214)
        if output is None:
            for way in calibrate_ways(Path(model), data, component=component, threshold=threshold, gpu_id=gpu_id):
                if way.found is not None:
                    print_calibration(way.found, data, way.path)
            return
        with only_writer(output):
            found = calibrate_files(
                model, data, output, component=component, threshold=threshold, force=force, gpu_id=gpu_id
            )
        print_calibration(found, data, output)


def print_calibration(found: List[Dict[str, Any]], data: Path, output: Path) -> None:
    """Print what was fitted for each component.

    found (List[Dict[str, Any]]): what `calibrate_files` returned.
    data (Path): the annotated DocBin.
    output (Path): the folder of the calibrated pipeline.
    """
    for row in found:
        ece, temperature = row["ece"], row["temperature"]["after"]
        if not row["entities"]:
            msg.warn(f"'{row['component']}' finds no entity in {data}: its temperature stays {temperature:.3f}")
            continue
        msg.good(
            f"'{row['component']}': temperature {temperature:.3f}, expected calibration error {ece['before']:.3f} "
            f"before, {ece['after']:.3f} after, on {row['entities']:,} entities; threshold {row['threshold']:.2f}, F1 "
            f"{100 * row['f']['before']:.2f} before, {100 * row['f']['after']:.2f} after"
        )
    typer.echo(f"Pipeline saved to {output}.")
