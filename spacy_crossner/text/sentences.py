"""Splits running text into sentences by rules.

spaCy's `sentencizer` needs tokens, which makes it far slower, and it ignores the letter after a period. Here, a
sentence ends at a blank under all of the following conditions:

- One of . ! ? … is before the blank. Closing quotes and brackets may be between them.
- The blank is followed by neither a lower-case letter nor a mark that continues a sentence (, ; : . ! ? % or a closing
  bracket or quote).
- A single period does not end an abbreviation: a word in `ABBREVIATIONS`, an initial (J.), or letters with periods
  between them (e.g., U.S.). In tokenized text (al .), the word before the period is checked, but a single letter is not
  taken for an initial: "the matrix A . We ..." is more frequent than "J . Smith".

Text in languages without blanks between sentences is not split.
"""

import re
from typing import Iterator, List

_ABBREVIATIONS = """
al ca cf Cf ch Ch chap Chap Col Dr ed eds Eds e.g eg eq Eq eqs Eqs esp fig Fig figs Figs Ft Gen Gov Hon i.e ie
incl Lt Mr Mrs Ms Mt no No nos Nos p pp Ph.D Prof ref Ref refs Refs Rep resp Rev sec Sec Sen Sgt St tab Tab viz vol Vol
vs Jan Feb Aug Sept Oct Nov Dec
"""
_BEFORE_NUMBERS = "no No nos Nos p pp ch tab sec ref ed fig Jan Feb Aug Sept Oct Nov Dec"

ABBREVIATIONS = frozenset(_ABBREVIATIONS.split())
# Abbreviations only before a number: "no." may also be an answer, and "fig." a fruit.
BEFORE_NUMBERS = frozenset(_BEFORE_NUMBERS.split())
DOTTED = re.compile(r"[A-Z]|[A-Za-z](\.[A-Za-z])+")

OPENERS = "\"'([{“‘«„¿¡"
# A stop, closing marks, and a blank. No lower-case ASCII letter and no mark that continues a sentence may follow.
CANDIDATE = re.compile(r"""[.!?…]["')\]}”’»]* (?![a-z,;:%)\]}.!?…”’»])""")


def split_line(line: str) -> Iterator[str]:
    """Yield the sentences of a line.

    line (str): not empty, with single blanks for all white space.
    """
    start = 0
    for match in CANDIDATE.finditer(line):
        if _ends_sentence(line, match.start(), match.end()):
            yield line[start : match.end() - 1]
            start = match.end()
    yield line[start:]


def _ends_sentence(line: str, stop: int, following: int) -> bool:
    """Return whether a candidate ends a sentence, by the rules of this module.

    line (str): the line.
    stop (int): index of the stop.
    following (int): index of the character after the blank.
    """
    if line[following].islower():
        return False
    if line[stop] != "." or line.endswith("..", 0, stop + 1):
        return True
    start = line.rfind(" ", 0, stop) + 1
    is_tokenized = 0 < start == stop
    word = line[line.rfind(" ", 0, stop - 1) + 1 : stop - 1] if is_tokenized else line[start:stop]
    word = word.lstrip(OPENERS)
    if word in BEFORE_NUMBERS:
        return line[following] not in "0123456789"
    return word not in ABBREVIATIONS and (is_tokenized or not DOTTED.fullmatch(word))


def split_sentences(text: str) -> List[str]:
    """Split one text into sentences, with normalized white space.

    text (str): running text, or tokens separated by blanks.
    RETURNS (List[str]): the sentences.
    """
    line = " ".join(text.replace("\0", " ").split())
    return list(split_line(line)) if line else []
