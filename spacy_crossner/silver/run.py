"""One run of weak labelling over the raw text, in blocks."""

import re
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from spacy.tokens import Doc, DocBin

from ..annotations.domains import set_domain, set_language
from ..data.docbin import pack_docs, unpack_docs
from ..errors import CrossnerError, Errors, NothingToLabel
from ..fingerprints.parts import Parts
from ..text.excluded import Excluded
from ..text.raw import read_blocks
from ..text.stream import SentenceStream
from .checking import check_labels
from .choosing import Draw
from .common_words import WordCounter
from .labeller import Labeller, Tally
from .listing import Listing
from .names import WeakNames
from .near_duplicates import NearDuplicates
from .settings import SilverSettings
from .sources import Sources

# Bytes of text that are labelled at once. Teachers take seconds for a block, so that the progress bar moves.
BLOCK, BLOCK_OF_TEACHERS = 1 << 20, 1 << 15
WORD_OR_SYMBOL = re.compile(r"\w+|[^\w\s]")


class SilverRun:
    """One run over the raw text.

    sources (Sources): the inputs.
    settings (SilverSettings): the settings.
    labeller (Labeller): labels the sentences of a block.
    excluded (Optional[Excluded]): the sentences to leave out.
    parts (Parts): the finished blocks of a killed run.
    check (Sequence[Doc]): gold sentences to compare the labels with.
    """

    def __init__(
        self,
        sources: Sources,
        settings: SilverSettings,
        labeller: Labeller,
        excluded: Optional[Excluded],
        parts: Parts,
        check: Sequence[Doc] = (),
    ) -> None:
        self.sources = sources
        self.settings = settings
        self.labeller = labeller
        self.excluded = excluded
        self.parts = parts
        self.check = check
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
        is_found, is_empty = False, True
        for block in read_blocks(self.sources.raw, label="count words"):
            self.words.add(block)
            is_empty = False
            if not is_found:
                # Whole tokens consist of words and symbols, so that what is not found here is not found later.
                tokens = [WORD_OR_SYMBOL.findall(line) for line in block.decode("utf-8").split("\n")]
                is_found = any(names.finder.find(tokens))
        if is_empty:
            raise CrossnerError(self._no_text())
        if not is_found:
            raise NothingToLabel(self._nothing_found())
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
            check=check_labels(self.labeller, self.check) if self.check else None,
        )

    def _check(self) -> None:
        """Raise an error if no sentence is left."""
        tally, stream = self.tally, self.stream
        if not stream.read:
            raise CrossnerError(self._no_text())
        if self.labeller.names is not None and tally.labelled and not tally.mentions:
            raise NothingToLabel(self._nothing_found())
        if self.labeller.teachers and tally.labelled and not tally.sure:
            raise CrossnerError(Errors.C607.format(count=tally.labelled, sure=self.settings.sure))
        if not self.draw.heap:
            reasons = (
                f"{stream.excluded_count} are in files to exclude, {stream.repeated + self.n_near} are repetitions, "
                f"and {tally.labelled - tally.with_entity} have no entity"
            )
            names = ", ".join(map(str, self.sources.raw))
            raise NothingToLabel(Errors.C611.format(names=names, count=stream.read, reasons=reasons))

    def _no_text(self) -> str:
        return Errors.C616.format(names=", ".join(map(str, self.sources.raw)))

    def _nothing_found(self) -> str:
        hint = "" if self.settings.ignore_case else " (case matters, unless you use --ignore-case)"
        paths = [*self.sources.names, *([self.sources.gold] if self.sources.gold else [])]
        return Errors.C606.format(names=", ".join(map(str, paths)), hint=hint)
