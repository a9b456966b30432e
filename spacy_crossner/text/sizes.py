"""The levels of a corpus, their sizes, and the report of a selection (CrossNER, section 3.2 and Table 3)."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Dict, List, Optional

from wasabi import table


class Level(StrEnum):
    """Which sentences of the domain's text are in a corpus.

    `domain`: all. `entity`: those with several mentions of entities. `task`: those with a mention of an entity of a
    type special to the domain. `integrated`: the entity level, then the task level as often as it is upsampled.
    """

    domain = "domain"
    entity = "entity"
    task = "task"
    integrated = "integrated"


@dataclass
class LevelSize:
    """The size of one level.

    sentences (int): its sentences, repeated ones counted each time.
    tokens (int): what white space parts in them.
    """

    sentences: int = 0
    tokens: int = 0

    def add(self, other: "LevelSize", times: int = 1) -> None:
        """Count sentences and tokens of another size on top."""
        self.sentences += times * other.sentences
        self.tokens += times * other.tokens


@dataclass
class SelectionReport:
    """What was selected from what.

    output (Path): the corpus.
    level (Level): its level.
    levels (Dict[Level, LevelSize]): the size of every level, whichever was written; of the domain level alone where no
        entity list was given.
    settings (Dict[str, Any]): the settings, and the names of the files.
    sentences_read (int): sentences of the raw text.
    duplicates (int): of these, left out as repetitions.
    excluded (int): of these, left out for the sentences to exclude.
    forgotten (int): sentences that the duplicate filter had no room for in the end, so that repetitions may be left.
    mentions (int): mentions of entities in the domain level.
    warnings (List[str]): what the user may not want.
    """

    output: Path
    level: Level
    settings: Dict[str, Any]
    levels: Dict[Level, LevelSize] = field(default_factory=dict)
    sentences_read: int = 0
    duplicates: int = 0
    excluded: int = 0
    forgotten: int = 0
    mentions: int = 0
    warnings: List[str] = field(default_factory=list)

    @property
    def written(self) -> LevelSize:
        """The size of the corpus."""
        return self.levels[self.level]

    def to_json(self) -> Dict[str, Any]:
        """Return the statistics that are written beside the corpus: no path, only names of files."""
        return {
            "level": str(self.level),
            **asdict(self.written),
            "sentences_read": self.sentences_read,
            "duplicates": self.duplicates,
            "excluded": self.excluded,
            "mentions": self.mentions,
            "levels": {str(level): {**asdict(size), "share": self.share(level)} for level, size in self.levels.items()},
            "settings": self.settings,
        }

    def share(self, level: Level) -> Optional[float]:
        """Return the tokens of a level over those of the domain level, None where there are none at all."""
        tokens = self.levels[Level.domain].tokens
        return round(self.levels[level].tokens / tokens, 4) if tokens else None

    def check_order(self) -> Optional[str]:
        """Say what is wrong where task < entity < domain does not hold in tokens, as it does in the paper."""
        if Level.task not in self.levels:
            return None
        task, entity, domain = (self.levels[level].tokens for level in (Level.task, Level.entity, Level.domain))
        if task < entity < domain:
            return None
        return (
            f"The levels should grow from task over entity to domain, but have {task:,}, {entity:,} and {domain:,} "
            "tokens: the entity list is too rich, or too many of its types are taken as special. Name fewer types "
            "with --types, take common words out of the list, or ask for more mentions a sentence with --min-entities "
            "and --min-special."
        )


def levels_table(report: SelectionReport) -> str:
    """Lay out the sizes of the levels as the paper's Table 3, a level a row.

    report (SelectionReport): the report.
    RETURNS (str): sentences, tokens and the ratio to the domain level, in brackets; the level written has a mark.
    """
    rows = [
        (f"{level}-level" + (" *" if level is report.level else ""), f"{size.sentences:,}", f"{size.tokens:,}", share)
        for level, size in report.levels.items()
        for share in [f"({report.share(level) or 0:.2f}x)"]
    ]
    header = ("* written", "sentences", "tokens", "share")
    return str(table(rows, header=header, divider=True, aligns=("l", "r", "r", "r")))
