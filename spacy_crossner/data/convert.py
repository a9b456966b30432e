"""Text files to validated DocBins with a domain mark."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Collection, Dict, Iterable, Iterator, List, Mapping, Optional, Set

from spacy.language import Language
from spacy.tokens import Doc
from tqdm import tqdm

from .brat import find_brat_split, is_brat
from .docbin import pack_docs
from .drawing import REST, Size, draw_parts
from .faults import NO_SPLITS, OUTPUT_NAME, UNREADABLE, Faults
from .files import check_inputs, check_output, write_files
from .manifest import MANIFEST, find_stale, make_manifest
from .reading import Format, Source, open_files
from .running import TokenFit
from .schemes import Scheme
from .sentences import Sentence, make_doc
from .tokenizing import blank_pipeline, bounded

SPLITS = ("train", "dev", "test")

SUFFIXES = (".txt", ".jsonl", ".json", ".csv", ".tsv", ".conll", ".conllu", ".bio", ".iob")

# Names of files in a message.
MOST_LISTED = 10


@dataclass
class Converted:
    """What became of one file, or of a part that was drawn from it.

    source (Source): the text file, with what was mended and noted.
    output (Path): the DocBin.
    sentences (int): the number of sentences.
    tokens (int): the number of tokens.
    entities (Counter[str]): the number of entities by label, after map and drop.
    fit (TokenFit): how the entities fit the tokens of the language's tokenizer, after map and drop.
    """

    source: Source
    output: Path
    sentences: int = 0
    tokens: int = 0
    entities: Counter[str] = field(default_factory=Counter)
    fit: TokenFit = field(default_factory=TokenFit)

    def add(self, sentence: Sentence, nlp: Language) -> None:
        """Count a sentence."""
        spans = sentence.spans or []
        self.sentences += 1
        self.tokens += len(sentence.words)
        self.entities.update(label for _, _, label in spans)
        self.fit.add(sentence.words, sentence.spaces, spans, nlp.tokenizer)


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

    files (List[Converted]): each file, and each part that was drawn.
    changes (LabelChanges): the labels renamed and dropped.
    drawn (Dict[str, Size]): the size that was asked for of each part that was drawn.
    missing (List[str]): dev and test, where training and scores will lack them.
    removed (List[Path]): splits of an earlier corpus in the output folder, taken away.
    unread (List[str]): other files in the source folder.
    notes (List[str]): what else the user should know of.
    warnings (List[str]): what is likely to be a mistake.
    """

    files: List[Converted]
    changes: LabelChanges
    drawn: Dict[str, Size] = field(default_factory=dict)
    missing: List[str] = field(default_factory=list)
    removed: List[Path] = field(default_factory=list)
    unread: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)

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
    sizes: Optional[Mapping[str, Size]] = None,
    seed: int = 0,
    force: bool = False,
) -> Conversion:
    """Convert a text file, or the splits in a folder, to DocBins.

    All files are written or none: an error leaves what was there before. A folder gets the sums of its splits, too, by
    which the next call knows that it wrote them, see `manifest`.

    source (Path): a file, or a folder with any of train, dev and test, each as a file with an ending of `SUFFIXES` or
        as a folder of brat's files, or with one file that has the name of the domain, which is then train, or a folder
        of brat's files itself.
    output (Path): a `.spacy` file, or a folder where `source` is one with splits or `sizes` are given.
    domain (str): the domain mark of every doc.
    format (Format): the format of the text.
    scheme (Scheme): the tag scheme of columns.
    lang (str): the language whose tokenizer cuts running text, and the language mark of every doc.
    raw (bool): read without annotation, plain text by default, see `open_files`.
    repair (bool): mend and count what can be mended.
    label_map (Optional[Mapping[str, str]]): new label by label of the file; two labels may become one.
    drop (Collection[str]): labels of the file whose entities become ordinary words.
    labels_out (Optional[Path]): where to write the sorted labels of all files as a JSON list, the form that
        `spacy.read_labels.v1` reads.
    sizes (Optional[Mapping[str, Size]]): dev and test sets to draw from train, see `draw_parts`; those that are there
        are taken as they are. Labels are those of the file, so that `label_map` and `drop` do not change what is drawn.
    seed (int): seed of what is drawn.
    force (bool): write over, and take away, splits in the output folder that `convert` did not write.
    RETURNS (Conversion): what was written, mended and noted.
    RAISES (DataError): a file cannot be read or written, or has a fault that is not to be mended; a set is too small
        to draw from; or the output folder has splits that `convert` did not write.
    """
    source, output, sizes = Path(source), Path(output), dict(sizes or {})
    paths = find_outputs(source, output, domain, is_drawn=bool(sizes))
    check_inputs(paths.values(), paths)
    if labels_out is not None:
        check_output(Path(labels_out), paths)
    nlp = blank_pipeline(lang)
    result = Conversion([], LabelChanges(label_map or {}, drop))
    there = {path.stem for path in paths.values()}
    for split in there & set(sizes):
        result.notes.append(f"--{split} {sizes.pop(split)} is not needed: there is a {split} set, which is taken.")
    result.drawn = sizes
    contents: Dict[Path, bytes] = {}
    for opened in open_files(list(paths), format=format, scheme=scheme, raw=raw, repair=repair):
        path = paths[opened.path]
        read = tqdm(opened.read(bounded(nlp.tokenizer)), desc=opened.path.name, disable=None, leave=False)
        parts: Dict[Path, Iterable[Sentence]] = {path: read}
        if path.stem == REST and sizes:
            sentences = list(read)
            found = draw_parts(sentences, sizes, seed, opened.faults)
            parts = {
                path.with_name(f"{split}.spacy"): [sentences[i] for i in found.parts[split]] for split in found.parts
            }
            result.notes += found.notes
        for part, taken in parts.items():
            file = Converted(opened, part)
            result.files.append(file)
            contents[part] = pack_docs(_make_docs(file, taken, result.changes, nlp, domain))
    if sizes and not any(path.stem == REST for path in contents):
        raise Faults(source).error(NO_SPLITS, None, "no train", form="a train set to draw from")
    result.warnings = list(_doubts(result))
    splits = dict(contents)
    if labels_out is not None:
        contents[Path(labels_out)] = (json.dumps(result.labels, indent=2, ensure_ascii=False) + "\n").encode()
    if output.suffix == ".spacy":
        write_files(contents)
        return result
    # What an earlier corpus left in the folder would be trained and selected on unseen.
    stale = find_stale(output, splits, SPLITS, force=force)
    write_files({**contents, output / MANIFEST: make_manifest(output, splits, stale)})
    for path in stale:
        path.unlink()
        result.removed.append(path)
    if output / "train.spacy" in splits:
        result.missing = [split for split in SPLITS if output / f"{split}.spacy" not in splits]
    if source.is_dir() and source not in paths:
        names = {name for path in paths for name in (path.name, *(path.with_suffix(".ann").name,) * is_brat(path))}
        result.unread = sorted(path.name for path in source.iterdir() if path.is_file() and path.name not in names)
    return result


