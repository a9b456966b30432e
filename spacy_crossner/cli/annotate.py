"""`annotate`: annotate a corpus with a pipeline."""

from pathlib import Path
from typing import Annotated, List

import typer
from wasabi import msg

from ..storage.locks import only_writer
from ._app import app, user_errors


@app.command("annotate")
def annotate_cli(
    model: Annotated[str, typer.Argument(metavar="PIPELINE", help="Folder of a pipeline, or name of an installed one")],
    inputs: Annotated[
        List[Path],
        typer.Argument(
            metavar="IN...",
            help="Text (plain or .gz), one text per line; JSON lines (.jsonl, .jsonl.gz); or DocBins (.spacy)",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="File to write: .jsonl, .jsonl.gz, .parquet or .spacy; counts in OUT.json"),
    ],
    field: Annotated[str, typer.Option(help="Field of JSON lines that holds the text")] = "text",
    block: Annotated[
        int, typer.Option(min=1, help="Texts that are stored together: a killed run loses the unfinished blocks")
    ] = 1000,
    processes: Annotated[
        int, typer.Option("--processes", "-n", min=1, help="Worker processes, each with a pipeline of its own")
    ] = 1,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU, -1 for the CPU")] = -1,
) -> None:
    """Annotate a corpus of any size with the entities that a pipeline finds.

    The order of the texts and all other fields of JSON lines are kept. A text that cannot be annotated is in the output
    with the reason. A killed run goes on. A finished output is kept if no input has changed.
    """
    from ..inference.corpus import Corpus
    from ..inference.run import annotate_corpus, is_finished

    corpus = Corpus(model, inputs, output, field, block, processes, gpu_id)
    with user_errors(), only_writer(output):
        if is_finished(corpus):
            return
        report = annotate_corpus(corpus)
    counts = report.counts
    if report.n_kept:
        msg.info(f"{report.n_kept:,} texts were annotated by an earlier run")
    if counts.errors:
        msg.warn(f"{counts.errors:,} texts have an error in place of entities. The first: {counts.first_error}")
    if not counts.texts:
        msg.warn(f"There is no text in {', '.join(map(str, inputs))}")
    msg.good(
        f"{output}: {counts.texts:,} texts, {counts.words:,} words, {sum(counts.entities.values()):,} entities; "
        f"{report.words_per_second:,.0f} words per second"
    )
