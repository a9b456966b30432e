"""Sentences to label next: the choice of those that would teach a pipeline most, written for an annotation tool."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Iterator, List, Optional, Sequence, Tuple

from spacy.attrs import IS_PUNCT, IS_SPACE
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch

from ..annotations.domains import without_annotation
from ..data.docbin import read_docbin
from ..data.files import check_output, write_files
from ..data.json_forms.imports import Suggestion, find_form
from ..data.tokenizing import bounded
from ..errors import CrossnerError, Errors
from ..text.excluded import read_excluded
from ..text.raw import check_files, read_blocks
from ..text.stream import SentenceStream
from .candidates import Candidates
from .diversity import choose_diverse, types_of
from .near_duplicates import NearDuplicates
from .uncertainty import UncertainPipeline

# Bytes of text, and docs of a DocBin, that are annotated at once.
BLOCK, DOCS = 1 << 15, 256

# Lines of text, and their docs if they have any.
Lines = Tuple[List[str], Optional[List[Doc]]]


@dataclass(frozen=True)
class UncertainSettings:
    """Settings of the choice.

    number (int): how many sentences to choose.
    min_words (int): sentences with fewer words are left out. Punctuation does not count.
    max_words (int): sentences with more words are left out.
    split (bool): split lines into sentences. Otherwise, each line is a sentence. A doc of a DocBin always is one.
    """

    number: int
    min_words: int = 4
    max_words: int = 100
    split: bool = True

    def __post_init__(self) -> None:
        """Check the ranges of the settings."""
        for name in ("number", "min_words"):
            if getattr(self, name) < 1:
                raise CrossnerError(Errors.C665.format(name=name, value=getattr(self, name), expected="1 or more"))
        if self.max_words < self.min_words:
            expected = f"{self.min_words} or more, as min_words"
            raise CrossnerError(Errors.C665.format(name="max_words", value=self.max_words, expected=expected))


@dataclass
class UncertainReport:
    """The chosen sentences, with counts of sentences.

    suggestions (List[Suggestion]): the sentences, in the order of the choice.
    n_read (int): sentences read.
    n_excluded (int): sentences left out because they are in a file to exclude.
    n_repeated (int): repetitions and near-duplicates left out.
    n_lengths (int): sentences left out because they are too short or too long.
    types (Counter[str]): number of chosen sentences with each label; "" for those without an entity.
    labels (Sequence[str]): the labels that the pipeline knows.
    """

    suggestions: List[Suggestion] = field(repr=False)
    n_read: int = 0
    n_excluded: int = 0
    n_repeated: int = 0
    n_lengths: int = 0
    types: "Counter[str]" = field(default_factory=Counter)
    labels: Sequence[str] = ()


def write_uncertain(
    nlp: Language,
    raw: Sequence[Path],
    output: Path,
    tool: str,
    settings: UncertainSettings,
    exclude: Sequence[Path] = (),
) -> UncertainReport:
    """Choose sentences, and write them in the import form of an annotation tool; see `choose_uncertain`.

    tool (str): "label-studio", "prodigy" or "doccano".
    output (Path): the file to write.
    RAISES (CrossnerError): the output cannot be written or has the name of another form, or see `choose_uncertain`.
    """
    check_output(output, [*raw, *exclude])
    form = find_form(tool, output)
    report = choose_uncertain(nlp, raw, settings, exclude)
    write_files({output: form.write(report.suggestions).encode("utf-8", "replace")})
    return report


def choose_uncertain(
    nlp: Language, raw: Sequence[Path], settings: UncertainSettings, exclude: Sequence[Path] = ()
) -> UncertainReport:
    """Choose the sentences of raw text that would teach a pipeline most: it is unsure of them, and they are diverse.

    The uncertainty is that of `silver.uncertainty`, the choice that of `silver.diversity`. The text is read once, and
    only candidates stay in memory. The same text gives the same choice; the order of different sentences does not
    matter.

    nlp (Language): the pipeline.
    raw (Sequence[Path]): text (plain or .gz), or DocBins (`.spacy`), whose annotation is not used.
    settings (UncertainSettings): the settings.
    exclude (Sequence[Path]): files whose sentences are left out, such as train, dev and test; see `Excluded`.
    RAISES (CrossnerError): a file cannot be read, no sentence is left, or the pipeline gives no probabilities.
    """
    check_files(raw)
    pool = Pool(nlp, settings, exclude)
    for lines in _read_lines(raw, nlp):
        pool.add(lines)
    return pool.choose(raw)


class Pool:
    """One pass over raw text.

    nlp (Language), settings (UncertainSettings), exclude (Sequence[Path]): see `choose_uncertain`.
    """

    def __init__(self, nlp: Language, settings: UncertainSettings, exclude: Sequence[Path]) -> None:
        self.nlp = nlp
        self.settings = settings
        self.stream = SentenceStream(read_excluded(exclude) if exclude else None)
        self.near = NearDuplicates()
        self.pipeline = UncertainPipeline(nlp)
        self.candidates = Candidates(settings.number)
        self.n_near = self.n_lengths = 0
        # Not `nlp.make_doc`, which rejects texts of a million characters.
        self.tokenize: Any = bounded(nlp.tokenizer)

    def add(self, lines: Lines) -> None:
        """Add the sentences of lines."""
        texts, docs = lines
        self.stream.split = self.settings.split and docs is None
        sentences, kept = self.stream.take(texts)
        # The words of the text leave the memory again.
        with self.nlp.memory_zone():
            found = [
                self.tokenize(sentences[i]) if docs is None else without_annotation(docs[i], self.nlp.vocab)
                for i in kept.nonzero()[0]
            ]
            fitting = [doc for doc in found if self.settings.min_words <= _words(doc) <= self.settings.max_words]
            self.n_lengths += len(found) - len(fitting)
            is_new = self.near.first_seen([doc.text for doc in fitting])
            self.n_near += int((~is_new).sum())
            new = [doc for doc, first in zip(fitting, is_new, strict=True) if first]
            uncertainty = self.pipeline.annotate(new)
            for doc, value in zip(new, uncertainty, strict=True):
                self.candidates.add(doc, value)

    def choose(self, raw: Sequence[Path]) -> UncertainReport:
        """Return the choice."""
        stream = self.stream
        counts = (stream.read, stream.excluded_count, stream.repeated + self.n_near, self.n_lengths)
        if not self.candidates.count:
            reasons = (
                f"{counts[1]} are in files to exclude, {counts[2]} are repetitions, and {counts[3]} have fewer than "
                f"{self.settings.min_words} or more than {self.settings.max_words} words"
            )
            names = ", ".join(map(str, raw))
            raise CrossnerError(Errors.C663.format(names=names, count=counts[0], reasons=reasons))
        self.pipeline.check()
        order = choose_diverse(self.candidates.ranked(), self.candidates.shares())
        chosen = list(islice(order, self.settings.number))
        types = Counter(name for each in chosen for name in types_of(each))
        return UncertainReport(chosen, *counts, types, sorted(self.pipeline.labels))


def _read_lines(raw: Sequence[Path], nlp: Language) -> Iterator[Lines]:
    """Yield the lines of texts, and the docs of DocBins with their texts."""
    for path in raw:
        if path.suffix == ".spacy":
            for docs in minibatch(read_docbin(path, nlp.vocab), DOCS):
                docs = list(docs)
                yield [" ".join(doc.text.split()) for doc in docs], docs
        else:
            for block in read_blocks([path], block=BLOCK, label="label"):
                yield block.decode("utf-8").split("\n"), None


def _words(doc: Doc) -> int:
    """Return the number of words. Blanks and punctuation are none."""
    columns: Any = doc.to_array([IS_SPACE, IS_PUNCT])
    return int((columns.sum(axis=1) == 0).sum()) if len(doc) else 0
