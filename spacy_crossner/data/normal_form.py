"""The normal forms in which sentences and names are compared: the same for texts that look or read the same.

All comparisons of sentences and of names use these forms:

- `sentence_key`: without case, blanks and compatibility variants, so that it does not matter how a sentence was typed,
  typeset or tokenized.
- `name_key`: with single blanks between words, and case-sensitive unless `ignore_case` is set.

Both compose characters (NFC), drop invisible ones (soft hyphens, zero-width characters, direction marks, control
characters), and unify quotation marks and dashes. `sentence_keys` and `name_keys` do the same for a block of UTF-8
lines at once: most lines are ASCII and need no Python object for each.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Callable, Dict, Optional

SINGLE_QUOTES = frozenset("`´‘’‚‛′‵ʹʼ‹›＇")
DOUBLE_QUOTES = frozenset("“”„‟″‶〝〞〟＂«»")
MINUS = "−"
# Characters without a glyph whose category does not say so: joiners and fillers.
UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
# Brackets as the Penn Treebank writes them.
BRACKETS = {b"-lrb-": b"(", b"-rrb-": b")", b"-lsb-": b"[", b"-rsb-": b"]", b"-lcb-": b"{", b"-rcb-": b"}"}
RUN_OF_DASHES = re.compile(b"--+")

# ASCII white space without the line end, with U+0000; and the control characters that are no white space.
BLANKS = bytes(byte for byte in range(128) if (chr(byte).isspace() and byte != ord("\n")) or not byte)
CONTROLS = bytes(byte for byte in (*range(1, 32), 127) if not chr(byte).isspace())
SPELLING = bytes.maketrans(b"`" + BLANKS, b"'" + b" " * len(BLANKS))


def spell_character(character: str) -> Optional[str]:
    """Return the normal form of a character in a name; None if it is dropped."""
    category = unicodedata.category(character)
    if character.isspace() or not ord(character):
        return " "
    if category in ("Cf", "Cc") or character in UNSEEN or _selects_variation(ord(character)):
        return None
    if character in SINGLE_QUOTES:
        return "'"
    if character in DOUBLE_QUOTES:
        return '"'
    if category == "Pd" or character == MINUS:
        return "-"
    # Replaces ligatures and full-width letters and digits, but no signs: "Kinect™" must not become "KinectTM".
    return unicodedata.normalize("NFKC", character) if category[0] == "L" or category == "Nd" else character


def _selects_variation(point: int) -> bool:
    return 0xFE00 <= point <= 0xFE0F or 0xE0100 <= point <= 0xE01EF


class _Table(Dict[int, Optional[str]]):
    """The normal forms of characters by code point, computed on first use."""

    def __missing__(self, point: int) -> Optional[str]:
        self[point] = spelled = spell_character(chr(point))
        return spelled


CHARACTERS = _Table()


@lru_cache(maxsize=1 << 16)
def name_key(name: str, *, ignore_case: bool = False) -> str:
    """Return the normal form of a name: its words and symbols with single spaces between them.

    name (str): the name. A name without visible characters has an empty key.
    ignore_case (bool): apply Unicode's full case folding.
    """
    line = name.replace("\n", " ").encode("utf-8", "replace")
    return " ".join(name_keys(line, ignore_case=ignore_case).decode("utf-8").split())


def sentence_key(sentence: str) -> str:
    """Return the normal form of a sentence: its characters without case, blanks and compatibility variants.

    sentence (str): running text, or tokens with spaces between them.
    """
    return sentence_keys(sentence.replace("\n", " ").encode("utf-8", "replace")).decode("utf-8")


def name_keys(text: bytes, *, ignore_case: bool = False) -> bytes:
    """Return the `name_key` of each line of a block.

    text (bytes): UTF-8, lines joined by LF, with single spaces between words.
    ignore_case (bool): see `name_key`.
    RETURNS (bytes): as many lines, joined by LF. A word that is dropped leaves two spaces.
    """

    def spell_ascii(line: bytes) -> bytes:
        spelled = line.translate(SPELLING, CONTROLS)
        return spelled.lower() if ignore_case else spelled

    def spell(line: str) -> str:
        # Composed before, because `CHARACTERS` holds composed forms, and after, because characters were dropped.
        spelled = unicodedata.normalize("NFC", unicodedata.normalize("NFC", line).translate(CHARACTERS))
        return unicodedata.normalize("NFC", spelled.casefold()) if ignore_case else spelled

    return _map_lines(text, spell_ascii, spell)


def sentence_keys(text: bytes) -> bytes:
    """Return the `sentence_key` of each line of a block.

    text (bytes): UTF-8, lines joined by LF.
    RETURNS (bytes): as many lines, joined by LF.
    """

    def spell(line: str) -> str:
        spelled = unicodedata.normalize("NFC", line).translate(CHARACTERS)
        folded = unicodedata.normalize("NFKD", spelled).casefold()
        return "".join(unicodedata.normalize("NFKC", folded).split())

    spelled = _map_lines(text, bytes.lower, spell).translate(SPELLING, BLANKS + CONTROLS)
    # A pair of single quotes, or of backticks, equals a double quote.
    spelled = spelled.replace(b'"', b"''")
    for written, bracket in BRACKETS.items():
        spelled = spelled.replace(written, bracket)
    return RUN_OF_DASHES.sub(b"-", spelled)


def _map_lines(text: bytes, spell_ascii: Callable[[bytes], bytes], spell: Callable[[str], str]) -> bytes:
    """Return a block with each line normalized; ASCII lines are processed together."""
    if text.isascii():
        return spell_ascii(text)
    lines = text.split(b"\n")
    return b"\n".join(
        [spell_ascii(line) if line.isascii() else spell(line.decode("utf-8")).encode("utf-8") for line in lines]
    )
