"""Text files to validated DocBins with a domain mark."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Collection, Dict, Iterator, List, Mapping, Optional, Set

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from tqdm import tqdm

from ..errors import CrossnerError
from .docbin import pack_docs
from .faults import NO_SPLITS, OUTPUT_NAME, UNREADABLE, Faults
from .files import write_files
from .reading import Format, Source, open_files
from .schemes import Scheme
from .sentences import Sentence, make_doc
from .tokenizing import bounded

SPLITS = ("train", "dev", "test")

SUFFIXES = (".txt", ".jsonl")


@dataclass
class Converted:
    """What became of one file.

    source (Source): the text file, with what was mended and noted.
    output (Path): the DocBin.
    sentences (int): the number of sentences.
    tokens (int): the number of tokens.
    entities (Counter[str]): the number of entities by label, after map and drop.
    """

    source: Source
    output: Path
    sentences: int = 0
    tokens: int = 0
    entities: Counter[str] = field(default_factory=Counter)


@dataclass
class LabelChanges:
    """Labels renamed and dropped, both by their names in the files.

    renamed (Mapping[str, str]): the new name by the old one.
    dropped (Collection[str]): labels whose entities become ordinary words.
    seen (Set[str]): the labels that the files hold.
    """

    renamed: Mapping[str, str]
    dropped: Collection[str]
    seen: Set[str] = field(default_factory=set)

    def apply(self, sentence: Sentence) -> None:
        """Rename and drop the entities of a sentence in place."""
        if sentence.spans:
            self.seen.update(label for _, _, label in sentence.spans)
            sentence.spans = [
                (start, end, self.renamed.get(label, label))
                for start, end, label in sentence.spans
                if label not in self.dropped
            ]

    def unknown(self) -> List[str]:
        """Return the labels to rename or drop that no file holds."""
        return sorted({*self.renamed, *self.dropped} - self.seen)


@dataclass
class Conversion:
    """What became of all files.

    files (List[Converted]): each file.
    changes (LabelChanges): the labels renamed and dropped.
    removed (List[Path]): splits of an earlier corpus in the output folder, taken away.
    unread (List[str]): other files in the source folder.
    """

    files: List[Converted]
    changes: LabelChanges
    removed: List[Path] = field(default_factory=list)
    unread: List[str] = field(default_factory=list)

    @property
    def labels(self) -> List[str]:
        """The labels written, sorted."""
        return sorted(set().union(*(file.entities for file in self.files)))


def convert(
    source: Path,
    output: Path,
    domain: str,
    *,
    format: Format = Format.auto,
    scheme: Scheme = Scheme.auto,
    lang: str = "en",
    raw: bool = False,
    repair: bool = False,
    label_map: Optional[Mapping[str, str]] = None,
    drop: Collection[str] = (),
    labels_out: Optional[Path] = None,
) -> Conversion:
    """Convert a text file, or the splits in a folder, to DocBins.

    All files are written or none: an error leaves what was there before.

    source (Path): a file, or a folder with any of train, dev and test as `.txt` or `.jsonl`.
    output (Path): a `.spacy` file, or a folder where `source` is one.
    domain (str): the domain mark of every doc.
    format (Format): the format of the text.
    scheme (Scheme): the tag scheme of columns.
    lang (str): the language whose tokenizer cuts running text.
    raw (bool): read without annotation, plain text by default, see `open_files`.
    repair (bool): mend and count what can be mended.
    label_map (Optional[Mapping[str, str]]): new label by label of the file; two labels may become one.
    drop (Collection[str]): labels of the file whose entities become ordinary words.
    labels_out (Optional[Path]): where to write the sorted labels of all files as a JSON list, the form that
        `spacy.read_labels.v1` reads.
    RETURNS (Conversion): what was written, mended and noted.
    RAISES (DataError): a file cannot be read or written, or has a fault that is not to be mended.
    """
    paths = find_outputs(Path(source), Path(output))
    nlp = blank_pipeline(lang)
    files = [
        Converted(opened, paths[opened.path])
        for opened in open_files(list(paths), format=format, scheme=scheme, raw=raw, repair=repair)
    ]
    result = Conversion(files, LabelChanges(label_map or {}, drop))
    contents = {file.output: pack_docs(_make_docs(file, result.changes, nlp, domain)) for file in files}
    if labels_out is not None:
        contents[Path(labels_out)] = (json.dumps(result.labels, indent=2, ensure_ascii=False) + "\n").encode()
    write_files(contents)
    if Path(source).is_dir():
        # What an earlier corpus left in the folder would be trained and selected on unseen.
        for split in SPLITS:
            stale = Path(output) / f"{split}.spacy"
            if stale not in contents and stale.is_file():
                stale.unlink()
                result.removed.append(stale)
        read = {path.name for path in paths}
        result.unread = sorted(path.name for path in Path(source).iterdir() if path.is_file() and path.name not in read)
    return result


def _make_docs(file: Converted, changes: LabelChanges, nlp: Language, domain: str) -> Iterator[Doc]:
    """Yield the docs of a file and count them, with a progress bar on a terminal."""
    for sentence in tqdm(
        file.source.read(bounded(nlp.tokenizer)), desc=file.source.path.name, disable=None, leave=False
    ):
        changes.apply(sentence)
        file.sentences += 1
        file.tokens += len(sentence.words)
        file.entities.update(label for _, _, label in sentence.spans or [])
        yield make_doc(nlp.vocab, sentence, domain)


def blank_pipeline(lang: str) -> Language:
    """Return the blank pipeline of a language, for its tokenizer and vocabulary.

    RAISES (CrossnerError): spaCy does not know the language, or lacks a package that its tokenizer needs.
    """
    try:
        return spacy.blank(lang)
    except ImportError as error:
        raise CrossnerError(f"[C122] No tokenizer for the language '{lang}': {error}") from error


def find_outputs(source: Path, output: Path) -> Dict[Path, Path]:
    """Return which file to write for each text file.

    source (Path): a file, or a folder with splits.
    output (Path): the `.spacy` file, or the folder.
    RETURNS (Dict[Path, Path]): DocBin by text file.
    RAISES (DataError): a folder holds no split or one of them twice, or the output does not fit the source.
    """
    if not source.exists():
        raise Faults(source).error(UNREADABLE, None, "no such file or folder")
    if not source.is_dir():
        if output.suffix != ".spacy" or output.is_dir():
            raise Faults(output).error(OUTPUT_NAME, None, "this name for one file", form="a file name ending in .spacy")
        return {source: output}
    if output.suffix == ".spacy" or output.is_file():
        raise Faults(output).error(OUTPUT_NAME, None, f"this name for the folder {source}", form="a folder")
    paths: Dict[Path, Path] = {}
    for split in SPLITS:
        found = [path for suffix in SUFFIXES if (path := source / f"{split}{suffix}").is_file()]
        if len(found) > 1:
            names = " and ".join(path.name for path in found)
            raise Faults(source).error(NO_SPLITS, None, names, form=f"one file for {split}")
        paths.update(dict.fromkeys(found, output / f"{split}.spacy"))
    if not paths:
        form = "a folder with train, dev or test as .txt or .jsonl, or a single file"
        raise Faults(source).error(NO_SPLITS, None, "none of them", form=form)
    return paths
