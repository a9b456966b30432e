"""`self-train`: rounds of teachers, silver labels and a student."""

from pathlib import Path
from typing import Annotated, List, Optional

import typer
from spacy.cli._util import parse_config_overrides

from ..storage.locks import only_writer
from ._app import NAMES, TYPE_MAP, app, given, path_or_nothing, user_errors


@app.command("self-train", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def self_train_cli(
    ctx: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for all steps, and for model-best")],
    train: Annotated[Path, typer.Option("--train", help="DocBin of gold sentences")],
    dev: Annotated[
        Path, typer.Option("--dev", help="Dev set: calibrates the teachers, chooses the round and the pipeline")
    ],
    labels: Annotated[Path, typer.Option("--labels", help="Labels of the domain, from convert")],
    pretrained: Annotated[
        List[str],
        typer.Option(
            "--pretrained", "-p", help="Pipeline of the source stage (repeatable); students begin at the first"
        ),
    ],
    raw: Annotated[
        List[Path],
        typer.Option(
            "--raw",
            parser=path_or_nothing,
            metavar="PATH",
            help="Text (plain or .gz), one sentence or paragraph per line (repeatable)",
        ),
    ],
    names: Annotated[Optional[List[Path]], NAMES] = None,
    type_map: Annotated[Optional[Path], TYPE_MAP] = None,
    exclude: Annotated[
        Optional[List[Path]],
        typer.Option("--exclude", "-x", help="Test file whose sentences are skipped, besides dev (repeatable)"),
    ] = None,
    teachers: Annotated[int, typer.Option(min=1, help="Number of teachers of a round; each has its own seed")] = 3,
    rounds: Annotated[
        int, typer.Option(min=1, help="Largest number of rounds; they end when dev F1 does not rise")
    ] = 1,
    most: Annotated[int, typer.Option(help="Largest number of silver sentences of a round")] = 4000,
    share: Annotated[float, typer.Option(help="Fraction of the sentences of the text to label")] = 1.0,
    sure: Annotated[float, typer.Option(help="Least mean probability of an entity, as for silver")] = 0.7,
    sure_outside: Annotated[float, typer.Option(help="Least mean probability of O, as for silver")] = 0.9,
    soft: Annotated[
        bool, typer.Option("--soft/--hard", help="Learn from the teachers' probabilities, or from their labels only")
    ] = True,
    epochs: Annotated[float, typer.Option(help="Passes over the gold sentences in a target stage")] = 24,
    min_steps: Annotated[int, typer.Option(min=0, help="Minimum number of steps of a target stage")] = 120,
    student_epochs: Annotated[float, typer.Option(help="Passes over gold and silver sentences in a student stage")] = 1,
    limit: Annotated[
        int, typer.Option(min=0, help="Number of gold sentences to use, drawn by the seed; 0 for all")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the first teacher; the others have the seeds after it")] = 0,
    target_config: Annotated[Path, typer.Option(help="Config of the target stage")] = Path("configs/finetune.cfg"),
    student_config: Annotated[Path, typer.Option(help="Config of the student stage")] = Path("configs/student.cfg"),
    preset: Annotated[
        str, typer.Option(help="Recipe by the size of the encoder, as for train: small, base, or auto")
    ] = "auto",
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU, -1 for the CPU")] = -1,
) -> None:
    """Label raw text with several fine-tuned pipelines, and train one pipeline on these labels; repeat while it helps.

    Override settings of both configs as for train: --training.batcher.size 32. A killed run goes on.
    """
    from ..self_training.rounds import self_train
    from ..self_training.settings import RoundSettings, StageSettings
    from ..silver.settings import SilverSettings

    overrides = parse_config_overrides(ctx.args)
    if limit:
        overrides["corpora.train.limit"] = limit
    stages = StageSettings(
        train,
        dev,
        labels,
        pretrained,
        target_config,
        student_config,
        epochs,
        min_steps,
        student_epochs,
        seed,
        preset,
        overrides,
    )
    plan = RoundSettings(given(raw), given(names), type_map, given(exclude), teachers, rounds)
    silver = SilverSettings(
        sure=sure, sure_outside=sure_outside, soft=soft, most=most, share=share, limit=limit, seed=seed
    )
    with user_errors(), only_writer(output):
        done = self_train(output, stages, plan, silver, gpu_id=gpu_id)
    for each in done:
        f_scores = ", ".join(f"{100 * f:.2f}" for f in each.scores.values())
        print(f"Round {each.number}: mean dev F1 {100 * each.mean:.2f} ({f_scores})")
