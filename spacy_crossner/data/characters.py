"""Invisible characters: zero-width ones, soft hyphens, and blanks other than U+0020.

A label with such a character looks the same as another label but differs. Labels and tags are cleaned; tokens keep all
characters.
"""

import re
import unicodedata

# Joiners have a meaning in Arabic and in the scripts of India and its neighbours: U+0600 to U+109F, Khmer, Mongolian.
JOINERS = "\u200c\u200d"
JOINED = "\u0600-\u109f\u1780-\u18af"
ZERO_WIDTH = "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
# Blanks of a line that are neither U+0020 nor a tab.
ODD_BLANK = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"

# Line ends of Unicode and of Python's `splitlines`, other than LF and CR, which end the lines of files.
LINE_BREAKS = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")

# Note to the user on cleaned labels.
CLEANED = "labels cleaned of zero-width characters, of no-break and other odd blanks, or put in NFC"

_UNSEEN = re.compile(f"[{ZERO_WIDTH}]|(?<![{JOINED}])[{JOINERS}]|[{JOINERS}](?![{JOINED}])")
_ONLY_UNSEEN = re.compile(f"[{ZERO_WIDTH}{JOINERS}]+")
_BLANK_LINE = re.compile(f"[ \t{ODD_BLANK}{ZERO_WIDTH}{JOINERS}]*")


def clean_label(text: str) -> str:
    """Return a label or a tag in the form in which it is compared and written.

    Zero-width characters and soft hyphens are removed, except joiners between letters of a script that needs them. A
    run of blanks becomes one space, blanks at the ends are removed, and the text is normalized to NFC.
    """
    return text if text.isascii() and " ".join(text.split()) == text else _clean(text)


def _clean(text: str) -> str:
    """Clean a label that needs it."""
    return " ".join(unicodedata.normalize("NFC", _UNSEEN.sub("", text)).split())


def is_unseen(text: str) -> bool:
    """Return whether a text consists of zero-width characters only."""
    return not text[:1].isalnum() and _ONLY_UNSEEN.fullmatch(text) is not None


def is_blank_line(text: str) -> bool:
    """Return whether a line is empty or consists of blanks and zero-width characters only."""
    return _BLANK_LINE.fullmatch(text) is not None
