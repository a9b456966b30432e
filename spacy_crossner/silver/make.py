"""Weak labels for raw text, from name lists and teachers: one pass over the text, in blocks."""

import re
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..annotations.domains import set_domain, set_language
from ..data.docbin import pack_docs, read_docbin, unpack_docs
from ..data.faults import NOT_WRITABLE, Faults
from ..data.files import check_inputs, check_output, write_files
from ..errors import CrossnerError, Errors
from ..fingerprints import Fingerprint, path_digest, text_digest, version_fingerprint
from ..storage.installed import pipeline_package
from ..text.excluded import Excluded, read_excluded
from ..text.raw import check_files, read_blocks
from ..text.stream import SentenceStream
from .choosing import Draw, rarity_of_types
from .common_words import WordCounter
from .labeller import Labeller, Tally
from .listing import Listing, listing_path, statistics_path
from .names import WeakNames, count_types, read_type_map, read_weak_names
from .near_duplicates import NearDuplicates
from .parts import Parts
from .settings import SilverSettings
from .teachers import Teachers

# Bytes of text that are labelled at once. Teachers take seconds for a block, so that the progress bar moves.
BLOCK, BLOCK_OF_TEACHERS = 1 << 20, 1 << 15
DEFAULTS = SilverSettings()
WORD_OR_SYMBOL = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Sources:
    """The inputs of weak labelling.

    raw (Sequence[Path]): the text, plain or gzipped (`.gz`), with a sentence or a paragraph on each line.
    names (Sequence[Path]): name lists with types, see `read_entities`.
    type_map (Optional[Path]): a map from the types of the lists to labels, see `read_type_map`.
    gold (Optional[Path]): a DocBin of gold sentences. Its entities are names, too, and its rare types are preferred.
    teachers (Sequence[str]): folders of pipelines, or names of installed ones.
    exclude (Sequence[Path]): dev and test files whose sentences are left out, see `read_excluded`.
    """

    raw: Sequence[Path]
    names: Sequence[Path] = ()
    type_map: Optional[Path] = None
    gold: Optional[Path] = None
    teachers: Sequence[str] = ()
    exclude: Sequence[Path] = ()

    def files(self) -> List[Path]:
        """Return all files that are read."""
        single = [path for path in (self.type_map, self.gold) if path]
        return [*self.raw, *self.names, *single, *self.exclude]

    def fingerprint(self, settings: SilverSettings) -> Fingerprint:
        """Return everything that the output depends on."""
        fingerprint = {name: str(value) for name, value in asdict(settings).items()}
        fingerprint.update({f"file {i}": text_digest(path) for i, path in enumerate(self.files())})
        kinds = [len(self.raw), len(self.names), bool(self.type_map), bool(self.gold)]
        fingerprint["kinds of files"] = str(kinds)
        for i, model in enumerate(self.teachers):
            fingerprint[f"teacher {i}"] = path_digest(pipeline_package(model) or Path(model))
        return {**fingerprint, **version_fingerprint()}


@dataclass
class SilverReport:
    """The result of weak labelling.

    output (Path): the DocBin.
    listing (Listing): the statistics, also written beside the output.
    docs (List[Doc]): the sentences.
    """

    output: Path
    listing: Listing
    docs: List[Doc] = field(repr=False)


