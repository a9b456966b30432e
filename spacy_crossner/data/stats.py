"""Counts of data sets: sentences, entities, faults, repeated sentences, vocabularies."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, Sequence, Set, Tuple

from spacy.language import Language

from ..annotations.domains import get_domain, get_language
from .alignment import Tokenize
from .brat import is_brat
from .docbin import read_docbin
from .faults import ILLEGAL_INSIDE, NO_SPLITS, UNREADABLE, Faults
from .normal_form import name_key, sentence_key
from .overlap import VOCABULARY_SIZE, count_words, vocabulary_overlap
from .reading import open_files
from .running import TokenFit
from .sentences import Sentence, read_doc
from .split_files import SPLITS
from .split_files import SUFFIXES as SPLIT_SUFFIXES
from .tokenizing import blank_pipeline, bounded

DOCBIN_SUFFIX = ".spacy"

SUFFIXES = (".txt", ".jsonl", DOCBIN_SUFFIX)

# A sentence, its domain and its language.
MarkedSentence = Tuple[Sentence, str, str]


@dataclass
class SplitStats:
    """Counts of one file.

    sentences (int): sentences; in a DocBin, docs.
    tokens (int): tokens.
    entities (int): entities.
    entity_tokens (int): tokens inside entities.
    longest (int): tokens of the longest sentence.
    without_entity (int): sentences with annotation on each token that hold no entity.
    unlabelled (int): sentences without annotation.
    unannotated (int): tokens without annotation in sentences that have some.
    illegal (int): I- tags in a text file that continue no entity; each is counted as the beginning of an entity.
    duplicates (int): sentences that repeat an earlier one of the file, by their normal forms.
    per_type (Dict[str, int]): entities by label, the most frequent first.
    repairs (Dict[str, int]): all other faults that were repaired to read the file.
    shared (Dict[str, int]): sentences that also occur in another split of the folder, by that split.
    shared_any (int): sentences that also occur in any split before this one (for test: in train or dev).
    misfits (int): entities that begin or end inside a token of the language's tokenizer, see `TokenFit`.
    misfit_examples (List[str]): examples of such entities.
    """

    sentences: int = 0
    tokens: int = 0
    entities: int = 0
    entity_tokens: int = 0
    longest: int = 0
    without_entity: int = 0
    unlabelled: int = 0
    unannotated: int = 0
    illegal: int = 0
    duplicates: int = 0
    per_type: Dict[str, int] = field(default_factory=dict)
    repairs: Dict[str, int] = field(default_factory=dict)
    shared: Dict[str, int] = field(default_factory=dict)
    shared_any: int = 0
    misfits: int = 0
    misfit_examples: List[str] = field(default_factory=list)


@dataclass
class Stats:
    """Counts of several sets.

    sets (Dict[str, Dict[str, SplitStats]]): counts by set (folder) and split (file).
    overlap (Dict[Tuple[str, str], float]): vocabulary overlap in percent by pair of domains, see
        `vocabulary_overlap`.
    """

    sets: Dict[str, Dict[str, SplitStats]]
    overlap: Dict[Tuple[str, str], float]

    def to_json(self) -> Dict[str, Any]:
        """Return the counts in a form that JSON can hold."""
        overlap = [{"domains": pair, "percent": round(percent, 2)} for pair, percent in self.overlap.items()]
        return {"sets": asdict(self)["sets"], "vocabulary_overlap": overlap}


def stats(paths: Sequence[Path], *, lang: str = "en", vocabulary_size: int = VOCABULARY_SIZE) -> Stats:
    """Count the content of files and folders. Faults in text files are repaired and counted, not raised.

    paths (Sequence[Path]): DocBins, text files in any format (plain text counts as sentences without annotation),
        folders of such files, or folders of such folders. The files of a folder are the splits of one set. A `.json`
        file in a folder is counted only if it has the name of a split. A folder of brat's files is one split.
    lang (str): the language of text files, for the tokenizer and the stop words; docs in DocBins have a language mark.
    vocabulary_size (int): the number of words in the vocabulary of a domain.
    RETURNS (Stats): the counts. The domain is the mark of a doc, or the name of the set for text files.
    RAISES (DataError): a file cannot be read, or a folder holds no data file.
    """
    nlp = blank_pipeline(lang)
    sets: Dict[str, Dict[str, SplitStats]] = {}
    words: Dict[str, Counter[str]] = {}
    for name, files in find_sets(paths).items():
        sets[name] = {}
        earlier: Dict[str, Set[str]] = {}
        for split, (sentences, repairs) in _read_set(name, files, nlp).items():
            texts = [sentence_key(" ".join(sentence.words)) for sentence, _, _ in sentences]
            counted = _count_split([sentence for sentence, _, _ in sentences], texts)
            counted.illegal = repairs.pop(str(ILLEGAL_INSIDE.repair), 0)
            counted.repairs = dict(repairs)
            counted.shared = {other: sum(text in known for text in texts) for other, known in earlier.items()}
            seen_before = set().union(*earlier.values())
            counted.shared_any = sum(text in seen_before for text in texts)
            earlier[split] = set(texts)
            sets[name][split] = counted
            fit = TokenFit()
            for sentence, domain, language in sentences:
                fit.add(sentence.words, sentence.spaces, sentence.spans or [], _tokenizer(language))
                words.setdefault(domain, Counter()).update(count_words(sentence.words, _stop_words(language)))
            counted.misfits, counted.misfit_examples = fit.misfits, fit.examples
    return Stats(sets, vocabulary_overlap(words, vocabulary_size))


@lru_cache
def _tokenizer(lang: str) -> Tokenize:
    """Return the tokenizer of a language."""
    return blank_pipeline(lang).tokenizer


@lru_cache
def _stop_words(lang: str) -> FrozenSet[str]:
    """Return the normal forms of a language's stop words."""
    return frozenset(name_key(word, ignore_case=True) for word in blank_pipeline(lang).Defaults.stop_words)


