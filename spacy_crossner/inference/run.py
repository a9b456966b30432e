"""Annotate a corpus with a trained pipeline. A killed run goes on from its finished blocks."""

import os
from contextlib import closing
from dataclasses import dataclass
from typing import Generator, Iterator, Optional, Tuple

from ..data.faults import NOT_WRITABLE, Faults
from ..data.files import reason
from ..errors import CrossnerError, Errors
from ..fingerprints import is_up_to_date, write_record
from ..fingerprints.parts import Parts
from .blocks import BlockAnnotator, Packed
from .corpus import Corpus
from .counts import Counts
from .progress import Progress
from .reading import Block, read_blocks
from .workers import annotate_blocks


@dataclass
class CorpusReport:
    """The result of annotating a corpus.

    counts (Counts): counts of the output.
    n_kept (int): number of texts that an earlier run, which was killed, had annotated.
    words_per_second (float): speed of this run. With worker processes, it includes the loading of their pipelines.
    """

    counts: Counts
    n_kept: int
    words_per_second: float


def is_finished(corpus: Corpus) -> bool:
    """Return whether the output was made of the same inputs and is unchanged. Print the decision.

    RAISES (CrossnerError): an input or a setting is invalid.
    """
    corpus.check()
    finished = is_up_to_date(corpus.output.parent, corpus.fingerprint, corpus.output.name)
    if finished:
        # Left by a kill at the very end.
        Parts(corpus.output, corpus.fingerprint).remove()
    return finished


def annotate_corpus(corpus: Corpus) -> CorpusReport:
    """Annotate a corpus. The output appears when it is complete, and `<output>.json` with its counts beside it.

    A killed run leaves its finished blocks in `.<output>.parts`. The same call goes on from them, and its output is
    that of an undisturbed run. A row that cannot be annotated is in the output with its error.

    corpus (Corpus): the inputs and settings.
    RAISES (CrossnerError): an input cannot be read or is invalid, no text can be annotated, or a worker was killed.
    """
    corpus.check()
    parts = Parts(corpus.output, corpus.fingerprint)
    # A pipeline that cannot be loaded must not cost the parts of another run.
    annotator = BlockAnnotator(corpus.model, corpus.form, corpus.gpu_id) if corpus.processes == 1 else None
    try:
        parts.begin()
        with Progress(sum(path.stat().st_size for path in corpus.inputs)) as progress:
            n_blocks = _annotate(corpus, annotator, parts, progress)
        report = CorpusReport(progress.counts, progress.n_kept, progress.n_words / progress.seconds)
        _check_counts(corpus, report.counts, parts)
        _write(corpus, report.counts, _Contents(parts, n_blocks))
    except CrossnerError:
        if not parts.any_finished():
            parts.remove()
        raise
    parts.remove()
    return report


class _Contents:
    """The packed rows of all blocks, in order. They are read again in each iteration."""

    def __init__(self, parts: Parts, n_blocks: int) -> None:
        self.parts = parts
        self.n_blocks = n_blocks

    def __iter__(self) -> Iterator[bytes]:
        for number in range(self.n_blocks):
            part = self.parts.read(number)
            assert part is not None
            yield part["content"]


class _Unfinished:
    """The blocks of a corpus that are not finished yet. Finished ones are counted."""

    def __init__(self, corpus: Corpus, parts: Parts, progress: Progress) -> None:
        self.corpus = corpus
        self.parts = parts
        self.progress = progress
        self.n_blocks = 0

    def __iter__(self) -> Iterator[Block]:
        for block in read_blocks(self.corpus.inputs, field=self.corpus.field, size=self.corpus.block):
            self.n_blocks += 1
            part = self.parts.read(block.number)
            if part is None:
                yield block
            else:
                self.progress.keep(block, Packed.from_dict(part).counts)


def _annotate(corpus: Corpus, annotator: Optional[BlockAnnotator], parts: Parts, progress: Progress) -> int:
    """Annotate the unfinished blocks and store them as parts. Return the number of all blocks."""
    blocks = _Unfinished(corpus, parts, progress)
    results: Generator[Tuple[Block, Packed], None, None]
    if annotator is not None:
        results = ((block, annotator(block.rows)) for block in blocks)
    else:
        results = annotate_blocks(blocks, corpus.processes, corpus.model, corpus.form, corpus.gpu_id)
    # Closed also after an error, which ends the worker processes.
    with closing(results):
        for block, packed in results:
            parts.write(block.number, packed.to_dict())
            progress.add(block, packed.counts)
    return blocks.n_blocks


def _check_counts(corpus: Corpus, counts: Counts, parts: Parts) -> None:
    """Raise an error if no text was annotated, as with a wrong field or a file of another kind."""
    if counts.texts and counts.errors == counts.texts:
        parts.remove()
        names = ", ".join(map(str, corpus.inputs))
        raise CrossnerError(Errors.C636.format(names=names, count=counts.texts, error=counts.first_error))


def _write(corpus: Corpus, counts: Counts, contents: _Contents) -> None:
    """Join the blocks, and write the output and its record."""
    output = corpus.output
    # In the folder of the parts, where a kill leaves nothing that stays.
    joined = contents.parts.folder / "joined"
    try:
        corpus.form.join(contents, joined)
        os.replace(joined, output)
    except OSError as error:
        raise Faults(output).error(NOT_WRITABLE, None, reason(error)) from error
    write_record(output.parent, corpus.fingerprint, [output.name], output.name, **counts.to_dict())