def make_silver(
    sources: Sources, output: Path, settings: SilverSettings = DEFAULTS, *, gpu_id: int = -1
) -> SilverReport:
    """Label raw text with names and teachers, choose sentences, and write them as a DocBin for training.

    A listing for a reader and the same statistics as JSON are written beside it (`<name>.txt`, `<name>.json`). All
    appear when they are complete. A killed run leaves its finished blocks in `.<name>.parts`; the same call goes on
    from them, and its output is that of an undisturbed run.

    sources (Sources): the inputs.
    output (Path): the DocBin.
    settings (SilverSettings): the settings.
    gpu_id (int): GPU for the teachers, -1 for the CPU.
    RAISES (CrossnerError): an input cannot be read or is invalid, or no sentence is left. Then nothing is written.
    """
    output = Path(output)
    settings.check(has_teachers=bool(sources.teachers))
    if not (sources.names or sources.gold or sources.teachers):
        raise CrossnerError(Errors.C600)
    if sources.type_map and not sources.names:
        raise CrossnerError(Errors.C610.format(setting="--map", needed="a list (--names)"))
    check_files(sources.raw)
    check_output(output, sources.files(), docbin=True)
    for path in (output, listing_path(output), statistics_path(output)):
        if path.is_dir():
            # Not only at the end of a long run.
            raise Faults(path).error(NOT_WRITABLE, None, "a folder of that name")
    check_inputs([listing_path(output), statistics_path(output)], sources.files())
    gold = read_docbin(sources.gold, Vocab()) if sources.gold else []
    names = read_weak_names(sources.names, sources.type_map, gold, ignore_case=settings.ignore_case)
    excluded_files = [*sources.exclude, *([sources.gold] if sources.gold else [])]
    excluded = read_excluded(excluded_files) if excluded_files else None
    teachers = Teachers(sources.teachers, gpu_id) if sources.teachers else None
    if teachers:
        _check_teachers(teachers, sources, settings)
    labeller = Labeller(names, teachers, rarity_of_types(count_types(gold)), settings)
    parts = Parts(output, sources.fingerprint(settings))
    try:
        run = SilverRun(sources, settings, labeller, excluded, parts)
        run.label()
        report = SilverReport(output, run.listing(output), run.docs())
        write_files(
            {
                output: pack_docs(report.docs),
                listing_path(output): report.listing.to_text().encode("utf-8"),
                statistics_path(output): report.listing.to_json().encode("utf-8"),
            }
        )
    except CrossnerError:
        parts.remove()
        raise
    parts.remove()
    return report


def _check_teachers(teachers: Teachers, sources: Sources, settings: SilverSettings) -> None:
    """Raise an error if the map leads to a label that the teachers do not know, or if they have another language."""
    if settings.lang not in (None, teachers.lang):
        expected = f"{teachers.lang}, the language of the teachers"
        raise CrossnerError(Errors.C609.format(name="lang", value=settings.lang, expected=expected))
    labels = read_type_map(sources.type_map).values() if sources.type_map else []
    unknown = sorted(set(labels) - {"", *teachers.labels})
    if unknown:
        known = ", ".join(teachers.labels)
        raise CrossnerError(
            Errors.C604.format(path=sources.type_map, label=unknown[0], teacher=teachers.models[0], labels=known)
        )


