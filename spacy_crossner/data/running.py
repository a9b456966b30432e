"""Running text, as an app gives it to `nlp(text)`: put together from tokens, and compared with a tokenizer's tokens.

A corpus in columns does not say where blanks stand between its tokens. Its running text is put together by this rule:
a blank stands between two tokens, but not

- before a token of closing marks only: . , ; : ! ? % and ) ] } as in "(Oslo).";
- before a clitic: n't and 's, 're, 've, 'll, 'd, 'm with either apostrophe;
- after an opening bracket, ¿ or ¡, and after a $, £, € or # with a number after it and none before it;
- inside quotation marks. ``, „ and ‚ open, '' and ” close; of other marks the first opens and the next closes. A single
  one that no other follows is an apostrophe, with no blank before it.

Hyphens and slashes keep their blanks, since "PDP - 11" and "and / or" stand for either form.
"""

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from spacy.tokens import Doc

from ..annotations.tags import TagSpan

CLOSING = re.compile(r"(?:[.,;:!?%…)\]}]|\.\.+)+")
CLITIC = re.compile(r"(?:n['’]t|['’](?:s|re|ve|ll|d|m))", re.IGNORECASE)
OPENING = frozenset("([{¿¡")
SIGNS = frozenset("$£€#")
DOUBLE_QUOTES, SINGLE_QUOTES = frozenset(["``", "''", *'"“”„«»']), frozenset("'`‘’‚‹›")
ALWAYS_OPEN, ALWAYS_CLOSE = frozenset(["``", "„", "‚"]), frozenset(["''", "”"])

MOST_EXAMPLES = 3

# Start and end (exclusive) in characters.
Offsets = List[Tuple[int, int]]


def guess_spaces(words: Sequence[str]) -> List[bool]:
    """Return whether a blank follows each token, by the rule above."""
    spaces = [True] * len(words)
    singles = sum(word in SINGLE_QUOTES for word in words)
    is_open = {True: False, False: False}
    for i, word in enumerate(words):
        # Whether it is attached to the token before and to the token after.
        before = bool(CLOSING.fullmatch(word) or CLITIC.fullmatch(word))
        after = word in OPENING
        if word in SIGNS:
            after = words[i + 1 : i + 2] != [] and words[i + 1][0].isdigit() and not (i and words[i - 1][-1].isdigit())
        elif word in DOUBLE_QUOTES or word in SINGLE_QUOTES:
            single = word in SINGLE_QUOTES
            singles -= single
            opens = word in ALWAYS_OPEN or (word not in ALWAYS_CLOSE and not is_open[single])
            opens = opens and not (single and not singles)
            is_open[single] = opens
            before, after = not opens, opens
        if before and i:
            spaces[i - 1] = False
        if after:
            spaces[i] = False
    return spaces


def running_text(words: Sequence[str], spaces: Optional[Sequence[bool]]) -> Tuple[str, Offsets]:
    """Return running text, and where each token stands in it.

    words (Sequence[str]): the tokens.
    spaces (Optional[Sequence[bool]]): whether a blank follows each; None where that is not known.
    """
    text, offsets = "", []
    for word, space in zip(words, guess_spaces(words) if spaces is None else spaces, strict=True):
        offsets.append((len(text), len(text) + len(word)))
        text += word + " " * space
    return text.rstrip(" ") if spaces is None else text, offsets


def running_text_of(doc: Doc) -> Tuple[str, Offsets]:
    """Return the running text of a doc, and where each token stands in it."""
    spaces = None if doc.has_unknown_spaces else [bool(token.whitespace_) for token in doc]
    return running_text([token.text for token in doc], spaces)


@dataclass
class TokenFit:
    """How the entities of a corpus fit the tokens that `nlp(text)` makes of its running text.

    An entity that begins or ends inside such a token is out of reach for any pipeline with this tokenizer.

    entities (int): entities.
    misfits (int): those that begin or end inside a token.
    examples (List[str]): some of them, with the tokens that they cut.
    """

    entities: int = 0
    misfits: int = 0
    examples: List[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The share of entities that are out of reach."""
        return self.misfits / self.entities if self.entities else 0.0

    def to_json(self) -> Dict[str, Any]:
        """Return the figures in a form that JSON can hold."""
        return {**asdict(self), "share": self.share}

    def add(
        self,
        words: Sequence[str],
        spaces: Optional[Sequence[bool]],
        spans: Sequence[TagSpan],
        tokenize: Callable[[str], Doc],
    ) -> None:
        """Take in a sentence.

        words (Sequence[str]): its gold tokens.
        spaces (Optional[Sequence[bool]]): whether a blank follows each; None where that is not known.
        spans (Sequence[TagSpan]): its entities.
        tokenize (Callable): the tokenizer.
        """
        if not spans:
            return
        text, offsets = running_text(words, spaces)
        rows = [(token.idx, token.idx + len(token)) for token in tokenize(text)]
        starts, ends = {start for start, _ in rows}, {end for _, end in rows}
        self.entities += len(spans)
        for first, last, _ in spans:
            start, end = offsets[first][0], offsets[last - 1][1]
            if start in starts and end in ends:
                continue
            self.misfits += 1
            cut = [text[a:b] for a, b in rows if a < end and b > start]
            example = f"'{text[start:end]}' in the tokens '{' '.join(cut)}'"
            if len(self.examples) < MOST_EXAMPLES and example not in self.examples:
                self.examples.append(example)

    def note(self) -> str:
        """Say how many entities are out of reach; empty where none is."""
        if not self.misfits:
            return ""
        return (
            f"{self.misfits:,} of {self.entities:,} entities ({self.share:.1%}) begin or end inside a token of "
            f"nlp(text), which cannot find them: {'; '.join(self.examples)}"
        )