def _doubts(result: Conversion) -> Iterator[str]:
    """Say which file has no entity, and which labels differ in letter case alone."""
    entities: Counter[str] = Counter()
    found: Dict[Path, bool] = {}
    for file in result.files:
        entities.update(file.entities)
        if not file.source.raw:
            found[file.source.path] = found.get(file.source.path, False) or bool(file.entities)
    for path, has_entities in found.items():
        if not has_entities:
            yield f"no entity in {path}"
    spellings: Dict[str, List[str]] = {}
    for label, _ in entities.most_common():
        spellings.setdefault(label.casefold(), []).append(label)
    for labels in spellings.values():
        if len(labels) > 1:
            counts = ", ".join(f"{label} ({entities[label]:,})" for label in labels)
            options = " ".join(f"--map {label}={labels[0]}" for label in labels[1:])
            yield f"labels that differ in letter case alone: {counts}. If they are one type: {options}"


def _make_docs(
    file: Converted, sentences: Iterable[Sentence], changes: LabelChanges, nlp: Language, domain: str
) -> Iterator[Doc]:
    """Yield the docs of a file and count them."""
    for sentence in sentences:
        changes.apply(sentence)
        file.add(sentence, nlp)
        yield make_doc(nlp.vocab, sentence, domain)


def find_outputs(source: Path, output: Path, domain: str, *, is_drawn: bool) -> Dict[Path, Path]:
    """Return which file to write for each text file.

    source (Path): a file, or a folder with splits or with one file that has the name of the domain.
    output (Path): the `.spacy` file, or the folder.
    domain (str): the domain.
    is_drawn (bool): splits are to be drawn: one file becomes train in a folder.
    RETURNS (Dict[Path, Path]): DocBin by text file.
    RAISES (DataError): a folder holds no split or one of them twice, or the output does not fit the source.
    """
    if not source.exists():
        raise Faults(source).error(UNREADABLE, None, "no such file or folder")
    splits = _find_splits(source, domain) if source.is_dir() else {}
    # A folder of brat's files without splits is read as one file.
    is_one = not splits and (source.is_file() or is_brat(source))
    if not splits and not is_one:
        names = sorted(path.name + "/" * path.is_dir() for path in source.iterdir())
        more = len(names) - MOST_LISTED
        listed = ", ".join(names[:MOST_LISTED]) + f" and {more:,} more" * (more > 0)
        form = f"a folder with train, dev or test as {', '.join(SUFFIXES)} or a folder of .ann files"
        form += f", one with {domain}.txt, or a file"
        raise Faults(source).error(NO_SPLITS, None, f"none of them, but {listed}" if names else "nothing", form=form)
    to_folder = is_drawn or not is_one
    if to_folder and (output.suffix == ".spacy" or output.is_file()):
        what = f"this name for the {'splits of' if is_one else 'folder'} {source}"
        raise Faults(output).error(OUTPUT_NAME, None, what, form="a folder")
    if not to_folder and (output.suffix != ".spacy" or output.is_dir()):
        what = "one file" if source.is_file() else f"the folder {source} of .txt and .ann files without splits"
        form = "a file name ending in .spacy (or --dev and --test, for a folder with splits of it)"
        raise Faults(output).error(OUTPUT_NAME, None, f"this name for {what}", form=form)
    if is_one:
        return {source: output / f"{REST}.spacy" if to_folder else output}
    return {path: output / f"{split}.spacy" for split, path in splits.items()}


def _find_splits(folder: Path, domain: str) -> Dict[str, Path]:
    """Return the file of each split in a folder, or its folder of brat's files; a file named as the domain is train.

    RAISES (DataError): a split is there twice.
    """
    splits = {split: path for split in SPLITS if (path := _find_split(folder, split))}
    if not splits and (path := _find_split(folder, domain)):
        splits[REST] = path
    return splits


def _find_split(folder: Path, name: str) -> Optional[Path]:
    """Return the file of a split, or its folder of brat's files, None where it is not there."""
    found = [path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").is_file()]
    found += filter(None, [find_brat_split(folder, name)])
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise Faults(folder).error(NO_SPLITS, None, names, form=f"one file for {name}")
    return found[0] if found else None
