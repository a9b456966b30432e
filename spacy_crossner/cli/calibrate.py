"""`calibrate`: make the scores of a trained pipeline mean what they say."""

from pathlib import Path
from typing import Annotated, Optional

import typer
from wasabi import msg

from ..storage.locks import only_writer
from ._app import app, user_errors


@app.command("calibrate")
def calibrate_cli(
    model: Annotated[str, typer.Argument(help="Folder of a pipeline, or name of an installed one")],
    data: Annotated[Path, typer.Argument(help="Annotated DocBin (.spacy) that the pipeline was not trained on: dev")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the calibrated pipeline")],
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

    with user_errors(), only_writer(output):
        found = calibrate_files(
            model, data, output, component=component, threshold=threshold, force=force, gpu_id=gpu_id
        )
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
