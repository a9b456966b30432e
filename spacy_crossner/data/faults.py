"""Faults of input data, and what `--repair` does about them.

A fault is raised as a `DataError` that names the file, the line, the fault and what was expected. With `--repair`, a
fault that can be repaired is repaired and counted instead.
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
    expected (str): the expected content, and the remedy.
    repair (Optional[str]): description of the repair, to follow a count; None if the fault cannot be repaired.
    """

    code: str
    expected: str
    repair: Optional[str] = None


UNREADABLE = Fault("C101", "a file that exists and can be read")
NOT_UTF8 = Fault(
    "C102",
    "text in UTF-8, or in UTF-16 or UTF-32 with a byte order mark (`iconv -f ENCODING -t UTF-8` converts a file)",
)
EMPTY_FILE = Fault("C103", "at least one sentence")
COLUMNS = Fault(
    "C104",
    "a word and a tag in columns separated by tabs, blanks, commas or semicolons, as many as in most lines, where half "
    "of the lines or more have a tag: O, or B-X I-X (BIO, IOB1), also with E-X S-X, L-X U-X or M-X W-X; the same as "
    "X-B, B_X, b-x, or B I O without a type; or only labels (--scheme io). For text with [words](label) markup use "
    "--format markup, for text without annotation use --raw",
)
EMPTY_TOKEN = Fault("C105", "a word (--repair drops the line)", "lines with an empty token dropped")
UNKNOWN_TAG = Fault(
    "C106",
    "O or a tag of the scheme, {tags} (--repair reads it as O)",
    "tags of no known scheme read as O",
)
ILLEGAL_INSIDE = Fault(
    "C107",
    "{opener} or {inside} before it (use --scheme iob1 if I- tags begin entities; --repair reads this tag as {opener})",
    "tags with nothing to continue made the beginning of an entity",
)
UNFINISHED = Fault(
    "C108",
    "a tag that continues the entity before it, up to its E- or L- tag (--repair ends the entity here)",
    "entities without their last tag ended where they stop",
)
EMPTY_LABEL = Fault("C109", "a label for the entity (--repair drops the entity)", "entities without a label dropped")
CUTS_TOKEN = Fault(
    "C110",
    "a span that begins and ends at the borders of tokens (--repair fits it to the tokens that it mostly covers)",
    "spans that cut a token, or hold blanks at their ends, fitted to the tokens",
)
MINOR_PART = Fault(
    "C110",
    "a span that begins and ends at the borders of tokens (--repair drops it, because it covers less than half of a "
    "token)",
    "spans that cover the lesser part of a token dropped",
)
OVERLAP = Fault(
    "C111",
    "spans that do not overlap (--repair keeps the longest span, and the first of equally long spans)",
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
    "[words](label), and brackets in plain text written as \\[ and \\] (--repair reads this bracket as plain text)",
    "brackets outside markup taken as plain text",
)
BAD_JSON = Fault(
    "C114",
    "one JSON object on each line, or one JSON list (--repair drops the line)",
    "lines that are no JSON object dropped",
)
NO_TEXT = Fault("C115", 'a "text" with at least one word (--repair drops the line)', "records without a text dropped")
BAD_RECORD = Fault("C116", "{form} (--repair drops the line)", "records of another form dropped")
NOT_DOCBIN = Fault("C117", "a DocBin as `convert` or spaCy writes it")
NOT_WRITABLE = Fault("C118", "a writable path")
SIZES = Fault("C119", "{form}")
NO_SPLITS = Fault("C120", "{form}")
OUTPUT_NAME = Fault("C121", "{form}")
NO_LABELS = Fault(
    "C140",
    "records with labels: {forms}. Use --raw to read the text without annotation. Mark an annotated record without "
    'entities with an empty list, such as "spans": []',
)
UNKNOWN_FORM = Fault(
    "C141", "labels in a known form: {forms}. Rename the key or convert the file, or read only the text with --raw"
)
CLASSIFICATION = Fault("C142", "entities with offsets; labels of whole texts (text classification) cannot be read")
LABEL_IDS = Fault("C143", "labels by their names: {form}")
OFFSET_UNIT = Fault(
    "C144",
    "all offsets of a file in one unit: characters, UTF-16 units or bytes. Export them in characters "
    "(--repair drops the spans that do not fit as characters, if they are few)",
    "spans whose offsets fit only as UTF-16 units or bytes dropped",
)
NO_UNIT = Fault("C144", "all offsets of a file in one unit, preferably characters. Export them again in characters")
SURFACE = Fault(
    "C145",
    "offsets of the words that the span records (--repair drops the span)",
    "spans whose words are not at their offsets dropped",
)
DESTROYED = Fault(
    "C146",
    "at most a tenth of the spans to drop, at most half that cut a token, and at least one entity left. Correct the "
    "file or export it again. If the offsets are correct, set the language (--lang), or give tokens",
)
ANNOTATORS = Fault(
    "C147",
    "one annotation of each task. Mark one as ground truth, or delete all others (--repair takes the last)",
    "tasks with different annotations of which the last was taken",
)
STANDOFF = Fault(
    "C148",
    "a line of brat's standoff form, as in 'T1<TAB>PER 0 3<TAB>Ada' (--repair drops the line)",
    "lines of no known form dropped",
)
DISCONTINUOUS = Fault(
    "C149",
    "an entity in one piece (--repair drops it, because tags cannot represent it)",
    "discontinuous entities dropped",
)
NO_TEXT_FILE = Fault("C150", "the text of an .ann file beside it, under the same name as .txt")
NOT_PLAIN = Fault("C151", "offsets in plain text (Label Studio's type 'labels'), not in HTML, audio or dialogues")


