"""One pass over raw text that assigns its sentences to the levels of a corpus."""

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Dict, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from ..errors import CrossnerError
from .excluded import Excluded
from .matching import EntityMatcher
from .raw import read_blocks
from .sizes import Level, LevelSize, SelectionReport
from .stream import SentenceStream

C410 = "[C410] {name} is {value}; expected {expected}."


@dataclass(frozen=True)
class SelectionSettings:
    """Settings of the selection.

    types (Tuple[str, ...]): the types that are special to the domain. If empty, all names of the list are special.
    min_entities (int): minimum number of mentions in a sentence of the entity level. A name that occurs twice counts as
        two mentions.
    min_special (int): minimum number of mentions of special types in a sentence of the task level.
    upsample (int): number of copies of the task level in the integrated level.
    split (bool): split lines into sentences. Otherwise, each line is a sentence.
    ignore_case (bool): ignore case when searching names.
    filter_size (int): size of the duplicate filter in MiB, see `DuplicateFilter`.
    share (float): share of the sentences to use. A hash of the sentence decides, so that a smaller share is a subset of
        a larger one.
    """

    types: Tuple[str, ...] = ()
    min_entities: int = 2
    min_special: int = 1
    upsample: int = 2
    split: bool = True
    ignore_case: bool = False
    filter_size: int = 64
    share: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges of the settings."""
        for name in ("min_entities", "min_special", "upsample", "filter_size"):
            if getattr(self, name) < 1:
                raise CrossnerError(C410.format(name=name, value=getattr(self, name), expected="1 or more"))
        if not 0 < self.share <= 1:
            raise CrossnerError(C410.format(name="share", value=self.share, expected="above 0, 1 at most"))


class Selection:
    """One pass over raw text.

    report (SelectionReport): the report, to which the counts are written.
    settings (SelectionSettings): the settings.
    matcher (Optional[EntityMatcher]): finds mentions; None for the domain level only.
    excluded (Optional[Excluded]): the sentences to exclude.
    """

    def __init__(
        self,
        report: SelectionReport,
        settings: SelectionSettings,
        matcher: Optional[EntityMatcher],
        excluded: Optional[Excluded],
    ) -> None:
        self.report = report
        self.settings = settings
        self.matcher = matcher
        self.stream = SentenceStream(
            excluded, split=settings.split, filter_size=settings.filter_size, share=settings.share
        )

    def write(self, raw: Sequence[Path], path: Path) -> None:
        """Read all text, write the sentences of the requested level, and count the sentences of every level.

        raw (Sequence[Path]): the text.
        path (Path): the file to write, in a temporary folder. A second file may be written beside it.
        """
        report, upsample = self.report, self.settings.upsample
        sizes = {Level.domain: LevelSize()}
        if self.matcher is not None:
            sizes.update({Level.entity: LevelSize(), Level.task: LevelSize(), Level.integrated: LevelSize()})
        integrated = report.level is Level.integrated
        with ExitStack() as stack:
            output = stack.enter_context(path.open("wb"))
            files: Dict[Level, BinaryIO] = {Level.entity if integrated else report.level: output}
            if integrated:
                files[Level.task] = stack.enter_context(path.with_name("task").open("w+b"))
            for block in read_blocks(raw, label="select"):
                sentences, levels = self.select(block.decode("utf-8").split("\n"))
                n_tokens = np.fromiter((sentence.count(" ") + 1 for sentence in sentences), np.int64, len(sentences))
                for level, chosen in levels.items():
                    sizes[level].add(LevelSize(int(chosen.sum()), int(n_tokens[chosen].sum())))
                    if level in files and chosen.any():
                        lines = [f"{sentences[i]}\n" for i in np.flatnonzero(chosen).tolist()]
                        files[level].write("".join(lines).encode("utf-8"))
            if integrated:
                for _ in range(upsample):
                    files[Level.task].seek(0)
                    shutil.copyfileobj(files[Level.task], output)
        if self.matcher is not None:
            sizes[Level.integrated].add(sizes[Level.entity])
            sizes[Level.integrated].add(sizes[Level.task], upsample)
        report.levels = sizes
        report.forgotten = self.stream.duplicates.forgotten

    def select(self, lines: Sequence[str]) -> Tuple[List[str], Dict[Level, NDArray[np.bool_]]]:
        """Find the levels of the sentences of lines.

        lines (Sequence[str]): non-empty lines with normalized white space.
        RETURNS (Tuple[List[str], Dict[Level, NDArray[np.bool_]]]): the sentences; and for each level, whether it
            contains each sentence. The integrated level is omitted. Without an entity list, only the domain level is
            included.
        """
        report, settings = self.report, self.settings
        sentences, kept = self.stream.take(lines)
        report.sentences_read, report.excluded = self.stream.read, self.stream.excluded_count
        report.duplicates = self.stream.repeated
        levels = {Level.domain: kept}
        if self.matcher is not None:
            mentions, special = self.matcher.count(sentences)
            report.mentions += int(mentions[kept].sum())
            levels[Level.entity] = kept & (mentions >= settings.min_entities)
            levels[Level.task] = kept & (special >= settings.min_special)
        return sentences, levels
