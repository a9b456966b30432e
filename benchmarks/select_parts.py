"""Compare the numpy byte operations of `select` with plain Python, and check that both select the same text.

    python benchmarks/select_parts.py RAW... --entities LIST [--types T,...] [--repeats 2] [--output OUT.json]

The plain version normalizes white space with `str.split`, finds duplicates with a set of hashes, and finds names with
a token regular expression and an Aho-Corasick automaton over the separated tokens. Each part is timed on the same
blocks of text, with both versions in turn. `select` as a whole is timed in separate processes. All times are for one
core. With `--quick-tokens` the plain matcher separates tokens with `str.replace`, the fastest plain version that we
found.
"""

import json
import re
import string
import sys
import tempfile
import unicodedata
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any, Collection, Dict, List, Optional, Sequence, Set, Tuple
from unittest.mock import patch

import numpy as np
import typer
from ahocorasick_rs import BytesAhoCorasick, MatchKind
from numpy.typing import NDArray
from select_speed import in_own_process, peak_megabytes, seconds_of
from spacy.strings import hash_string  # type: ignore[attr-defined]
from wasabi import table

from spacy_crossner.data.normal_form import name_keys, sentence_keys
from spacy_crossner.text.duplicates import DuplicateFilter
from spacy_crossner.text.entities import EntityList, read_entities
from spacy_crossner.text.matching import Counts, EntityMatcher
from spacy_crossner.text.raw import normalise, read_blocks
from spacy_crossner.text.select import select_corpus
from spacy_crossner.text.sentences import split_line

PUNCTUATION = string.punctuation.replace("_", "")
IS_MARK = (unicodedata.category(chr(point))[0] == "M" for point in range(sys.maxunicode + 1))
MARK_RUNS = [[point for point, _ in run] for is_mark, run in groupby(enumerate(IS_MARK), key=itemgetter(1)) if is_mark]
# Character ranges: a list of single characters would take ten times as long.
MARKS = "".join(f"{chr(run[0])}-{chr(run[-1])}" for run in MARK_RUNS)
TOKEN = re.compile(rf"[\w{MARKS}]+|\S|\n")
WIDE_SYMBOL = re.compile(rf"[^\w{MARKS}\x00-\x7f]")

QUICK_TOKENS = False


def plain_normalise(text: bytes) -> bytes:
    """Normalize white space as `normalise` does."""
    lines = (" ".join(line.replace("\0", " ").split()) for line in text.decode("utf-8").split("\n"))
    return "\n".join(line for line in lines if line).encode("utf-8")


def with_tokens_apart(text: str) -> str:
    """Return a text with a separate space before and after each token."""
    if not QUICK_TOKENS:
        return f" {'  '.join(TOKEN.findall(text))} "
    for symbol in f"{PUNCTUATION}\n":
        text = text.replace(symbol, f" {symbol} ")
    if not text.isascii():
        text = WIDE_SYMBOL.sub(r" \g<0> ", text)
    while "  " in text:
        text = text.replace("  ", " ")
    return f" {text.strip(' ').replace(' ', '  ')} "


class PlainMatcher:
    """A plain version of `EntityMatcher`."""

    def __init__(self, entities: EntityList, types: Collection[str] = (), *, ignore_case: bool = False) -> None:
        self.ignore_case = ignore_case
        special: Dict[bytes, bool] = {}
        for name, kind in zip(entities.names, entities.types or [""] * len(entities.names), strict=True):
            key = with_tokens_apart(name_keys(name.encode("utf-8"), ignore_case=ignore_case).decode("utf-8")).encode()
            special[key] = special.get(key, False) or not types or kind in types
        self.is_special = np.fromiter(special.values(), dtype=bool, count=len(special))
        self.automaton = BytesAhoCorasick(special, matchkind=MatchKind.LeftmostLongest)

    def count(self, sentences: Sequence[str]) -> Tuple[Counts, Counts]:
        """Count the mentions of names in each sentence."""
        text = name_keys("\n".join(sentences).encode("utf-8"), ignore_case=self.ignore_case).decode("utf-8")
        apart = with_tokens_apart(text).encode("utf-8")
        matches = self.automaton.find_matches_as_indexes(apart)
        numbers, starts, _ = np.array(matches, dtype=np.int64).reshape(-1, 3).T
        line_ends = np.flatnonzero(np.frombuffer(apart, dtype=np.uint8) == ord("\n"))
        places = np.searchsorted(line_ends, starts)
        special = places[self.is_special[numbers]]
        return np.bincount(places, minlength=len(sentences)), np.bincount(special, minlength=len(sentences))


class PlainDuplicates:
    """A plain version of `DuplicateFilter`. It is exact, and its memory grows with the text."""

    forgotten = 0

    def __init__(self, mebibytes: int = 0) -> None:
        self.seen: Set[int] = set()

    def first_seen(self, keys: Sequence[str]) -> NDArray[np.bool_]:
        """Return which sentences are new."""
        first = np.zeros(len(keys), dtype=bool)
        for place, key in enumerate(map(hash_string, keys)):
            first[place] = key not in self.seen
            self.seen.add(key)
        return first

    @property
    def nbytes(self) -> int:
        """The approximate memory of the set."""
        return sys.getsizeof(self.seen) + sum(map(sys.getsizeof, self.seen))


