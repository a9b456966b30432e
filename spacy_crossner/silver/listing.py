"""What weak labelling found, for a reader and as JSON."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

from wasabi import table

from .checking import Check, check_table, check_to_json
from .common_words import WordCounter
from .labeller import Tally
from .names import WeakNames

# Names that are listed for each type, and as ambiguous or common.
SHOWN = 12
SHOWN_OPEN = 30


def listing_path(output: Path) -> Path:
    """Return the path of the listing of an output."""
    return output.with_name(output.name + ".txt")


def statistics_path(output: Path) -> Path:
    """Return the path of the statistics of an output."""
    return output.with_name(output.name + ".json")


@dataclass
class Listing:
    """The statistics of a run.

    output (str): the name of the output.
    counts (Dict[str, int]): numbers of sentences by what became of them.
    tally (Tally): the counts of the labelled sentences.
    names (Optional[WeakNames]): the names.
    words (Optional[WordCounter]): how often the text has names of one word.
    entities (Counter[str]): entities of the output by type.
    tokens (Counter[str]): tokens of the output by annotation: B, I, O, and open.
    settings (Dict[str, Any]): the settings.
    check (Optional[Check]): the labels of gold sentences, see `check_labels`.
    """

    output: str
    counts: Dict[str, int]
    tally: Tally
    names: Optional[WeakNames]
    words: Optional[WordCounter]
    entities: "Counter[str]"
    tokens: "Counter[str]"
    settings: Dict[str, Any]
    check: Optional[Check] = None

    def types(self) -> Dict[str, Dict[str, Any]]:
        """Return for each type: names of the lists, mentions of them, sure entities, entities of the output."""
        by_type: Dict[str, Dict[str, Any]] = {}
        names_of: Dict[str, List[int]] = {}
        if self.names is not None:
            for i in range(len(self.names.names)):
                if (kind := self.names.type_of(i)) is not None:
                    names_of.setdefault(kind, []).append(i)
        mentions = self.tally.mentions
        for kind in sorted({*names_of, *self.tally.sure, *self.entities}):
            places = names_of.get(kind, [])
            by_type[kind] = {
                "names": len(places),
                "mentions": sum(mentions[i] for i in places),
                "sure": self.tally.sure[kind],
                "entities": self.entities[kind],
                "most_frequent": [(self._name(i), mentions[i]) for i in self._most_frequent(places, SHOWN)],
            }
        return by_type

    def ambiguous(self) -> List[Dict[str, Any]]:
        """Return the most frequent names of several types, with their types and the number of their mentions."""
        if self.names is None:
            return []
        places = [i for i, types in enumerate(self.names.types) if len(types) > 1]
        return [
            {"name": self._name(i), "types": sorted(self.names.types[i]), "mentions": self.tally.mentions[i]}
            for i in self._most_frequent(places, SHOWN_OPEN)
        ]

    def common(self) -> List[Dict[str, Any]]:
        """Return the most frequent common words of one type, and how often the text has each form."""
        if self.names is None or self.words is None:
            return []
        rows = []
        places = [i for i in self.names.is_common.nonzero()[0].tolist() if len(self.names.types[i]) == 1]
        for i in self._most_frequent(places, SHOWN_OPEN):
            as_listed, lower = self.words.counts_of(i)
            rows.append(
                {"name": self._name(i), "mentions": self.tally.mentions[i], "as_listed": as_listed, "lower_case": lower}
            )
        return rows

    def refuted(self) -> List[Dict[str, Any]]:
        """Return the most frequent names of one type that are mostly no entities in the gold sentences."""
        if self.names is None:
            return []
        refuted = ((self.names.balance < 0) & ~self.names.is_common).nonzero()[0].tolist()
        places = [i for i in refuted if len(self.names.types[i]) == 1]
        return [
            {"name": self._name(i), "type": min(self.names.types[i]), "mentions": self.tally.mentions[i]}
            for i in self._most_frequent(places, SHOWN_OPEN)
        ]

    def _name(self, place: int) -> str:
        assert self.names is not None
        return self.names.names[place]

    def _most_frequent(self, places: Sequence[int], most: int) -> List[int]:
        found = [i for i in places if self.tally.mentions[i]]
        return sorted(found, key=lambda i: (-self.tally.mentions[i], self._name(i)))[:most]

    def to_json(self, **notes: Any) -> str:
        """Return the statistics as JSON. They contain no paths.

        notes (Any): further entries, by name.
        """
        content = {
            **notes,
            "sentences": self.counts,
            "tokens": dict(sorted(self.tokens.items())),
            "types": self.types(),
            "contradicted_mentions": self.tally.contradicted,
            "ambiguous": self.ambiguous(),
            "common_words": self.common(),
            "refuted": self.refuted(),
            "settings": self.settings,
            **({"check": check_to_json(self.check)} if self.check else {}),
        }
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    def to_text(self) -> str:
        """Return the statistics for a reader."""
        sentences = ", ".join(f"{name} {count:,}" for name, count in self.counts.items())
        tokens = ", ".join(f"{name} {count:,}" for name, count in sorted(self.tokens.items()))
        parts = [f"{self.output}\n", f"Sentences: {sentences}", f"Tokens: {tokens}", self.types_table()]
        if self.check:
            parts.append("Gold sentences, labelled in the same way:" + check_table(self.check))
        if self.names is not None:
            parts.append(f"Mentions that the teachers contradict: {self.tally.contradicted:,}")
        for kind, row in self.types().items():
            if row["most_frequent"]:
                parts.append(f"{kind}: " + _in_line(row["most_frequent"]))
        ambiguous = [(f"{row['name']} ({', '.join(row['types'])})", row["mentions"]) for row in self.ambiguous()]
        if ambiguous:
            parts.append("\nNames of several types, left open: " + _in_line(ambiguous))
        refuted = [(f"{row['name']} ({row['type']})", row["mentions"]) for row in self.refuted()]
        if refuted:
            parts.append("\nNo entities in the gold sentences, left open: " + _in_line(refuted))
        common = [
            (f"{row['name']} (written so {row['as_listed']:,}, in lower case {row['lower_case']:,})", row["mentions"])
            for row in self.common()
        ]
        if common:
            parts.append("\nCommon words, left open: " + _in_line(common))
        return "\n".join(parts) + "\n"

    def types_table(self) -> str:
        """Return the counts of the types as a table."""
        rows = [
            (kind, *(f"{row[name]:,}" for name in ("names", "mentions", "sure", "entities")))
            for kind, row in self.types().items()
        ]
        header = ("type", "names", "mentions", "sure of teachers", "in the output")
        return str(table(rows, header=header, divider=True, aligns=("l", "r", "r", "r", "r")))


def _in_line(counts: Sequence[Tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts)
