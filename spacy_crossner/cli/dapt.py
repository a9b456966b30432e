"""`dapt`: continue the masked language modelling of an encoder on raw text of a domain."""

from pathlib import Path
from typing import Annotated, List, Optional

import typer

from ._app import app, user_errors


@app.command("dapt")
def dapt_cli(
    encoder: Annotated[
        str, typer.Argument(help="Encoder: folder, folder in an installed package, or Hugging Face hub name")
    ],
    text: Annotated[
        List[Path],
        typer.Argument(help="Text (plain or .gz), one sentence or paragraph per line, such as the output of `select`"),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the adapted encoder")],
    masking: Annotated[
        str, typer.Option(help="token: single tokens; span: isolated masks are moved next to each other")
    ] = "span",
    select_fraction: Annotated[float, typer.Option(help="Fraction of the tokens selected for prediction")] = 0.15,
    mask_fraction: Annotated[float, typer.Option(help="Fraction of the selected tokens replaced by [MASK]")] = 0.8,
    random_fraction: Annotated[
        float, typer.Option(help="Fraction of the selected tokens replaced by a random token")
    ] = 0.1,
    whole_words: Annotated[bool, typer.Option(help="Whole-word masking: mask all pieces of a word or none")] = False,
    max_steps: Annotated[int, typer.Option(help="Number of steps that train all weights")] = 1000,
    epochs: Annotated[float, typer.Option(help="Passes over the text; replaces --max-steps")] = 0.0,
    head_steps: Annotated[
        int,
        typer.Option(help="Extra first steps that only train a new output layer; skipped if the encoder has one"),
    ] = 50,
    train_embeddings: Annotated[
        Optional[bool],
        typer.Option(
            "--train-embeddings/--keep-embeddings",
            help="Train or freeze the word embeddings. Default: train if the encoder has an output layer",
        ),
    ] = None,
    block_size: Annotated[int, typer.Option(help="Tokens per block")] = 128,
    batch_size: Annotated[int, typer.Option(help="Blocks per step, over all processes")] = 32,
    accumulate: Annotated[int, typer.Option(help="Gradient accumulation: micro-batches per step, to save memory")] = 1,
    rate: Annotated[float, typer.Option(help="Peak learning rate")] = 1e-4,
    head_rate: Annotated[float, typer.Option(help="Peak learning rate during --head-steps")] = 3e-3,
    warmup: Annotated[
        float, typer.Option(help="Fraction of the steps with a rising learning rate; afterwards it falls to 0")
    ] = 0.06,
    weight_decay: Annotated[float, typer.Option(help="Weight decay")] = 0.01,
    held_out: Annotated[
        float, typer.Option(help="Fraction of the lines held out for evaluation; duplicates are held out too")
    ] = 0.01,
    held_out_text: Annotated[
        Optional[Path], typer.Option(help="Text to evaluate on; replaces the held-out lines")
    ] = None,
    eval_every: Annotated[int, typer.Option(help="Steps between two evaluations")] = 200,
    save_every: Annotated[int, typer.Option(help="Steps between two checkpoints")] = 200,
    precision: Annotated[str, typer.Option(help="bf16, fp32, or auto (bf16 if the hardware supports it)")] = "auto",
    weight_interpolation: Annotated[
        float,
        typer.Option(help="Weight interpolation (WiSE-FT): fraction of the original weights in the saved weights"),
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Random seed of shuffling, masking and dropout")] = 0,
    gpu_id: Annotated[
        Optional[int],
        typer.Option("--gpu-id", "-g", help="GPU, -1 for the CPU. Default: the device that accelerate selects"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Resume from the checkpoint of an interrupted run")
    ] = True,
    optional: Annotated[
        bool, typer.Option(help="If the text is empty, save the encoder unchanged instead of an error")
    ] = False,
) -> None:
    """Continue the masked language modelling of an encoder on raw text (domain-adaptive pre-training).

    On many GPUs or hosts: accelerate launch -m spacy crossner dapt ...
    """
    from ..dapt.log import perplexity
    from ..dapt.masking import Masking
    from ..dapt.settings import DaptSettings
    from ..dapt.train import adapt_encoder
    from ..dapt.unchanged import is_without_text, save_unchanged

    if optional and is_without_text(text):
        with user_errors():
            save_unchanged(encoder, output)
        typer.echo(f"There is no text: {output} is the encoder, unchanged.")
        return
    with user_errors():
        report = adapt_encoder(
            encoder,
            text,
            output,
            masking=Masking(
                level=masking,
                select_fraction=select_fraction,
                mask_fraction=mask_fraction,
                random_fraction=random_fraction,
                whole_words=whole_words,
            ),
            settings=DaptSettings(
                max_steps=max_steps,
                epochs=epochs,
                head_steps=head_steps,
                train_embeddings=train_embeddings,
                block_size=block_size,
                batch_size=batch_size,
                accumulate=accumulate,
                rate=rate,
                head_rate=head_rate,
                warmup=warmup,
                weight_decay=weight_decay,
                held_out=held_out,
                eval_every=eval_every,
                save_every=save_every,
                precision=precision,
                weight_interpolation=weight_interpolation,
                seed=seed,
            ),
            held_out_text=held_out_text,
            gpu_id=gpu_id,
            resume=resume,
        )
    if report.is_kept or not report.is_main:
        return
    for name, count in report.counts.items():
        typer.echo(f"{count:>12,} {name}")
    before, after = report.held_out[0][1], report.held_out[-1][1]
    typer.echo(
        f"Held-out loss {before:.4f} before, {after:.4f} after; perplexity {perplexity(before):.2f} before, "
        f"{perplexity(after):.2f} after; {report.tokens:,} tokens seen, {report.tokens_per_second:,.0f} per second."
    )
    typer.echo(f"Encoder saved to {report.output}.")
