"""One pass over raw text: which of its sentences are of which level."""

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Dict, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from ..data.normal_form import sentence_keys
from ..errors import CrossnerError
from .duplicates import DuplicateFilter
from .excluded import Excluded
from .matching import EntityMatcher
from .raw import line_place, read_blocks
from .sentences import split_line
from .sizes import Level, LevelSize, SelectionReport

C410 = "[C410] {name} is {value}; expected {expected}."


@dataclass(frozen=True)
class SelectionSettings:
    """How sentences are selected.

    types (Tuple[str, ...]): the types that are special to the domain; all names of the list where none is given.
    min_entities (int): mentions of entities that a sentence of the entity level needs. Mentions count, not different
        entities: a name that stands twice is two.
    min_special (int): mentions of entities of special types that a sentence of the task level needs.
    upsample (int): how often the task level is in the integrated level.
    split (bool): split lines into sentences; otherwise each line is one.
    ignore_case (bool): look for names without regard to case.
    filter_size (int): size of the duplicate filter in MiB, see `DuplicateFilter`.
    share (float): share of the sentences that is taken. A sentence is in it or not by its words alone, so that a
        smaller share is part of a larger one.
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
        """Check the numbers."""
        for name in ("min_entities", "min_special", "upsample", "filter_size"):
            if getattr(self, name) < 1:
                raise CrossnerError(C410.format(name=name, value=getattr(self, name), expected="1 or more"))
        if not 0 < self.share <= 1:
            raise CrossnerError(C410.format(name="share", value=self.share, expected="above 0, 1 at most"))


class Selection:
    """One pass over raw text.

    report (SelectionReport): gets the counts.
    settings (SelectionSettings): the settings.
    matcher (Optional[EntityMatcher]): finds mentions; without it there is the domain level alone.
    excluded (Optional[Excluded]): what is left out.
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
        self.excluded = excluded
        self.duplicates = DuplicateFilter(settings.filter_size)

    def write(self, raw: Sequence[Path], path: Path) -> None:
        """Read all text, write the sentences of the level and count those of every level.

        raw (Sequence[Path]): the text.
        path (Path): the file to write, in a folder of its own.
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
        report.forgotten = self.duplicates.forgotten

    def select(self, lines: Sequence[str]) -> Tuple[List[str], Dict[Level, NDArray[np.bool_]]]:
        """Tell which sentences of some lines belong to which level.

        lines (Sequence[str]): non-empty lines, their white space normalised.
        RETURNS (Tuple[List[str], Dict[Level, NDArray[np.bool_]]]): the sentences; for each level but the integrated one
            whether it has them, for the domain level alone without an entity list.
        """
        report, settings = self.report, self.settings
        sentences, line_numbers = list(lines), list(range(len(lines)))
        if settings.split:
            by_line = [list(split_line(line)) for line in lines]
            sentences = [sentence for found in by_line for sentence in found]
            line_numbers = [number for number, found in enumerate(by_line) for _ in found]
        keys = sentence_keys("\n".join(sentences).encode("utf-8")).decode("utf-8").split("\n")
        kept = np.ones(len(keys), dtype=bool)
        if self.excluded:
            kept[self.excluded.find(keys, line_numbers)] = False
        first = self.duplicates.first_seen(keys)
        report.sentences_read += len(keys)
        report.excluded += int((~kept).sum())
        report.duplicates += int((kept & ~first).sum())
        levels = {Level.domain: kept & first & self._is_drawn(keys)}
        if self.matcher is not None:
            mentions, special = self.matcher.count(sentences)
            report.mentions += int(mentions[levels[Level.domain]].sum())
            levels[Level.entity] = levels[Level.domain] & (mentions >= settings.min_entities)
            levels[Level.task] = levels[Level.domain] & (special >= settings.min_special)
        return sentences, levels

    def _is_drawn(self, keys: Sequence[str]) -> NDArray[np.bool_]:
        share = self.settings.share
        if share == 1:
            return np.ones(len(keys), dtype=bool)
        # Not the place by which lines are held out later: these would be a larger part of a share.
        return np.fromiter((line_place(f"share\n{key}") < share for key in keys), dtype=bool, count=len(keys))
