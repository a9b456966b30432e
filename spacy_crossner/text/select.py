"""A corpus for domain-adaptive pre-training, selected from raw text by what entities its sentences hold.

The three levels of corpora and the one integrated of them are those of CrossNER (Liu et al., 2021), section 3.2. All
are counted in one pass, in blocks of about a megabyte; memory is that of the entity list, of the duplicate filter and
of a block, whatever the size of the text.
"""

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Optional, Sequence

from ..data.files import find_input, reason
from ..errors import CrossnerError
from .entities import read_entities
from .excluded import read_excluded
from .matching import EntityMatcher
from .raw import check_files
from .selection import C410, Selection, SelectionSettings
from .sizes import Level, SelectionReport

C403 = "[C403] There is no sentence in {names}; expected text, a sentence or a paragraph a line."
C406 = "[C406] No name of the entity list {path} is in the text{hint}; expected a list of names of the domain."
C408 = "[C408] {what} needs an entity list (--entities)."
C409 = "[C409] No sentence is of the level '{level}' with {settings}; expected one at least. Ask for fewer mentions."
C411 = "[C411] Cannot write {output}: {error}. What was there before is as it was."
C412 = "[C412] {output} cannot be the output: it is {problem}. Give another name."
C413 = (
    "[C413] No sentence is left of {names}: all {count:,} occur in the files to exclude, repeat one another, or are "
    "not in the share of {share:g} that is taken."
)

STATISTICS = ".json"


def select_corpus(
    raw: Sequence[Path],
    output: Path,
    *,
    entities: Optional[Path] = None,
    level: str = Level.integrated,
    exclude: Sequence[Path] = (),
    types: Sequence[str] = (),
    min_entities: int = 2,
    min_special: int = 1,
    upsample: int = 2,
    split: bool = True,
    ignore_case: bool = False,
    filter_size: int = 64,
    share: float = 1.0,
) -> SelectionReport:
    """Select the sentences of a level and write them, a sentence a line, with statistics beside them as JSON.

    Sentences that differ only in case and white space are the same; the first stays. White space within a sentence
    becomes single blanks. The integrated level is written as the entity level and, after it, the task level as often
    as `upsample` says: with a repetition next to it a masked word could be copied instead of predicted.

    raw (Sequence[Path]): the text of the domain, plain or gzipped (`.gz`), a sentence or a paragraph a line.
    output (Path): the file; `<name>.json` beside it gets the statistics. Both appear when they are complete.
    entities (Optional[Path]): the entity list, see `read_entities`; only the domain level does without.
    level (str): a `Level`.
    exclude (Sequence[Path]): dev and test files whose sentences are left out, see `read_excluded` and `Excluded`.
        With `split` the sentence that holds one is left out, otherwise the whole line.
    types, min_entities, min_special, upsample, split, ignore_case, filter_size, share: see `SelectionSettings`.
    RETURNS (SelectionReport): the sizes of all levels, and what was left out.
    RAISES (CrossnerError): a file cannot be read or written or has a fault, or nothing is selected. Files that were
        there before are then unchanged.
    """
    raw, output, exclude = [Path(path) for path in raw], Path(output), [Path(path) for path in exclude]
    settings = SelectionSettings(
        tuple(types), min_entities, min_special, upsample, split, ignore_case, filter_size, share
    )
    if level not in list(Level):
        raise CrossnerError(C410.format(name="level", value=repr(level), expected=", ".join(Level)))
    if entities is None and (level != Level.domain or types):
        raise CrossnerError(C408.format(what=f"The level '{level}'" if level != Level.domain else "--types"))
    check_files(raw)
    _check_output(output, [*raw, *exclude, *([entities] if entities else [])])
    matcher = EntityMatcher(read_entities(entities), types, ignore_case=ignore_case) if entities else None
    names = {
        "raw": [path.name for path in raw],
        "entities": Path(entities).name if entities else None,
        "exclude": [path.name for path in exclude],
    }
    report = SelectionReport(output, Level(level), {**asdict(settings), **names})
    selection = Selection(report, settings, matcher, read_excluded(exclude) if exclude else None)
    try:
        # Missing folders are made when there is something to put into them.
        there = next(folder for folder in output.absolute().parents if folder.exists())
        with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=there) as folder:
            text, statistics = Path(folder) / "text", Path(folder) / "statistics"
            selection.write(raw, text)
            _check_result(report, raw, entities, settings)
            statistics.write_text(json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            output.parent.mkdir(parents=True, exist_ok=True)
            os.replace(text, output)
            os.replace(statistics, statistics_path(output))
    except OSError as error:
        raise CrossnerError(C411.format(output=output, error=reason(error))) from error
    return report


def statistics_path(output: Path) -> Path:
    """Return the file beside a corpus that holds its statistics."""
    return output.with_name(output.name + STATISTICS)


def _check_output(output: Path, inputs: Sequence[Path]) -> None:
    """Raise what is wrong with the place to write to, before anything is read."""
    problem = None
    if output.is_dir() or statistics_path(output).is_dir():
        problem = "a folder, or its statistics are"
    elif output.suffix == ".gz":
        problem = "named as a gzip file, and plain text is written"
    elif find_input(output, inputs):
        problem = "one of the files to read"
    if problem:
        raise CrossnerError(C412.format(output=output, problem=problem))


def _check_result(
    report: SelectionReport, raw: Sequence[Path], entities: Optional[Path], settings: SelectionSettings
) -> None:
    """Raise what left nothing to write, and note in the report what the user may not want."""
    names = ", ".join(map(str, raw)) or "no file"
    if not report.sentences_read:
        raise CrossnerError(C403.format(names=names))
    if not report.levels[Level.domain].sentences:
        raise CrossnerError(C413.format(names=names, count=report.sentences_read, share=settings.share))
    if entities and not report.mentions:
        hint = "" if settings.ignore_case else " (upper and lower case as in the list; --ignore-case looks past it)"
        raise CrossnerError(C406.format(path=entities, hint=hint))
    if not report.written.sentences:
        needed = f"{settings.min_entities} mentions or {settings.min_special} of special types"
        raise CrossnerError(C409.format(level=report.level, settings=needed))
    wrong_order = report.check_order()
    if wrong_order:
        report.warnings.append(wrong_order)
    if report.forgotten:
        report.warnings.append(
            f"The duplicate filter has forgotten {report.forgotten:,} sentences for want of room; repetitions of them "
            f"are kept. A larger one: --filter-size {2 * settings.filter_size} (MiB)."
        )
