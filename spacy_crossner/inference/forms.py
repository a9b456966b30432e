"""The forms of the output. A form packs the rows of a block as bytes, and joins the packed blocks to a file."""

import gzip
import json
from pathlib import Path
from typing import Any, ClassVar, Dict, Iterable, Iterator, Protocol, Sequence, Type

import srsly
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..errors import CrossnerError, Errors
from .annotate import Annotated
from .rows import ERROR, FIELDS, Row, kept_fields, make_record
from .table import check_library, write_table

# The vectors that spacy-transformers stores on a doc. They are many times as large as the text.
TRANSFORMER_DATA = ("._.", "trf_data", None, None)


class Form(Protocol):
    """A form of the output.

    packages (Sequence[str]): packages whose version the output depends on.
    """

    packages: ClassVar[Sequence[str]]

    def check(self, path: Path) -> None:
        """Raise an error if files of this form cannot be written."""

    def pack(self, annotated: Iterable[Annotated]) -> bytes:
        """Return the rows of a block as bytes."""

    def join(self, blocks: Iterable[bytes], path: Path) -> None:
        """Write packed blocks as one file. `blocks` can be iterated several times."""


class JsonLines:
    """A record on each line, see `make_record`."""

    packages: ClassVar[Sequence[str]] = ()

    def check(self, path: Path) -> None:
        """Pass: nothing is needed."""

    def pack(self, annotated: Iterable[Annotated]) -> bytes:
        """Return the records as lines of JSON."""
        return b"".join(dump_json(make_record(row, doc)) + b"\n" for row, doc in annotated)

    def join(self, blocks: Iterable[bytes], path: Path) -> None:
        """Write the blocks one after the other."""
        with path.open("wb") as handle:
            handle.writelines(blocks)


class GzipJsonLines(JsonLines):
    """Compressed lines of JSON. Each block is compressed by itself, and a gzip file may have many such members."""

    def pack(self, annotated: Iterable[Annotated]) -> bytes:
        """Return the records as compressed lines of JSON, without the time."""
        return gzip.compress(super().pack(annotated), mtime=0)


class DocBins:
    """A DocBin: docs with entities and scores. A row with an error is a doc without tokens.

    `Doc.user_data` holds the kept fields under `fields`, and the error of a row under `error`. spaCy reads and writes
    a DocBin as a whole, so that the output has to fit memory.
    """

    packages: ClassVar[Sequence[str]] = ()

    def check(self, path: Path) -> None:
        """Pass: nothing is needed."""

    def pack(self, annotated: Iterable[Annotated]) -> bytes:
        """Return the docs as a DocBin."""
        docs = (_finish_doc(row, doc) for row, doc in annotated)
        return DocBin(store_user_data=True, docs=docs).to_bytes()

    def join(self, blocks: Iterable[bytes], path: Path) -> None:
        """Write the docs of all blocks as one DocBin."""
        joined = DocBin(store_user_data=True)
        for block in blocks:
            joined.merge(DocBin(store_user_data=True).from_bytes(block))
        path.write_bytes(joined.to_bytes())


class Parquet(JsonLines):
    """A table with the columns of the records; see `write_table`. Blocks are lines of JSON until then."""

    packages: ClassVar[Sequence[str]] = ("pyarrow",)

    def check(self, path: Path) -> None:
        """Raise an error if pyarrow is not installed."""
        check_library(path)

    def join(self, blocks: Iterable[bytes], path: Path) -> None:
        """Write the rows of all blocks as one table."""
        write_table(_Records(blocks), path)


class _Records:
    """The records of each block, which can be iterated several times."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.blocks = blocks

    def __iter__(self) -> Iterator[Sequence[Dict[str, Any]]]:
        for block in self.blocks:
            yield [json.loads(line) for line in block.splitlines()]


FORMS: Dict[str, Type[Form]] = {
    ".jsonl": JsonLines,
    ".jsonl.gz": GzipJsonLines,
    ".spacy": DocBins,
    ".parquet": Parquet,
}


def form_of(output: Path) -> Form:
    """Return the form of an output by its name.

    RAISES (CrossnerError): there is no such form.
    """
    for suffix, form in FORMS.items():
        if output.name.endswith(suffix):
            return form()
    raise CrossnerError(Errors.C630.format(path=output, known=", ".join(FORMS)))


def dump_json(record: Dict[str, Any]) -> bytes:
    """Return a record as JSON in UTF-8. Half of a surrogate pair, which UTF-8 does not have, stays escaped."""
    try:
        return json.dumps(record, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(record).encode("utf-8")


def _finish_doc(row: Row, doc: Any) -> Doc:
    """Return a doc with the kept fields and the error of its row, and without vectors."""
    doc = Doc(Vocab()) if doc is None else doc
    doc.user_data.pop(TRANSFORMER_DATA, None)
    fields = kept_fields(row)
    if fields:
        try:
            srsly.msgpack_dumps(fields)
            doc.user_data[FIELDS] = fields
        except (ValueError, OverflowError) as error:
            row.error = Errors.C639.format(place=row.place, error=error)
            doc = Doc(Vocab())
    if row.error:
        doc.user_data[ERROR] = row.error
    return doc
