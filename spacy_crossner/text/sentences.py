"""Where sentences end in running text, by a rule that is quick.

spaCy's `sentencizer` needs tokens first and so reads a megabyte or two a second; this rule reads a hundred, and looks
at what the sentencizer does not, the letter that follows. A sentence ends at a blank when

- before the blank stands one of . ! ? … with closing quotes and brackets after it, if any;
- after the blank stands neither a lower-case letter nor a mark that goes on: , ; : . ! ? % or a closing one;
- a single period is not that of an abbreviation: of a word in `ABBREVIATIONS`, of an initial (J.), of letters with
  periods between them (e.g., U.S.). In text whose tokens are apart (al .) the word before the period is looked at,
  but a letter is no initial then: "the matrix A . We ..." is more frequent than "J . Smith".

Languages without blanks between sentences are not split.
"""

import re
from itertools import pairwise
from typing import List

import numpy as np

from .raw import normalise
from .words import Indices

STOPS = (b".", b"!", b"?", "…".encode())
CLOSERS, WIDE_CLOSERS = b"\"')]}", tuple(mark.encode() for mark in "”’»")
OPENERS, WIDE_OPENERS = b"\"'([{", tuple(mark.encode() for mark in "“‘«„¿¡")
# What does not begin a sentence, beside lower-case letters.
CONTINUERS = (*(mark.encode() for mark in ",;:%)]}"), *STOPS, *WIDE_CLOSERS)

_ABBREVIATIONS = b"""
al ca cf Cf ch Ch chap Chap Col Dr ed eds Eds e.g eg eq Eq eqs Eqs esp fig Fig figs Figs Ft Gen Gov Hon i.e ie
incl Lt Mr Mrs Ms Mt no No nos Nos p pp Ph.D Prof ref Ref refs Refs Rep resp Rev sec Sec Sen Sgt St tab Tab viz vol Vol
vs Jan Feb Aug Sept Oct Nov Dec
"""
_BEFORE_NUMBERS = b"no No nos Nos p pp ch tab sec ref ed fig Jan Feb Aug Sept Oct Nov Dec"

ABBREVIATIONS = frozenset(_ABBREVIATIONS.split())
# Of these only before a number: "no." and "fig." are also whole answers and the fruit.
BEFORE_NUMBERS = frozenset(_BEFORE_NUMBERS.split())
DOTTED = re.compile(rb"[A-Z]|[A-Za-z](\.[A-Za-z])+")
LONGEST_ABBREVIATION = max(map(len, ABBREVIATIONS))

# Far enough to the left to see an abbreviation in quotes and brackets.
REACH = 48


LOWER = bytes(range(ord("a"), ord("z") + 1))


def _flag(marks: bytes) -> bytes:
    return bytes(byte in marks for byte in range(256))


# By single bytes, the last one of what may end a sentence and the first one of what may follow.
MAY_END = _flag(CLOSERS + bytes(mark[-1] for mark in (*STOPS, *WIDE_CLOSERS)))
GOES_ON = _flag(LOWER + b" \n" + bytes(mark[0] for mark in CONTINUERS if len(mark) == 1))
ENDS_IN_CLOSER = _flag(CLOSERS)
LETTERS = _flag(LOWER + LOWER.upper())


def find_sentence_ends(text: bytes) -> Indices:
    """Find the blanks at which a sentence ends and the next one of the same line begins.

    text (bytes): lines joined by LF, their white space normalised.
    RETURNS (Indices): the places of these blanks, in order.
    """
    if len(text) < 3:
        return np.zeros(0, dtype=np.int64)
    content = np.frombuffer(text, dtype=np.uint8)
    ends = np.frombuffer(text.translate(MAY_END), dtype=bool)
    goes_on = np.frombuffer(text.translate(GOES_ON), dtype=bool)
    places = np.flatnonzero((content[1:-1] == ord(" ")) & ends[:-2] & ~goes_on[2:]) + 1
    last, letters = content[places - 1], np.frombuffer(text.translate(LETTERS), dtype=bool)
    # Most words in quotes and brackets end no sentence.
    closed = np.frombuffer(text.translate(ENDS_IN_CLOSER), dtype=bool)[places - 1]
    possible = ~closed | ~letters[places - 2]
    places, last = places[possible], last[possible]
    # Most periods are those of longer words than any abbreviation is.
    certain = (last == ord(".")) & (content[places + 1] < 0x80) & (places > LONGEST_ABBREVIATION + 2)
    for distance in range(2, LONGEST_ABBREVIATION + 3):
        # Near the beginning nothing is certain, whatever is looked at.
        certain &= letters[np.maximum(places - distance, 0)]
    doubtful = np.flatnonzero(~certain)
    certain[doubtful] = [_ends_sentence(text, place) for place in places[doubtful].tolist()]
    return places[certain]


def _ends_sentence(text: bytes, place: int) -> bool:
    """Say whether a sentence ends at a blank, by the rule above."""
    after = text[place + 1 : place + 5]
    if after.startswith(CONTINUERS) or after.decode("utf-8", "ignore")[:1].islower():
        return False
    before = text[max(0, place - REACH) : place]
    before = before[before.rfind(b"\n") + 1 :]
    start = before.rfind(b" ") + 1
    word = before[start:].rstrip(CLOSERS)
    while word.endswith(WIDE_CLOSERS):
        word = word[: -2 if word.endswith(WIDE_CLOSERS[2]) else -3].rstrip(CLOSERS)
    if not word.endswith(STOPS):
        return False
    if not word.endswith(b".") or word.endswith(b".."):
        return True
    apart = word == b"." and start > 0
    word = before[before.rfind(b" ", 0, start - 1) + 1 : start - 1] if apart else word[:-1]
    word = word.lstrip(OPENERS)
    while word.startswith(WIDE_OPENERS):
        word = word[3 if word[0] == WIDE_OPENERS[0][0] else 2 :].lstrip(OPENERS)
    if word in BEFORE_NUMBERS:
        return not after[:1].isdigit()
    return word not in ABBREVIATIONS and (apart or not DOTTED.fullmatch(word))


def split_sentences(text: str) -> List[str]:
    """Split one text into sentences; white space is normalised.

    text (str): running text or tokens with blanks between them.
    RETURNS (List[str]): the sentences.
    """
    line = normalise(text.encode("utf-8", "replace")).replace(b"\n", b" ")
    ends = [-1, *find_sentence_ends(line).tolist(), len(line)]
    return [line[start + 1 : end].decode("utf-8") for start, end in pairwise(ends) if end > start + 1]
