"""The levels of a corpus, their sizes, and the report of a selection (CrossNER, section 3.2 and Table 3)."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Dict, List, Optional

from wasabi import table


class Level(StrEnum):
    """The level of a corpus: which sentences of the domain's text it contains.

    `domain`: all sentences. `entity`: sentences with several mentions of entities. `task`: sentences with a mention of
    a type that is special to the domain. `integrated`: the entity level, followed by copies of the task level.
    """

    domain = "domain"
    entity = "entity"
    task = "task"
    integrated = "integrated"


@dataclass
class LevelSize:
    """The size of one level.

    sentences (int): number of sentences, including repetitions.
    tokens (int): number of tokens separated by white space.
    """

    sentences: int = 0
    tokens: int = 0

    def add(self, other: "LevelSize", times: int = 1) -> None:
        """Add the sentences and tokens of another size, `times` times."""
        self.sentences += times * other.sentences
        self.tokens += times * other.tokens


@dataclass
class SelectionReport:
    """The report of a selection.

    output (Path): the corpus.
    level (Level): the level of the corpus.
    levels (Dict[Level, LevelSize]): the size of every level, also of levels that were not written. Without an entity
        list, only of the domain level.
    settings (Dict[str, Any]): the settings, and the names of the input files.
    sentences_read (int): number of sentences of the raw text.
    duplicates (int): number of sentences removed as repetitions.
    excluded (int): number of sentences removed because they contain an excluded sentence.
    forgotten (int): number of sentences that the full duplicate filter has forgotten. Their repetitions are kept.
    mentions (int): number of mentions of entities in the domain level.
    warnings (List[str]): warnings for the user.
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
        """Return the statistics that are written beside the corpus. They contain file names, but no paths."""
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
        """Return the ratio of a level's tokens to the tokens of the domain level; None if that level is empty."""
        tokens = self.levels[Level.domain].tokens
        return round(self.levels[level].tokens / tokens, 4) if tokens else None

    def check_order(self) -> Optional[str]:
        """Return a warning if the numbers of tokens are not task < entity < domain, as in the paper."""
        if Level.task not in self.levels:
            return None
        task, entity, domain = (self.levels[level].tokens for level in (Level.task, Level.entity, Level.domain))
        if task < entity < domain:
            return None
        return (
            f"The levels should grow from task over entity to domain, but have {task:,}, {entity:,} and {domain:,} "
            "tokens: the entity list is too long, or too many of its types are special. Give fewer types with --types, "
            "remove common words from the list, or require more mentions in a sentence with --min-entities and "
            "--min-special."
        )


def levels_table(report: SelectionReport) -> str:
    """Format the sizes of the levels like Table 3 of the paper, with one level in each row.

    report (SelectionReport): the report.
    RETURNS (str): sentences, tokens and, in brackets, the ratio to the domain level. The written level has a mark.
    """
    rows = [
        (f"{level}-level" + (" *" if level is report.level else ""), f"{size.sentences:,}", f"{size.tokens:,}", share)
        for level, size in report.levels.items()
        for share in [f"({report.share(level) or 0:.2f}x)"]
    ]
    header = ("* written", "sentences", "tokens", "share")
    return str(table(rows, header=header, divider=True, aligns=("l", "r", "r", "r")))
