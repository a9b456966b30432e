"""Convert text files to validated DocBins with a domain mark."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Collection, Dict, Iterable, Iterator, List, Mapping, Optional, Set, Tuple

from spacy.language import Language
from spacy.tokens import Doc
from tqdm import tqdm

from .brat import is_brat
from .docbin import pack_docs
from .drawing import REST, Size, draw_parts
from .faults import NO_SPLITS, Faults
from .files import check_inputs, check_output, write_files
from .manifest import MANIFEST, find_stale, make_manifest
from .reading import Format, Source, open_files
from .running import TokenFit
from .schemes import Scheme
from .sentences import Sentence, make_doc
from .split_files import SPLITS, find_outputs
from .tokenizing import blank_pipeline, bounded


@dataclass
class ConvertedFile:
    """A converted file, or a part that was drawn from it, with its counts.

    source (Source): the text file, with its repairs and notes.
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
    """The result of a conversion.

    files (List[ConvertedFile]): each file, and each part that was drawn.
    changes (LabelChanges): the labels renamed and dropped.
    drawn (Dict[str, Size]): the requested size of each part that was drawn.
    missing (List[str]): dev and test, if there is a train set without them.
    removed (List[Path]): splits of an earlier corpus that were removed from the output folder.
    unread (List[str]): other files in the source folder.
    notes (List[str]): further messages for the user.
    warnings (List[str]): probable mistakes in the data.
    """

    files: List[ConvertedFile]
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

    All files are written or none: after an error the output is unchanged. The checksums of the splits are written into
    the folder, so that the next call can recognize them as its own, see `manifest`.

    source (Path): one of: a file; a folder with any of train, dev and test, each as a file with one of the `SUFFIXES`
        or as a folder of brat's files; a folder with one file that has the name of the domain, which becomes train; a
        folder of brat's files.
    output (Path): a `.spacy` file, or a folder if `source` has splits or `sizes` are given.
    domain (str): the domain mark of every doc.
    format (Format): the format of the text.
    scheme (Scheme): the tag scheme of columns.
    lang (str): the language whose tokenizer cuts running text, and the language mark of every doc.
    raw (bool): read without annotation, plain text by default, see `open_files`.
    repair (bool): repair and count the faults that can be repaired.
    label_map (Optional[Mapping[str, str]]): new label by label of the file; two labels may get the same new label.
    drop (Collection[str]): labels of the file whose entities become ordinary words.
    labels_out (Optional[Path]): where to write the sorted labels of all files as a JSON list, the form that
        `spacy.read_labels.v1` reads.
    sizes (Optional[Mapping[str, Size]]): dev and test sets to draw from train, see `draw_parts`; a set that exists is
        not drawn. Drawing uses the labels of the file, so `label_map` and `drop` do not change it.
    seed (int): seed for drawing.
    force (bool): replace or remove splits in the output folder that `convert` did not write.
    RETURNS (Conversion): the written files, repairs and notes.
    RAISES (DataError): a file cannot be read or written, or has a fault that is not repaired; a set is too small to
        draw from; or the output folder has splits that `convert` did not write.
    """
    source, output = Path(source), Path(output)
    if labels_out is not None:
        check_output(Path(labels_out), find_outputs(source, output, domain, is_drawn=bool(sizes)))
    result, contents = read_corpus(
        source,
        output,
        domain,
        format=format,
        scheme=scheme,
        lang=lang,
        raw=raw,
        repair=repair,
        changes=LabelChanges(label_map or {}, drop),
        sizes=sizes,
        seed=seed,
    )
    splits = dict(contents)
    if labels_out is not None:
        contents[Path(labels_out)] = (json.dumps(result.labels, indent=2, ensure_ascii=False) + "\n").encode()
    if output.suffix == ".spacy":
        write_files(contents)
        return result
    # Without this, splits of an earlier corpus in the folder would silently be used in training and selection.
    stale = find_stale(output, splits, SPLITS, force=force)
    write_files({**contents, output / MANIFEST: make_manifest(output, splits, stale)})
    for path in stale:
        path.unlink()
        result.removed.append(path)
    if output / "train.spacy" in splits:
        result.missing = [split for split in SPLITS if output / f"{split}.spacy" not in splits]
    paths = {file.source.path for file in result.files}
    if source.is_dir() and source not in paths:
        names = {name for path in paths for name in (path.name, *(path.with_suffix(".ann").name,) * is_brat(path))}
        result.unread = sorted(path.name for path in source.iterdir() if path.is_file() and path.name not in names)
    return result


def read_corpus(
    source: Path,
    output: Path,
    domain: str,
    *,
    format: Format = Format.auto,
    scheme: Scheme = Scheme.auto,
    lang: str = "en",
    raw: bool = False,
    repair: bool = False,
    changes: Optional[LabelChanges] = None,
    sizes: Optional[Mapping[str, Size]] = None,
    seed: int = 0,
) -> Tuple[Conversion, Dict[Path, bytes]]:
    """Read a text file, or the splits in a folder, and return what `convert` would write. See `convert`.

    RETURNS (Tuple[Conversion, Dict[Path, bytes]]): the counts, and the bytes of each DocBin by its path.
    """
    sizes = dict(sizes or {})
    paths = find_outputs(source, output, domain, is_drawn=bool(sizes))
    check_inputs(paths.values(), paths)
    nlp = blank_pipeline(lang)
    result = Conversion([], changes or LabelChanges({}, ()))
    existing = {path.stem for path in paths.values()}
    for split in existing & set(sizes):
        result.notes.append(f"--{split} {sizes.pop(split)} is not needed: the existing {split} set is used.")
    result.drawn = sizes
    contents: Dict[Path, bytes] = {}
    for opened in open_files(list(paths), format=format, scheme=scheme, raw=raw, repair=repair):
        path = paths[opened.path]
        reading = tqdm(opened.read(bounded(nlp.tokenizer)), desc=opened.path.name, disable=None, leave=False)
        parts: Dict[Path, Iterable[Sentence]] = {path: reading}
        if path.stem == REST and sizes:
            sentences = list(reading)
            drawn = draw_parts(sentences, sizes, seed, opened.faults)
            parts = {
                path.with_name(f"{split}.spacy"): [sentences[i] for i in drawn.parts[split]] for split in drawn.parts
            }
            result.notes += drawn.notes
        for part, part_sentences in parts.items():
            file = ConvertedFile(opened, part)
            result.files.append(file)
            contents[part] = pack_docs(_make_docs(file, part_sentences, result.changes, nlp, domain))
    if sizes and not any(path.stem == REST for path in contents):
        raise Faults(source).error(NO_SPLITS, None, "no train", form="a train set to draw from")
    result.warnings = list(_find_doubts(result))
    return result, contents


def _find_doubts(result: Conversion) -> Iterator[str]:
    """Yield warnings for files without an entity, and for labels that differ only in letter case."""
    entities: Counter[str] = Counter()
    has_entities_by_path: Dict[Path, bool] = {}
    for file in result.files:
        entities.update(file.entities)
        if not file.source.raw:
            has_entities_by_path[file.source.path] = has_entities_by_path.get(file.source.path, False) or bool(
                file.entities
            )
    for path, has_entities in has_entities_by_path.items():
        if not has_entities:
            yield f"no entity in {path}"
    spellings: Dict[str, List[str]] = {}
    for label, _ in entities.most_common():
        spellings.setdefault(label.casefold(), []).append(label)
    for labels in spellings.values():
        if len(labels) > 1:
            counts = ", ".join(f"{label} ({entities[label]:,})" for label in labels)
            options = " ".join(f"--map {label}={labels[0]}" for label in labels[1:])
            yield f"labels that differ only in letter case: {counts}. If they are one type: {options}"


def _make_docs(
    file: ConvertedFile, sentences: Iterable[Sentence], changes: LabelChanges, nlp: Language, domain: str
) -> Iterator[Doc]:
    """Yield the docs of a file and count them."""
    for sentence in sentences:
        changes.apply(sentence)
        file.add(sentence, nlp)
        yield make_doc(nlp.vocab, sentence, domain)
