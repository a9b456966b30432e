"""Files of text in every format, valid ones with what they hold, and broken ones.

A format is a strategy of `TextFile` in FORMATS; a further one is a further entry there.
"""

import codecs
import csv
import io
import itertools
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from hypothesis import strategies as st

Sentence = List[Tuple[str, str]]  # word and BIO tag, token by token


@dataclass
class TextFile:
    """A file and what it holds.

    name (str): its name, which tells JSON from text.
    content (bytes): its content.
    options (Dict[str, object]): what `convert` is called with.
    words (Optional[int]): the number of its words by construction, None where that is not known.
    entities (Optional[int]): the number of its entities, None where that is not known.
    """

    name: str
    content: bytes
    options: Dict[str, object]
    words: Optional[int] = None
    entities: Optional[int] = None


LABELS = ["PER", "LOC", "geo-loc", "ORG"]
# Letters of several scripts, blanks that belong to a token, signs that mean something to a format.
LETTERS = "abcXYZ019éß東ناक्ष.,;:'\"#-_[]()\\/\u00a0\u2028\x0c"
PLAIN_WORD = st.text("abcdeXYZéß東.'", min_size=1, max_size=5)
ODD_WORD = st.text(LETTERS, min_size=1, max_size=5)


@st.composite
def sentences(draw, word=PLAIN_WORD) -> List[Sentence]:
    """Draw sentences; the first begins with an entity and goes on without, so that the file shows what it is."""
    drawn: List[Sentence] = [[("Ada", "B-PER"), ("King", "I-PER"), ("left", "O"), ("her", "O"), ("house", "O")]]
    for _ in range(draw(st.integers(0, 3))):
        sentence: Sentence = []
        for _ in range(draw(st.integers(1, 3))):
            label, length = draw(st.sampled_from(LABELS)), draw(st.integers(0, 2))
            tags = [f"{'I' if i else 'B'}-{label}" for i in range(length)]
            sentence += [(draw(word), tag) for tag in [*tags, *["O"] * draw(st.integers(1, 2))]]
        drawn.append(sentence)
    return drawn


def rename(tag: str, notation: str) -> str:
    """Write a BIO tag in a notation."""
    if tag == "O":
        return "o" if notation == "lower" else "O"
    prefix, label = tag.split("-", 1)
    forms = {"prefix": tag, "underscore": f"{prefix}_{label}", "suffix": f"{label}-{prefix}"}
    return {**forms, "lower": f"{prefix.lower()}-{label.lower()}"}[notation]


def close(sentence: Sentence, scheme: str) -> Sentence:
    """Write the BIO tags of a sentence in BIOES or BILUO."""
    single, last = {"bioes": "SE", "bilou": "UL"}[scheme]
    written: Sentence = []
    for (word, tag), (_, after) in itertools.pairwise([*sentence, ("", "O")]):
        if tag != "O" and not after.startswith("I-"):
            tag = (single if tag[0] == "B" else last) + tag[1:]
        written.append((word, tag))
    return written


@st.composite
def columns(draw) -> TextFile:
    """Draw a valid file of columns."""
    kind = draw(st.sampled_from(["tabs", "blanks", "numbers", "pos", "csv", "comments", "label studio"]))
    text = draw(sentences(ODD_WORD.filter(is_token) if kind == "tabs" else PLAIN_WORD))
    words = sum(map(len, text))
    entities = sum(tag.startswith("B-") for sentence in text for _, tag in sentence)
    scheme = draw(st.sampled_from(["bio", "bioes", "bilou"]))
    text = text if scheme == "bio" else [close(sentence, scheme) for sentence in text]
    notation = (
        "prefix" if kind == "label studio" else draw(st.sampled_from(["prefix", "underscore", "suffix", "lower"]))
    )
    text = [[(word, rename(tag, notation)) for word, tag in sentence] for sentence in text]
    lines: List[str] = ["-DOCSTART- -X- O", ""] if kind == "label studio" else []
    for number, sentence in enumerate(text):
        if kind == "comments":
            lines += [f"# sent_id = {number}", "# text = " + " ".join(word for word, _ in sentence)]
        for i, (word, tag) in enumerate(sentence, 1):
            lines.append({
                "tabs": f"{word}\t{tag}",
                "blanks": f"{word} {tag}",
                "numbers": f"{i}\t{word}\t{tag}",
                "pos": f"{word} NN B-NP {tag}",
                "csv": as_csv(word, tag),
                "comments": f"{word}\t_\t_\t{tag}",
                "label studio": f"{word} -X- _ {tag}" + (" Name" if tag != "O" else ""),
            }[kind])  # fmt: skip
        lines.append("")
    if kind == "csv":
        lines.insert(0, "word,tag")
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return TextFile("x.txt", encode(draw, end.join(lines)), {}, words, entities)