class SilverRun:
    """One run over the raw text.

    sources (Sources): the inputs.
    settings (SilverSettings): the settings.
    labeller (Labeller): labels the sentences of a block.
    excluded (Optional[Excluded]): the sentences to leave out.
    parts (Parts): the finished blocks of a killed run.
    """

    def __init__(
        self,
        sources: Sources,
        settings: SilverSettings,
        labeller: Labeller,
        excluded: Optional[Excluded],
        parts: Parts,
    ) -> None:
        self.sources = sources
        self.settings = settings
        self.labeller = labeller
        self.excluded = excluded
        self.parts = parts
        self.stream = SentenceStream(excluded, split=settings.split, share=settings.share)
        self.near = NearDuplicates()
        self.draw = Draw(settings.most)
        self.tally = Tally()
        self.n_near = 0
        self.words: Optional[WordCounter] = None

    def label(self) -> None:
        """Label all text.

        RAISES (CrossnerError): no name is in the text, the teachers are sure of no entity, or no sentence is left.
        """
        if self.labeller.names is not None:
            self._count_words(self.labeller.names)
        self.parts.begin()
        block_size = BLOCK_OF_TEACHERS if self.labeller.teachers else BLOCK
        for number, block in enumerate(read_blocks(self.sources.raw, block=block_size, label="silver")):
            first_place = self.stream.read
            sentences, kept = self.stream.take(block.decode("utf-8").split("\n"))
            rows = [(first_place + int(i), sentences[i]) for i in kept.nonzero()[0]]
            is_new = self.near.first_seen([sentence for _, sentence in rows])
            self.n_near += int((~is_new).sum())
            part = self.parts.read(number)
            if part is None:
                part = self._label([row for row, new in zip(rows, is_new, strict=True) if new])
                self.parts.write(number, part)
            self._take(part)
        self._check()

    def _count_words(self, names: WeakNames) -> None:
        """Find the names that are common words, in a pass of its own."""
        self.words = WordCounter(names.names, ignore_case=self.settings.ignore_case)
        is_found = False
        for block in read_blocks(self.sources.raw, label="count words"):
            self.words.add(block)
            if not is_found:
                # Whole tokens consist of words and symbols, so that what is not found here is not found later.
                tokens = [WORD_OR_SYMBOL.findall(line) for line in block.decode("utf-8").split("\n")]
                is_found = any(names.finder.find(tokens))
        if not is_found:
            raise CrossnerError(self._nothing_found())
        names.set_common(self.words.common_words(self.settings.ratio, self.settings.frequent))

    def _label(self, rows: List[Any]) -> Dict[str, Any]:
        labelled, tally = self.labeller.label(rows, self.draw)
        return {
            "docs": pack_docs(doc for _, _, doc in labelled),
            "keys": [key for key, _, _ in labelled],
            "places": [place for _, place, _ in labelled],
            "tally": tally.to_dict(),
        }

    def _take(self, part: Dict[str, Any]) -> None:
        """Add the sentences of a block. They are read from its part, so that a resumed run does the same."""
        docs = unpack_docs(DocBin().from_bytes(part["docs"]), self.labeller.vocab)
        self.draw.add(zip(part["keys"], part["places"], docs, strict=True))
        self.tally.add(Tally.from_dict(part["tally"]))

    def docs(self) -> List[Doc]:
        """Return the chosen sentences, with their marks.

        RAISES (CrossnerError): one of them holds an excluded sentence.
        """
        docs = list(self.draw.docs())
        for doc in docs:
            set_language(doc, self.labeller.lang)
            set_domain(doc, self.settings.domain)
        leaks = self.excluded.holding([doc.text for doc in docs]) if self.excluded else []
        if leaks:
            raise CrossnerError(Errors.C612.format(text=docs[leaks[0]].text))
        return docs

    def listing(self, output: Path) -> Listing:
        """Return the statistics of the run."""
        stream = self.stream
        return Listing(
            output=output.name,
            counts={
                "read": stream.read,
                "excluded": stream.excluded_count,
                "repetitions": stream.repeated,
                "near-duplicates": self.n_near,
                "labelled": self.tally.labelled,
                "with an entity": self.tally.with_entity,
                "chosen": len(self.draw.heap),
            },
            tally=self.tally,
            names=self.labeller.names,
            words=self.words,
            entities=Counter(ent.label_ for _, _, doc in self.draw.heap for ent in doc.ents),
            tokens=Counter(token.ent_iob_ or "open" for _, _, doc in self.draw.heap for token in doc),
            settings={**asdict(self.settings), "outside": str(self.labeller.outside)},
        )

    def _check(self) -> None:
        """Raise an error if no sentence is left."""
        tally, stream = self.tally, self.stream
        if self.labeller.names is not None and tally.labelled and not tally.mentions:
            raise CrossnerError(self._nothing_found())
        if self.labeller.teachers and tally.labelled and not tally.sure:
            raise CrossnerError(Errors.C607.format(count=tally.labelled, sure=self.settings.sure))
        if not self.draw.heap:
            reasons = (
                f"{stream.excluded_count} are in files to exclude, {stream.repeated + self.n_near} are repetitions, "
                f"and {tally.labelled - tally.with_entity} have no entity"
            )
            names = ", ".join(map(str, self.sources.raw))
            raise CrossnerError(Errors.C611.format(names=names, count=stream.read, reasons=reasons))

    def _nothing_found(self) -> str:
        hint = "" if self.settings.ignore_case else " (case matters, unless you use --ignore-case)"
        paths = [*self.sources.names, *([self.sources.gold] if self.sources.gold else [])]
        return Errors.C606.format(names=", ".join(map(str, paths)), hint=hint)
