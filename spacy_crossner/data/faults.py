"""What can be wrong with input data, and what `--repair` does about it.

A fault is raised as a `DataError` that names the file, the line, what was found and what was expected. Where it can
be mended and the user asks for that, it is mended and counted instead.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from ..errors import DataError


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    code (str): the code of its message.
    expected (str): what is expected instead, and what to do.
    repair (Optional[str]): what was done about it, in words that follow a count; None where nothing can be done.
    """

    code: str
    expected: str
    repair: Optional[str] = None


UNREADABLE = Fault("C101", "a file that exists and can be read")
NOT_UTF8 = Fault("C102", "text in UTF-8 (`iconv -t UTF-8` converts a file)")
EMPTY_FILE = Fault("C103", "at least one sentence")
COLUMNS = Fault(
    "C104",
    "2 to 4 columns, separated by tabs or blanks, the word first and the tag last (for text with [words](label) "
    "markup say --format markup, for text without annotation --raw)",
    "lines with fewer than 2 or more than 4 columns dropped",
)
EMPTY_TOKEN = Fault("C105", "a word in the first column (--repair drops the line)", "lines with an empty token dropped")
UNKNOWN_TAG = Fault(
    "C106",
    "O or a tag of the scheme, {tags} (--repair reads it as O)",
    "tags of no known scheme read as O",
)
ILLEGAL_INSIDE = Fault(
    "C107",
    "{opener} or {inside} before it (--scheme iob1 where I- tags begin entities, --repair to let this one do so)",
    "tags with nothing to continue made the beginning of an entity",
)
UNFINISHED = Fault(
    "C108",
    "a tag that goes on with the entity before it, as far as its E- or L- tag (--repair ends the entity here)",
    "entities without their last tag ended where they stop",
)
EMPTY_LABEL = Fault("C109", "a label for the entity (--repair drops the entity)", "entities without a label dropped")
CUTS_TOKEN = Fault(
    "C110",
    "a span that begins and ends where tokens do (--repair fits it to the tokens)",
    "spans that cut a token, or hold blanks at their ends, fitted to the tokens",
)
OVERLAP = Fault(
    "C111",
    "spans that do not overlap (--repair keeps the longest, and of equals the first)",
    "spans that overlap a longer or earlier one dropped",
)
OUT_OF_RANGE = Fault(
    "C112",
    "whole numbers with 0 <= start < end <= the length of the text, {length}, and a word between them "
    "(--repair drops the span)",
    "spans out of range or without a word dropped",
)
BRACKET = Fault(
    "C113",
    "[words](label), and a bracket that is plain text written as \\[ or \\] (--repair takes this one as plain text)",
    "brackets outside markup taken as plain text",
)
BAD_JSON = Fault("C114", "one JSON object a line (--repair drops the line)", "lines that are no JSON object dropped")
NO_TEXT = Fault("C115", 'a "text" with at least one word (--repair drops the line)', "records without a text dropped")
BAD_RECORD = Fault("C116", "{form} (--repair drops the line)", "records of another form dropped")
NOT_DOCBIN = Fault("C117", "a DocBin as `convert` or spaCy writes it")
NOT_WRITABLE = Fault("C118", "a place that can be written to")
SIZES = Fault("C119", "{form}")
NO_SPLITS = Fault("C120", "{form}")
OUTPUT_NAME = Fault("C121", "{form}")
NO_SPLIT = Fault(
    "C161",
    "a {split} set (`spacy crossner convert ... --{split} 0.2` takes a fifth of train for it, in the project "
    '--vars.convert_options " --dev 0.2 --test 0.2")',
)
NOT_OURS = Fault(
    "C162",
    "no splits but those that `convert` wrote, as it wrote them. Give another folder, let `convert` draw the splits "
    "(--dev 0.2 --test 0.2), or say --force to replace these, and to delete those that the text does not have",
)
OTHER_LANGUAGE = Fault(
    "C160",
    "text of the pipeline's language, '{lang}'. Set that of the pipeline, --nlp.lang {other} (in the project "
    "--vars.lang {other}), or convert the text again with --lang {lang}",
)


class Faults:
    """The faults of one file: raised, or where they can be mended and `repair` is set, counted.

    path (Path): the file.
    repair (bool): whether to mend what can be mended.
    """

    def __init__(self, path: Path, repair: bool = False) -> None:
        self.path = path
        self.repair = repair
        self.repairs: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()

    def error(self, fault: Fault, line: Optional[int], found: str, **values: object) -> DataError:
        """Return the error of a fault; `values` fill the placeholders of what is expected."""
        expected = fault.expected.format(**values) if values else fault.expected
        return DataError(fault.code, self.path, line, found, expected)

    def mend(self, fault: Fault, line: Optional[int], found: str, **values: object) -> None:
        """Count a fault that the caller mends after this call.

        RAISES (DataError): faults are not to be mended, or this one cannot be.
        """
        if not self.repair or fault.repair is None:
            raise self.error(fault, line, found, **values)
        self.repairs[fault.repair] += 1

    def note(self, what: str, count: int = 1) -> None:
        """Count something that is no fault and that the user should know of."""
        self.notes[what] += count