def _read_set(
    name: str, files: Mapping[str, Path], nlp: Language
) -> Dict[str, Tuple[List[MarkedSentence], Counter[str]]]:
    """Read the splits of a set: for each its sentences with their domains and languages, and its repairs."""
    lang = str(nlp.lang)
    read_splits: Dict[str, Tuple[List[MarkedSentence], Counter[str]]] = {}
    texts = [path for path in files.values() if path.suffix != DOCBIN_SUFFIX]
    sources = {source.path: source for source in open_files(texts, raw=None, repair=True)}
    for split, path in files.items():
        if path in sources:
            source = sources[path]
            sentences = source.read(bounded(nlp.tokenizer))
            read_splits[split] = ([(sentence, name, lang) for sentence in sentences], source.faults.repairs)
        else:
            docs = enumerate(read_docbin(path, nlp.vocab), 1)
            marked = [
                (read_doc(doc, number), get_domain(doc) or name, get_language(doc) or lang) for number, doc in docs
            ]
            read_splits[split] = (marked, Counter())
    return read_splits


def _count_split(sentences: Sequence[Sentence], texts: Sequence[str]) -> SplitStats:
    """Count the sentences, tokens and entities of a split; `texts` are the normal forms of the sentences."""
    spans = [span for sentence in sentences for span in sentence.spans or []]
    lengths = [len(sentence.words) for sentence in sentences]
    return SplitStats(
        sentences=len(sentences),
        tokens=sum(lengths),
        entities=len(spans),
        entity_tokens=sum(end - start for start, end, _ in spans),
        longest=max(lengths, default=0),
        without_entity=sum(sentence.spans == [] and not sentence.unannotated for sentence in sentences),
        unlabelled=sum(sentence.spans is None for sentence in sentences),
        unannotated=sum(len(sentence.unannotated) for sentence in sentences),
        duplicates=len(sentences) - len(set(texts)),
        per_type=dict(Counter(label for _, _, label in spans).most_common()),
    )


def find_sets(paths: Iterable[Path]) -> Dict[str, Dict[str, Path]]:
    """Return the files to count, by set and split.

    The name of a set is the name of its folder, or the whole path if two folders have the same name. The name of a
    split is its file name without the suffix, or with the suffix if two files differ only in it. Splits are in the
    order train, dev, test, all others.

    paths (Iterable[Path]): files, folders, folders of folders.
    RETURNS (Dict[str, Dict[str, Path]]): file by set and split.
    RAISES (DataError): a path does not exist, or a folder holds no data file.
    """
    folders: Dict[Path, List[Path]] = {}
    for path in map(Path, paths):
        if not path.exists():
            raise Faults(path).error(UNREADABLE, None, "no such file or folder")
        data_files = _list_data(path)
        if not data_files:
            raise Faults(path).error(NO_SPLITS, None, "no data file", form=f"files ending in {' or '.join(SUFFIXES)}")
        for file in data_files:
            # A folder of brat's files is a set by itself, unless it has the name of a split.
            is_own_set = file.is_dir() and file.name not in SPLITS
            folders.setdefault(file if is_own_set else file.parent, []).append(file)
    names = Counter(folder.resolve().name for folder in folders)
    return {
        folder.resolve().name if names[folder.resolve().name] == 1 else str(folder): _name_splits(files)
        for folder, files in folders.items()
    }


def _list_data(path: Path) -> List[Path]:
    """Return the data files of a folder and its subfolders; a folder of brat's files is one. A file gives itself."""
    if not path.is_dir():
        return [path]
    folders = [path, *(folder for folder in sorted(path.iterdir()) if folder.is_dir())]
    data_files: List[Path] = []
    for folder in folders:
        splits = [
            split_folder for split in SPLITS if (split_folder := folder / split).is_dir() and is_brat(split_folder)
        ]
        files = [file for file in folder.iterdir() if file.is_file() and _is_data(file)]
        if is_brat(folder) and not splits and not any(file.stem in SPLITS for file in files):
            data_files.append(folder)
        else:
            data_files += [*splits, *files]
    return list(dict.fromkeys(data_files))


def _is_data(file: Path) -> bool:
    """Return whether a file in a folder is data. A `.json` file may be a label list: it needs a split's name."""
    return file.suffix in SUFFIXES or (file.suffix in SPLIT_SUFFIXES and file.stem in SPLITS)


def _name_splits(files: Iterable[Path]) -> Dict[str, Path]:
    """Return the files of a set by split, in order."""

    def order(path: Path) -> Tuple[int, str]:
        return next((i for i, split in enumerate(SPLITS) if path.stem.startswith(split)), len(SPLITS)), path.name

    unique = sorted(set(files), key=order)
    stems = Counter(path.stem for path in unique)
    return {path.stem if stems[path.stem] == 1 else path.name: path for path in unique}
