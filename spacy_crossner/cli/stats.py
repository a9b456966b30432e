"""`stats`: count the contents of data sets."""

import json
from pathlib import Path
from typing import Annotated, Dict, List, Literal, Optional, Sequence, Tuple

import typer
from wasabi import msg, table

from ..data.files import check_output, write_files
from ..data.overlap import VOCABULARY_SIZE
from ..data.stats import SplitStats, Stats, find_sets, stats
from ._app import app, user_errors

# Column headings and the `SplitStats` field of each.
COLUMNS = {
    "sentences": "sentences",
    "tokens": "tokens",
    "entities": "entities",
    "entity tokens": "entity_tokens",
    "longest": "longest",
    "without entity": "without_entity",
    "unlabelled": "unlabelled",
    "illegal": "illegal",
    "duplicates": "duplicates",
}


@app.command("stats")
def stats_cli(
    paths: Annotated[List[Path], typer.Argument(help="DocBins, text files, or folders of them (also nested)")],
    output: Annotated[Optional[Path], typer.Option("--json", help="Write the counts as JSON")] = None,
    plot: Annotated[
        Optional[Path], typer.Option(help="Plot the vocabulary overlap of domains as PNG and SVG (needs matplotlib)")
    ] = None,
    lang: Annotated[str, typer.Option("--lang", "-l", help="Language of the tokenizer and the stop words")] = "en",
) -> None:
    """Count sentences, entities, faults and duplicate sentences, and measure the vocabulary overlap of domains."""
    with user_errors():
        if output is not None:
            check_output(output, [path for files in find_sets(paths).values() for path in files.values()])
        result = stats(paths, lang=lang)
        print_stats(result)
        if output is not None:
            text = json.dumps(result.to_json(), indent=2, ensure_ascii=False) + "\n"
            write_files({output: text.encode()})
            msg.good(f"Counts written to {output}")
        if plot is not None:
            from ..comparison.curves import draw_overlap

            msg.good(
                f"Plotted: {', '.join(map(str, draw_overlap(result.overlap, plot))) or 'nothing (only one domain)'}"
            )


def print_stats(result: Stats) -> None:
    """Print the counts as tables."""
    splits = {f"{name}/{split}": counted for name, files in result.sets.items() for split, counted in files.items()}
    rows = [
        (name, *(f"{getattr(counted, attribute):,}" for attribute in COLUMNS.values()), len(counted.per_type))
        for name, counted in splits.items()
    ]
    _print_table("Sentences and entities", ["set/split", *COLUMNS, "types"], rows)
    partial = [(name, f"{counted.unannotated:,}") for name, counted in splits.items() if counted.unannotated]
    _print_table("Unannotated tokens in partly annotated sentences", ["set/split", "tokens"], partial)
    for name, files in result.sets.items():
        _print_table(f"Entities per type: {name}", ["type", *files], _type_rows(files))
    shared = [
        (name, other, f"{count:,}")
        for name, counted in splits.items()
        for other, count in [*counted.shared.items(), ("any of them", counted.shared_any)]
        if count
    ]
    _print_table("Sentences that also occur in an earlier split", ["set/split", "also in", "sentences"], shared)
    misfits = [
        (name, f"{counted.misfits:,} ({counted.misfits / counted.entities:.1%})", "; ".join(counted.misfit_examples))
        for name, counted in splits.items()
        if counted.misfits
    ]
    title = "Entities that begin or end inside a token of nlp(text), so that no prediction can match them"
    _print_table(title, ["set/split", "entities", "such as"], misfits)
    repaired = [
        (name, fault, f"{count:,}") for name, counted in splits.items() for fault, count in counted.repairs.items()
    ]
    _print_table("Other faults (repaired for counting)", ["set/split", "fault", "times"], repaired)
    domains = list(dict.fromkeys(domain for pair in result.overlap for domain in pair))
    in_both_orders = {
        **result.overlap,
        **{(second, first): percent for (first, second), percent in result.overlap.items()},
    }
    overlap = [
        (row, *(f"{in_both_orders[row, column]:.1f}" if row != column else "" for column in domains)) for row in domains
    ]
    title = f"Vocabulary overlap in percent of the smaller vocabulary (top {VOCABULARY_SIZE:,} words, no stop words)"
    _print_table(title, ["domain", *domains], overlap)


def _type_rows(files: Dict[str, SplitStats]) -> List[Tuple[str, ...]]:
    """Return a row for each type of a set, in the order of the first file."""
    labels = dict.fromkeys(label for counted in files.values() for label in counted.per_type)
    return [(label, *(f"{counted.per_type.get(label, 0):,}" for counted in files.values())) for label in labels]


def _print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table under its title, or nothing if it has no rows."""
    if rows:
        msg.divider(title)
        aligns: List[Literal["r", "c", "l"]] = ["r" if i else "l" for i in range(len(header))]
        print(table(rows, header=header, divider=True, aligns=aligns))
