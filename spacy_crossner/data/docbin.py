"""DocBin files: the form in which all data reaches training and evaluation."""

from copy import deepcopy
from functools import lru_cache, partial
from itertools import zip_longest
from pathlib import Path
from typing import Iterable, Iterator, List, Sequence, Tuple

import srsly
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..annotations.domains import get_language
from ..errors import DataError
from ..tuning import CACHED_USER_DATA
from .faults import NO_SPLIT, NOT_DOCBIN, OTHER_LANGUAGE, UNREADABLE, Faults
from .files import reason, write_files


def pack_docs(docs: Iterable[Doc]) -> bytes:
    """Return docs as the bytes of a DocBin, their domain marks included."""
    return DocBin(store_user_data=True, docs=docs).to_bytes()


def write_docbin(docs: Iterable[Doc], path: Path) -> None:
    """Write docs as a DocBin, their domain marks included.

    The file appears under its name when it is complete; after an error an existing file is unchanged.

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
    return list(stream_docbin(path, vocab)[1])


def stream_docbin(path: Path, vocab: Vocab) -> Tuple[int, Iterator[Doc]]:
    """Read the docs of a DocBin one by one. The DocBin itself is in memory as a whole.

    path (Path): the file.
    vocab (Vocab): the vocabulary that the docs will share.
    RETURNS (Tuple[int, Iterator[Doc]]): the number of docs, and the docs in order.
    RAISES (DataError): the file is missing or is no DocBin. A damaged doc raises it when it is its turn.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        packed = DocBin().from_bytes(content)
        return len(packed), _unpack_stream(packed, vocab, path)
    except Exception as error:  # a foreign file fails in zlib, in msgpack, at a missing key, at an array's shape ...
        raise _no_docbin(path) from error


def _unpack_stream(packed: DocBin, vocab: Vocab, path: Path) -> Iterator[Doc]:
    try:
        yield from iterate_docs(packed, vocab)
    except Exception as error:
        raise _no_docbin(path) from error


def _no_docbin(path: Path) -> DataError:
    return Faults(path).error(NOT_DOCBIN, None, "a file that is no DocBin, or a damaged one")


def unreadable(path: Path, error: OSError) -> DataError:
    """Return the error of a DocBin that cannot be read; for a missing dev or test set it says how to get one."""
    if isinstance(error, FileNotFoundError) and path.name in ("dev.spacy", "test.spacy"):
        return Faults(path).error(NO_SPLIT, None, "no such file", split=path.stem)
    return Faults(path).error(UNREADABLE, None, reason(error))


def check_language(docs: Sequence[Doc], path: Path, lang: str) -> None:
    """Raise an error if docs were made with the tokenizer of another language than the pipeline's.

    docs (Sequence[Doc]): the docs. Those without the mark of a language pass.
    path (Path): their file.
    lang (str): the pipeline's language.
    RAISES (DataError): a doc is of another language.
    """
    other_languages = sorted({get_language(doc) or lang for doc in docs} - {lang})
    if other_languages:
        raise Faults(Path(path)).error(
            OTHER_LANGUAGE, None, f"text converted as '{other_languages[0]}'", lang=lang, other=other_languages[0]
        )


def unpack_docs(packed: DocBin, vocab: Vocab) -> List[Doc]:
    """Return the docs of a DocBin; see `iterate_docs`."""
    return list(iterate_docs(packed, vocab))


def iterate_docs(packed: DocBin, vocab: Vocab) -> Iterator[Doc]:
    """Yield the docs of a DocBin. User data that many docs share, such as the domain mark, is unpacked once.

    For each call msgpack looks up its decoders among all entry points, which would take most of the time for a large
    DocBin.
    """
    packed_user_data, packed.user_data = packed.user_data, []
    unpack = lru_cache(CACHED_USER_DATA)(partial(srsly.msgpack_loads, use_list=False))
    # A DocBin may hold no user data.
    for doc, packed_data in zip_longest(packed.get_docs(vocab), packed_user_data):
        if packed_data is not None:
            doc.user_data.update(deepcopy(unpack(packed_data)))
        yield doc