@dataclass
class Tally:
    """Counts of the character spans and records of a file.

    seen (int): spans that the file holds.
    kept (int): spans that became entities.
    lost (int): spans that a repair dropped because their words are not certain.
    cut (int): spans that a repair fitted to tokens because they cut a token.
    records (int): records of the file, including records of unknown form and lines that are not JSON.
    """

    seen: int = 0
    kept: int = 0
    lost: int = 0
    cut: int = 0
    records: int = 0


NO_PREFIXES = Fault("C123", "tags with B- or I- before the label; --scheme io reads labels without prefixes")
MOSTLY_UNKNOWN = Fault("C124", "mostly tags of the scheme; perhaps use {hint}, or another --scheme")
NOTHING_LEFT = Fault("C125", "at least one entity after all repairs. Correct the file without --repair")
HEADER = Fault("C126", "a token and its tag; delete the line if it names the columns")
BROKEN_ENTITY = Fault(
    "C127",
    "[words](label), and brackets in plain text written as \\[ and \\]. Correct the line: --repair cannot",
)
TAG_WITHOUT_WORD = Fault("C128", "a word for the tag, or the tag O")
TAG_OF_RANGE = Fault("C129", "entity tags only on tokens with a whole number")
TWO_TAGS = Fault("C130", "one column of tags, beside chunks. Remove the other column (`cut -f`)")
NO_SPLIT = Fault(
    "C161",
    "a {split} set (`spacy crossner convert ... --{split} 0.2` takes a fifth of train for it)",
)
NOT_OURS = Fault(
    "C162",
    "only splits that `convert` wrote and that have not changed since. Give another folder, let `convert` draw the "
    "splits (--dev 0.2 --test 0.2), or use --force to replace or delete these files",
)
NO_OUTSIDE = Fault(
    "C135",
    "O as the tag of words outside of entities. If '{label}' is this tag, rename it to O: {how}",
)
RECORDS_LOST = Fault(
    "C136",
    "at most a tenth of the records to drop. Correct the file; without --repair, the error names the first fault",
)
LINE_BREAK = Fault(
    "C134",
    "a row on each line. Replace other breaks (form feeds, U+0085, U+2028) by line ends, or by blanks inside a row",
)
READ_FILE = Fault("C131", "an output other than {read}, which is an input")
OTHER_PARTS = Fault(
    "C132",
    "only parts that `split` wrote and that have not changed since. Give another folder, or use --force to replace or "
    "delete these files",
)
OUTPUT_ENDING = Fault("C133", "{form}")
OTHER_LANGUAGE = Fault(
    "C160",
    "text in the pipeline's language, '{lang}'. Set the pipeline's language with --nlp.lang {other} (in the project: "
    "--vars.lang {other}), or convert the text again with --lang {lang}",
)


class Faults:
    """The faults of one file: raised, or counted if they can be repaired and `repair` is set.

    path (Path): the file.
    repair (bool): whether faults are repaired.
    unit (str): the unit of line numbers in errors, see `DataError`.
    """

    def __init__(self, path: Path, repair: bool = False) -> None:
        self.path = path
        self.repair = repair
        self.unit = "line"
        self.repairs: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.tally = Tally()

    def of_part(self, path: Path) -> "Faults":
        """Return the faults of a file that is a part of this input. They are counted together with these."""
        part = Faults(path, self.repair)
        part.repairs, part.notes, part.tally = self.repairs, self.notes, self.tally
        return part

    def error(self, fault: Fault, line: Optional[int], found: str, **values: object) -> DataError:
        """Return the error of a fault; `values` fill the placeholders of `Fault.expected`."""
        expected = fault.expected.format(**values) if values else fault.expected
        return DataError(fault.code, self.path, line, found, expected, self.unit)

    def mend(self, fault: Fault, line: Optional[int], found: str, **values: object) -> None:
        """Count a fault that the caller repairs after this call.

        RAISES (DataError): `repair` is not set, or this fault cannot be repaired.
        """
        if not self.repair or fault.repair is None:
            raise self.error(fault, line, found, **values)
        self.repairs[fault.repair] += 1

    def drop_span(self, fault: Fault, line: Optional[int], found: str, **values: object) -> None:
        """Count a span that the caller drops because its words are not certain; see `mend`."""
        self.mend(fault, line, found, **values)
        self.tally.seen += 1
        self.tally.lost += 1

    def note(self, what: str, count: int = 1) -> None:
        """Count an observation for the user that is not a fault."""
        self.notes[what] += count
