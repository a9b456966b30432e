"""What the files of a folder are: labelled text, raw text, or a list of names.

Labelled text is found by the reader of `convert`, so that what is found here can be converted.
"""

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Set, Union

from spacy.tokens import DocBin
from spacy.vocab import Vocab

from ..data.brat import is_brat
from ..data.convert import Conversion, read_corpus
from ..data.faults import UNREADABLE, Faults
from ..data.files import read_lines
from ..data.normal_form import sentence_key
from ..data.reading import open_files
from ..data.split_files import SPLITS, SUFFIXES
from ..errors import CrossnerError
from ..text.entities import read_entities
from ..text.raw import read_blocks

# Files that hold no data, by their names in lower case, and the outputs of a project.
SKIPPED = re.compile(r"(readme|licen[cs]e|changelog|requirements)\b.*|.*\.(md|rst|pdf|docx?|py|cfg|ya?ml|lock|html?)")
OUTPUTS = {"corpus", "training", "metrics", "packages", "assets", "configs"}
# A file with such a name may be a list of names without types.
LIST_NAME = re.compile(r"names?|entit(y|ies)|list|terms?|gazetteers?|dictionary|lexicon", re.IGNORECASE)
# Lines at the beginning of a file that show what it is.
SHOWN_LINES = 200
# Largest number of types of a list of names, and of words of a name without a type; length of a list so short that
# each name may have another type.
MOST_TYPES, MOST_WORDS, FEW_NAMES = 100, 8, 20
TAG = re.compile(r"O|[BIESLUM][-_].+")


@dataclass
class Labelled:
    """Labelled text: a file, or a folder with splits or of brat's files.

    path (Path): the file or folder.
    conversion (Conversion): what `convert` makes of it; no set is drawn.
    shared (Dict[str, int]): the number of sentences of dev and of test that are also in train.
    """

    path: Path
    conversion: Conversion
    shared: Dict[str, int] = field(default_factory=dict)

    @property
    def sizes(self) -> Dict[str, int]:
        """The number of sentences by set; a single file is train."""
        files = self.conversion.files
        return {file.output.stem if len(files) > 1 else "train": file.sentences for file in files}

    @property
    def entities(self) -> "Counter[str]":
        """The number of entities by label, in all sets."""
        return sum((file.entities for file in self.conversion.files), Counter())

    @property
    def format(self) -> str:
        """The format of the files in words."""
        names: Set[str] = set()
        for file in self.conversion.files:
            names |= set(file.source.forms) or {str(file.source.format)}
        return ", ".join(sorted(names))


@dataclass
class RawText:
    """Raw text. lines (int), words (int): their numbers; words are separated by white space."""

    path: Path
    lines: int
    words: int


@dataclass
class Names:
    """A list of names. types (Counter[str]): the number of names by type, empty for a list without types."""

    path: Path
    count: int
    types: "Counter[str]"


@dataclass
class Unread:
    """A file that is none of these. problem (str): the reason."""

    path: Path
    problem: str


Found = Union[Labelled, RawText, Names, Unread]


def inspect(folder: Path, lang: str = "en") -> List[Found]:
    """Look at all files of a folder and its subfolders, except hidden ones and the outputs of a project.

    folder (Path): the folder, or one file.
    lang (str): the language, for the tokenizer.
    RETURNS (List[Found]): what was found, by path.
    RAISES (DataError): the folder cannot be read.
    """
    if not folder.exists():
        raise Faults(folder).error(UNREADABLE, None, "no such file or folder")
    return [look_at(path, lang) for path in _candidates(folder)]


def _candidates(folder: Path) -> Iterator[Path]:
    """Yield the files, and the folders that `convert` reads as a whole."""
    if folder.is_file():
        yield folder
        return
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    files = [path for path in inside if path.is_file() and not SKIPPED.fullmatch(path.name.lower())]
    # The text and the annotation of brat, and the splits of a set, are one thing.
    splits = [path for path in files if path.stem in SPLITS and path.suffix in SUFFIXES]
    brat = is_brat(folder)
    if splits or brat:
        yield folder
    for path in files:
        if path not in splits and not (brat and path.suffix in (".txt", ".ann")):
            yield path
    is_project = (folder / "project.yml").is_file()
    for path in inside:
        if path.is_dir() and not (is_project and path.name in OUTPUTS) and os.access(path, os.R_OK):
            yield from _candidates(path)


def look_at(path: Path, lang: str = "en") -> Found:
    """Return what a file, or a folder of labelled text, is. Errors of its readers become the problem of `Unread`."""
    try:
        if path.is_file() and (is_list := _looks_like_a_list(path)) is not None:
            names = read_entities(path)
            return Names(path, len(names.names), Counter(names.types or ()) if is_list else Counter())
        if path.is_dir() or open_files([path], raw=None)[0].format is not None:
            return _read_labelled(path, lang)
        return _count_words(path)
    except CrossnerError as error:
        return Unread(path, str(error))


def _looks_like_a_list(path: Path) -> Optional[bool]:
    """Return whether a file is a list of names with types (True), without types (False), or none (None)."""
    if path.name.removesuffix(".gz").endswith((".json", ".jsonl")):
        return None
    lines: List[str] = []
    for _, line in read_lines(Faults(path)):
        lines.append(line)
        if len(lines) == SHOWN_LINES:
            break
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines or not all(line.strip() for line in lines):
        # Blank lines separate sentences in columns, or paragraphs.
        return None
    cells = [line.rstrip("\r").split("\t") for line in lines]
    if all(len(row) > 1 and row[0].strip() and row[1].strip() for row in cells):
        types = {row[1].strip() for row in cells}
        is_tagged = any(TAG.fullmatch(cell.strip()) for row in cells for cell in row[1:])
        # A long list has several names of each type; the second column of a table has other values in most lines.
        is_varied = len(types) > MOST_TYPES or (len(cells) >= FEW_NAMES and len(types) > len(cells) // 2)
        return None if is_tagged or is_varied else True
    is_short = all(len(row) == 1 and len(row[0].split()) <= MOST_WORDS for row in cells)
    return False if is_short and LIST_NAME.search(path.stem) else None


def _read_labelled(path: Path, lang: str) -> Labelled:
    """Read labelled text as `convert` does, and count what is there."""
    is_single = path.is_file() or not any(_has_split(path, split) for split in SPLITS)
    conversion, contents = read_corpus(path, Path("train.spacy" if is_single else "corpus"), "domain", lang=lang)
    labelled = Labelled(path, conversion)
    keys = {
        output.stem: [sentence_key(doc.text) for doc in DocBin().from_bytes(packed).get_docs(Vocab())]
        for output, packed in contents.items()
    }
    train = set(keys.get("train", ()))
    for split in ("dev", "test"):
        shared = sum(key in train for key in keys.get(split, ()))
        if shared:
            labelled.shared[split] = shared
    return labelled


def _has_split(folder: Path, split: str) -> bool:
    return any((folder / f"{split}{suffix}").is_file() for suffix in SUFFIXES) or (folder / split).is_dir()


def _count_words(path: Path) -> RawText:
    """Read raw text to its end, so that a fault is found now, and count it."""
    lines = words = 0
    for block in read_blocks([path], label=path.name):
        lines += block.count(b"\n") + 1
        words += len(block.split())
    return RawText(path, lines, words)
