"""`export`: a pipeline whose encoder runs on ONNX Runtime or OpenVINO."""

from pathlib import Path
from typing import Annotated, Any, Dict, Optional

import typer
from wasabi import msg

from ..storage.locks import only_writer
from ._app import app, user_errors


@app.command("export")
def export_cli(
    model: Annotated[str, typer.Argument(help="Pipeline folder or name of an installed pipeline")],
    output: Annotated[Path, typer.Argument(help="Folder for the exported pipeline")],
    backend: Annotated[str, typer.Option("--backend", "-b", help="Library that runs the encoder: onnx or openvino")],
    int8: Annotated[bool, typer.Option("--int8", help="Quantize the encoder to 8-bit integers")] = False,
    data: Annotated[
        Optional[Path], typer.Option("--data", "-d", help="Annotated DocBin (.spacy) for F1 before and after")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace the output folder if it is empty or a saved pipeline")
    ] = False,
) -> None:
    """Export the encoder of a trained pipeline for fast prediction on a CPU. F1 and speed are kept in meta.json."""
    from ..evaluation.export import export_pipeline

    with user_errors(), only_writer(output):
        figures = export_pipeline(model, output, backend, int8=int8, data=data, force=force)
    print_figures(figures)
    typer.echo(f"Pipeline saved to {output}.")


def print_figures(figures: Dict[str, Any]) -> None:
    """Print the figures before and after, from `export_pipeline`."""
    before, after = figures["before"], figures["after"]
    header = ["encoder", "words per second", "size of the encoder", *(["F1"] if "f" in before else [])]
    exported = figures["backend"] + (", int8" if figures["int8"] else "")
    rows = [
        [name, f"{row['words_per_second']:,.0f}", f"{row['encoder_mb']:.0f} MB"]
        + ([f"{100 * row['f']:.2f}"] if "f" in row else [])
        for name, row in (("PyTorch", before), (exported, after))
    ]
    msg.table(rows, header=header, divider=True)
    ratio = after["words_per_second"] / before["words_per_second"]
    msg.good(f"{ratio:.2f} times the words per second, on {figures['threads']} thread(s)")
