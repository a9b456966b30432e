"""`silver`: label raw text with name lists and teachers."""

from pathlib import Path
from typing import Annotated, List, Optional

import typer
from wasabi import msg

from ..errors import NothingToLabel
from ..storage.locks import only_writer
from ._app import NAMES, RAW, TYPE_MAP, app, given, user_errors


@app.command("silver")
def silver_cli(
    raw: Annotated[List[Path], RAW],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="DocBin to write; a listing goes to OUT.txt, statistics to OUT.json")
    ],
    names: Annotated[Optional[List[Path]], NAMES] = None,
    type_map: Annotated[Optional[Path], TYPE_MAP] = None,
    gold: Annotated[
        Optional[Path],
        typer.Option("--gold", help="DocBin of gold sentences: its entities are names, its rare types are preferred"),
    ] = None,
    teacher: Annotated[
        Optional[List[str]],
        typer.Option("--teacher", "-t", help="Folder of a pipeline, or name of an installed one (repeatable)"),
    ] = None,
    exclude: Annotated[
        Optional[List[Path]],
        typer.Option("--exclude", "-x", help="Dev or test file whose sentences are skipped (repeatable)"),
    ] = None,
    check: Annotated[
        Optional[Path],
        typer.Option(help="DocBin of gold sentences, such as dev: label them in the same way, and count wrong labels"),
    ] = None,
    outside: Annotated[
        Optional[str],
        typer.Option(
            help="Words outside of names and sure entities: outside (O), lowercase (O, but open with a capital), "
            "unknown (open), or teachers (O where the teachers are sure of it). Default: teachers with --teacher, "
            "otherwise outside"
        ),
    ] = None,
    sure: Annotated[
        float, typer.Option(help="Least mean probability of each tag of an entity, for the teachers to be sure of it")
    ] = 0.7,
    sure_outside: Annotated[
        float, typer.Option(help="Least mean probability of O, for the teachers to be sure of it")
    ] = 0.9,
    soft: Annotated[
        bool, typer.Option("--soft/--hard", help="Store the teachers' probabilities, for the loss term Distillation")
    ] = False,
    most: Annotated[int, typer.Option(help="Largest number of sentences in the output")] = 4000,
    ratio: Annotated[
        float, typer.Option(help="A name with a capital is a common word if lower case is so many times as frequent")
    ] = 3.0,
    frequent: Annotated[
        float, typer.Option(help="A name in lower case is a common word if it is more frequent in a million words")
    ] = 100.0,
    split: Annotated[
        bool, typer.Option("--split/--lines", help="Split lines into sentences, or treat each line as a sentence")
    ] = True,
    ignore_case: Annotated[bool, typer.Option(help="Match names case-insensitively")] = False,
    share: Annotated[
        float, typer.Option(help="Fraction of the sentences to label, chosen by a hash of their words")
    ] = 1.0,
    lang: Annotated[
        Optional[str], typer.Option(help="Language of the tokenizer. Default: that of the teachers, or else en")
    ] = None,
    domain: Annotated[Optional[str], typer.Option(help="Domain name stored in the docs")] = None,
    limit: Annotated[
        int, typer.Option(min=0, help="Number of --gold sentences to use, drawn by --seed; 0 for all")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of --limit, that of the training")] = 0,
    optional: Annotated[
        bool,
        typer.Option(
            help="Write an output without sentences if there is no text, or neither a typed list nor a teacher"
        ),
    ] = False,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU, -1 for the CPU")] = -1,
) -> None:
    """Label raw text with name lists and teachers, and choose sentences for training.

    Names of several types and names that are common words are left open, and so are words of which the teachers are not
    sure. Sentences with few open words and with rare types of --gold are preferred. A killed run goes on. A finished
    output is kept if no input has changed.
    """
    from ..silver.checking import check_table
    from ..silver.make import is_finished, make_silver, why_nothing, write_nothing
    from ..silver.settings import SilverSettings
    from ..silver.sources import Sources

    settings = SilverSettings(
        outside, sure, sure_outside, soft, most, ratio, frequent, split, ignore_case, share, lang, domain, limit, seed
    )
    texts, lists = given(raw), given(names)
    sources = Sources(texts, lists, type_map, gold, teacher or [], exclude or [], check)
    with user_errors(), only_writer(output):
        missing = "" if not optional else why_nothing(sources)
        if missing:
            write_nothing(output)
            msg.info(f"{output}: no sentences, as {missing}")
            return
        if is_finished(sources, output, settings):
            return
        try:
            report = make_silver(sources, output, settings, gpu_id=gpu_id)
        except NothingToLabel as error:
            if not optional:
                raise
            write_nothing(output)
            msg.warn(f"{output}: no sentences. {error}")
            return
    listing = report.listing
    print(listing.types_table())
    if listing.check:
        print("Gold sentences, labelled in the same way:" + check_table(listing.check))
    counts = listing.counts
    skipped = (
        f"{counts['excluded']:,} excluded sentences, {counts['repetitions']:,} repetitions and "
        f"{counts['near-duplicates']:,} near-duplicates skipped"
    )
    msg.info(f"{counts['read']:,} sentences read, {skipped}")
    msg.info(f"{counts['with an entity']:,} of {counts['labelled']:,} labelled sentences have an entity")
    msg.good(f"{output}: {counts['chosen']:,} sentences, {sum(listing.entities.values()):,} entities")
    msg.good(f"Listing of names and types written to {output}.txt")
