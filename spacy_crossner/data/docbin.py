"""DocBin files: the form in which all data reaches training and evaluation."""

from pathlib import Path
from typing import Iterable, List

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from .faults import NOT_DOCBIN, UNREADABLE, Faults
from .files import reason, write_files


def pack_docs(docs: Iterable[Doc]) -> bytes:
    """Return docs as the bytes of a DocBin, their domain marks included."""
    return DocBin(store_user_data=True, docs=docs).to_bytes()


def write_docbin(docs: Iterable[Doc], path: Path) -> None:
    """Write docs as a DocBin, their domain marks included.

    The file appears under its name when it is complete; an error leaves what was there before.

    docs (Iterable[Doc]): the docs.
    path (Path): the file, usually `<name>.spacy`; missing folders are made.
    RAISES (DataError): the file cannot be written.
    """
    write_files({Path(path): pack_docs(docs)})


def read_docbin(path: Path, vocab: Vocab) -> List[Doc]:
    """Read the docs of a DocBin.

    path (Path): the file.
    vocab (Vocab): the vocabulary that the docs will share.
    RETURNS (List[Doc]): the docs in order.
    RAISES (DataError): the file is missing or is no DocBin.
    """
    faults = Faults(Path(path))
    try:
        packed = faults.path.read_bytes()
    except OSError as error:
        raise faults.error(UNREADABLE, None, reason(error)) from error
    try:
        return list(DocBin().from_bytes(packed).get_docs(vocab))
    except Exception as error:  # a foreign file fails in zlib, in msgpack, at a missing key, at an array's shape ...
        raise faults.error(NOT_DOCBIN, None, "a file that is no DocBin, or a damaged one") from error
