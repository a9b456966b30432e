"""Select a corpus for domain-adaptive pre-training from raw text, by the entities mentioned in each sentence.

The three levels of corpora, and the integrated level, are those of CrossNER (Liu et al., 2021), section 3.2. All levels
are counted in one pass, in blocks of about a megabyte. The memory is that of the entity list, the duplicate filter and
one block, for any size of the text.
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

C403 = "[C403] Found no sentence in {names}; expected text with a sentence or a paragraph on each line."
C406 = "[C406] No name of the entity list {path} is in the text{hint}; expected a list of names of the domain."
C408 = "[C408] {what} needs an entity list. Give one with --entities."
C409 = (
    "[C409] No sentence belongs to the level '{level}', which needs {settings}. Lower --min-entities or --min-special."
)
C411 = "[C411] Cannot write {output}: {error}. The earlier output is unchanged."
C412 = "[C412] {output} cannot be the output: it is {problem}. Give another output."
C413 = (
    "[C413] No sentence of {names} remains: all {count:,} occur in the files to exclude, are repetitions, or are "
    "not in the share of {share:g}. Give more text, exclude fewer files, or raise --share."
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
    """Select the sentences of a level. Write one sentence on each line, and statistics as JSON.

    Sentences that differ only in case and white space are repetitions, and only the first is kept. White space within a
    sentence becomes single blanks. The integrated level is the entity level, followed by `upsample` copies of the task
    level. Repetitions are not written next to each other, because the model could copy a masked word instead of
    predicting it.

    raw (Sequence[Path]): the text of the domain, plain or gzipped (`.gz`), with a sentence or a paragraph on each line.
    output (Path): the output file. The statistics are written to `<name>.json` beside it. Both files are moved into
        place when they are complete.
    entities (Optional[Path]): the entity list, see `read_entities`. All levels except the domain level need it.
    level (str): a `Level`.
    exclude (Sequence[Path]): dev and test files whose sentences are excluded, see `read_excluded` and `Excluded`. With
        `split`, only the sentence with a match is removed, otherwise the whole line.
    types, min_entities, min_special, upsample, split, ignore_case, filter_size, share: see `SelectionSettings`.
    RETURNS (SelectionReport): the sizes of all levels, and the numbers of removed sentences.
    RAISES (CrossnerError): a file cannot be read or written or is invalid, or no sentence is selected. Existing output
        files are unchanged then.
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
        # The temporary folder is in the nearest existing folder. Missing folders are made only on success.
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
    """Return the path of the statistics of a corpus."""
    return output.with_name(output.name + STATISTICS)


def _check_output(output: Path, inputs: Sequence[Path]) -> None:
    """Raise an error if the output path is not usable, before any text is read."""
    problem = None
    if output.is_dir() or statistics_path(output).is_dir():
        problem = "a folder, or the path of its statistics is a folder"
    elif output.suffix == ".gz":
        problem = "named as a gzip file, but the output is plain text"
    elif find_input(output, inputs):
        problem = "one of the input files"
    if problem:
        raise CrossnerError(C412.format(output=output, problem=problem))


def _check_result(
    report: SelectionReport, raw: Sequence[Path], entities: Optional[Path], settings: SelectionSettings
) -> None:
    """Raise an error if no sentence is selected, and add warnings to the report."""
    names = ", ".join(map(str, raw)) or "no file"
    if not report.sentences_read:
        raise CrossnerError(C403.format(names=names))
    if not report.levels[Level.domain].sentences:
        raise CrossnerError(C413.format(names=names, count=report.sentences_read, share=settings.share))
    if entities and not report.mentions:
        hint = "" if settings.ignore_case else " (case matters, unless you use --ignore-case)"
        raise CrossnerError(C406.format(path=entities, hint=hint))
    if not report.written.sentences:
        needed = f"{settings.min_entities} mentions or {settings.min_special} of special types"
        raise CrossnerError(C409.format(level=report.level, settings=needed))
    wrong_order = report.check_order()
    if wrong_order:
        report.warnings.append(wrong_order)
    if report.forgotten:
        report.warnings.append(
            f"The duplicate filter is too small: it has forgotten {report.forgotten:,} sentences, whose repetitions "
            f"are kept. Use a larger filter with --filter-size {2 * settings.filter_size} (MiB)."
        )