def run_parts(raw: List[Path], entities: Path, quick_tokens: bool) -> Dict[str, Any]:
    """Time both versions of each part on all blocks, and check that the results are equal."""
    global QUICK_TOKENS
    QUICK_TOKENS = quick_tokens
    seconds: Dict[str, List[float]] = {}

    def compare(part: str, ours: Any, plain: Any) -> Tuple[Any, Any]:
        results = [seconds_of(ours), seconds_of(plain)]
        seconds[part] = [a + b["cpu"] for a, b in zip(seconds.get(part, [0.0, 0.0]), results, strict=True)]
        return results[0]["result"], results[1]["result"]

    matchers = compare(
        "read the list", lambda: EntityMatcher(read_entities(entities)), lambda: PlainMatcher(read_entities(entities))
    )
    duplicates = DuplicateFilter(64), PlainDuplicates()
    n_bytes = n_sentences = 0
    for block in read_blocks(raw):
        # The blocks are already normalized. This does not change the time of either version.
        normal, plain_normal = compare("normalise", lambda b=block: normalise(b), lambda b=block: plain_normalise(b))
        sentences = [sentence for line in normal.decode("utf-8").split("\n") for sentence in split_line(line)]
        keys = sentence_keys("\n".join(sentences).encode("utf-8")).decode("utf-8").split("\n")
        first, plain_first = compare("repetitions", *(lambda d=d, k=keys: d.first_seen(k) for d in duplicates))
        counts, plain_counts = compare("match names", *(lambda m=m, s=sentences: m.count(s) for m in matchers))
        assert normal == plain_normal
        assert (first == plain_first).all()
        assert all((a == b).all() for a, b in zip(counts, plain_counts, strict=True))
        n_bytes, n_sentences = n_bytes + len(block) + 1, n_sentences + len(sentences)
    memory = {"ours": duplicates[0].buckets.nbytes, "plain": duplicates[1].nbytes}
    return {"bytes": n_bytes, "sentences": n_sentences, "seconds": seconds, "bytes_of_duplicates": memory}


def run_whole(raw: List[Path], entities: Path, output: Path, types: List[str], plain: bool) -> Dict[str, Any]:
    """Time the selection of the integrated level, with the plain or the numpy version of all parts."""
    names = ("select.EntityMatcher", "stream.DuplicateFilter", "raw.normalise")
    for name, part in zip(names, (PlainMatcher, PlainDuplicates, plain_normalise), strict=True):
        if plain:
            patch(f"spacy_crossner.text.{name}", part).start()
    seconds = seconds_of(lambda: select_corpus(raw, output, entities=entities, types=types))
    return {"cpu": seconds["cpu"], "wall": seconds["wall"], "peak_megabytes": peak_megabytes()}


def main(
    raw: Annotated[List[Path], typer.Argument(help="Text")],
    entities: Annotated[Path, typer.Option(help="Entity list for the text")],
    types: Annotated[str, typer.Option(help="Domain-specific types: T,... Default: all types of the list")] = "",
    repeats: Annotated[int, typer.Option(help="Runs of each version, in turn")] = 2,
    quick_tokens: Annotated[bool, typer.Option(help="Separate tokens with `str.replace`")] = False,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print seconds per gigabyte of each part and of `select` as a whole; exit with 1 if the selections differ."""
    special = [kind for kind in types.split(",") if kind]
    parts = [in_own_process(run_parts, raw, entities, quick_tokens) for _ in range(repeats)]
    with tempfile.TemporaryDirectory() as scratch:
        outputs = [Path(scratch) / "ours.txt", Path(scratch) / "plain.txt"]
        whole = [
            [in_own_process(run_whole, raw, entities, outputs[plain], special, bool(plain)) for plain in (0, 1)]
            for _ in range(repeats)
        ]
        is_same = outputs[0].read_bytes() == outputs[1].read_bytes()
    gigabytes = parts[0]["bytes"] / 1e9
    best = {part: np.min([run["seconds"][part] for run in parts], axis=0) for part in parts[0]["seconds"]}
    in_all = np.min([[side["cpu"] for side in run] for run in whole], axis=0)
    best["select without its list"] = in_all - best["read the list"]
    rows: List[Tuple[str, ...]] = []
    for part, (ours, plain) in best.items():
        # Building the list takes the same time for any size of text.
        ours, plain = (ours, plain) if part == "read the list" else (ours / gigabytes, plain / gigabytes)
        rows.append((part, f"{ours:.1f}", f"{plain:.1f}", f"{plain / ours:.1f}"))
    memory = [parts[0]["bytes_of_duplicates"][side] / 1e6 for side in ("ours", "plain")]
    memory[1] /= gigabytes
    rows.append(("duplicates, MB", *(f"{side:,.0f}" for side in memory), f"{memory[1] / memory[0]:.1f}"))
    print(f"{gigabytes * 1000:,.1f} MB, {parts[0]['sentences']:,} sentences; seconds per gigabyte on one core")
    print(table(rows, header=("part", "ours", "plain", "ratio"), divider=True, aligns=("l", "r", "r", "r")))
    print("The selections are the same." if is_same else "The selections differ.")
    if output:
        output.write_text(json.dumps({"parts": parts, "whole": whole, "same": is_same}, indent=2) + "\n")
    raise typer.Exit(not is_same)


if __name__ == "__main__":
    typer.run(main)