def is_token(word: str) -> bool:
    """Say whether a word is itself in a column: not a comment, no blanks at its ends, no line end, something to see."""
    return word.strip(" \t\r") == word and not word.startswith("#") and word.strip("\u00a0\u2028\x0c") != ""


def as_csv(*cells: str) -> str:
    """Write a line of CSV."""
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue().removesuffix("\r\n")


def encode(draw, text: str) -> bytes:
    """Encode a text in one of the encodings that are read."""
    mark, encoding = draw(st.sampled_from([
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ]))  # fmt: skip
    return mark + text.encode(encoding)


@st.composite
def markup(draw) -> TextFile:
    """Draw a valid file of inline markup whose words may be cut further by the tokenizer."""
    lines, entities = [], 0
    for sentence in draw(sentences()):
        pieces: List[str] = []
        label = ""
        for (word, tag), (_, after) in itertools.pairwise([*sentence, ("", "O")]):
            if tag.startswith("B-"):
                entities += 1
                label = tag[2:]
            opening = "[" if tag.startswith("B-") else ""
            closing = f"]({label})" if tag != "O" and not after.startswith("I-") else ""
            pieces.append(f"{opening}{word}{closing}")
        lines.append(" ".join(pieces))
    return TextFile("x.txt", encode(draw, "\n".join(lines)), {"format": "markup"}, None, entities)


@st.composite
def raw_text(draw) -> TextFile:
    """Draw plain text."""
    lines = draw(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=5))
    return TextFile("x.txt", encode(draw, "\n".join(lines)), {"raw": True})


@st.composite
def bytes_of_any_kind(draw) -> TextFile:
    """Draw bytes."""
    name = draw(st.sampled_from(["x.txt", "x.txt.gz", "x.conll"]))
    return TextFile(name, draw(st.binary(max_size=60)), draw(OPTIONS))


FORMATS: Dict[str, st.SearchStrategy[TextFile]] = {
    "columns": columns(),
    "markup": markup(),
    "raw text": raw_text(),
}

# What `convert` may be asked for.
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "repair": st.booleans(),
        "raw": st.booleans(),
        "format": st.sampled_from(["auto", "conll", "markup"]),
        "scheme": st.sampled_from(["auto", "bio", "iob1", "bioes", "io"]),
    },
)

# What is put in where a file is broken.
PIECES = [
    *[b"", b" ", b"\t", b"\n", b"\n\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe"],
    *[b"\xe2\x80\x8b", b"\xc2\xa0", b"\xe2\x80\xa8", b"#", b"# a = b\n", b"-DOCSTART-\n", b'"', b",", b";"],
    *[b"[", b"]", b"](", b")", b"\\", b"O", b"B-", b"I-X", b"E-Y", b"1-2", b"3.1", b"\tO\n", b"0\t", b" -X- _ "],
    *[b"word,tag\n", b"word tag\n", b"99999999999999999999999"],
]


def break_bytes(draw, content: bytes) -> bytes:
    """Take bytes out, put some in, or double them."""
    start = draw(st.integers(0, len(content)))
    end = min(len(content), start + draw(st.integers(0, 8)))
    piece = draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=3), st.just(content[start:end] * 2)))
    return content[:start] + piece + content[end:]


def break_lines(draw, content: bytes) -> bytes:
    """Take a line out, double it, join it with the next, or change one of its cells."""
    lines = content.split(b"\n")
    at = draw(st.integers(0, len(lines) - 1))
    cells = lines[at].split(draw(st.sampled_from([b"\t", b" ", b","])))
    cell = draw(st.integers(0, len(cells) - 1))
    separator = draw(st.sampled_from([b"\t", b" ", b","]))
    changed = draw(st.sampled_from([
        [],
        [lines[at]] * 2,
        [separator.join(lines[at : at + 2])],
        [separator.join(cells[:cell] + cells[cell + 1 :])],
        [separator.join([*cells[:cell], draw(st.sampled_from(PIECES)), *cells[cell:]])],
        [separator.join([*cells[:cell], draw(st.sampled_from(PIECES)), *cells[cell + 1 :]])],
        [separator.join(reversed(cells))],
    ]))  # fmt: skip
    return b"\n".join([*lines[:at], *changed, *lines[at + 1 :]])


@st.composite
def broken(draw) -> TextFile:
    """Draw a valid file and break it; it may also still be valid."""
    file = draw(st.one_of(*FORMATS.values()))
    content = file.content
    for _ in range(draw(st.integers(1, 4))):
        content = draw(st.sampled_from([break_bytes, break_lines]))(draw, content)
    options = draw(OPTIONS)
    return TextFile(file.name, content, {**file.options, **options})
