"""`cross-validate`: train on all labelled sentences, without a dev set."""

from pathlib import Path
from typing import Annotated, List, Optional

import typer
from spacy.cli._util import parse_config_overrides

from ._app import app, user_errors


@app.command("cross-validate", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def cross_validate_cli(
    ctx: typer.Context,
    config: Annotated[Path, typer.Argument(help="Config file")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for model-best and folds.json")],
    folds: Annotated[int, typer.Option(min=2, help="Number of folds")] = 5,
    epochs: Annotated[
        Optional[List[float]], typer.Option(help="Passes over the labelled sentences (repeatable: the best is taken)")
    ] = None,
    rate: Annotated[
        Optional[List[float]], typer.Option(help="Rate of the encoder (repeatable). Default: that of the config")
    ] = None,
    min_steps: Annotated[int, typer.Option(min=0, help="Minimum number of steps")] = 120,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings on all sentences, whose weights are averaged")] = 3,
    preset: Annotated[str, typer.Option(help="Recipe by the size of the encoder, as for train")] = "auto",
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU, -1 for the CPU")] = -1,
) -> None:
    """Train on all labelled sentences. Folds choose the recipe, temperature and threshold, and give the expected F1.

    Override config settings as for train: --training.batcher.size 32. A killed run goes on.
    """
    from ..cross_validation.run import cross_validate
    from ..cross_validation.settings import Recipe, Validation

    recipes = [Recipe(passes, peak) for passes in epochs or [24.0] for peak in rate or [0.0]]
    with user_errors():
        overrides = parse_config_overrides(ctx.args)
        validation = Validation(config, folds, recipes, min_steps, seeds, preset, overrides)
        best = cross_validate(output, validation, use_gpu=gpu_id)
    f_scores = ", ".join(f"{100 * f:.1f}" for f in best.f_scores)
    print(
        f"Expected F1 {100 * best.f:.1f} ± {100 * best.spread:.1f} ({best.recipe.name}; folds {f_scores}); "
        f"temperature {best.fitted['temperature']['after']:.2f}, threshold {best.fitted['threshold']:.2f}, "
        f"expected calibration error {best.fitted['ece']['after']:.3f}"
    )
