"""Running text, as an app gives it to `nlp(text)`: joined from tokens, and compared with a tokenizer's tokens.

A corpus in columns does not record the spaces between its tokens. Its running text is joined by this rule: there is a
space between two tokens, but not

- before a token of closing marks only: . , ; : ! ? % and ) ] } as in "(Oslo).";
- before a clitic: n't and 's, 're, 've, 'll, 'd, 'm with either apostrophe;
- after an opening bracket, ¿ or ¡, and after a $, £, € or # with a number after it and none before it;
- inside quotation marks. ``, „ and ‚ open, '' and ” close; of other marks the first opens and the next closes. A single
  quote that no other follows is an apostrophe, with no space before it.

Hyphens and slashes keep their spaces, since "PDP - 11" and "and / or" may be either form.
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
    """Return whether a space follows each token, by the rule above."""
    spaces = [True] * len(words)
    n_singles_left = sum(word in SINGLE_QUOTES for word in words)
    is_open = {True: False, False: False}
    for i, word in enumerate(words):
        # Whether the token is attached to the previous one and to the next one.
        attach_before = bool(CLOSING.fullmatch(word) or CLITIC.fullmatch(word))
        attach_after = word in OPENING
        if word in SIGNS:
            attach_after = (
                words[i + 1 : i + 2] != [] and words[i + 1][0].isdigit() and not (i and words[i - 1][-1].isdigit())
            )
        elif word in DOUBLE_QUOTES or word in SINGLE_QUOTES:
            is_single = word in SINGLE_QUOTES
            n_singles_left -= is_single
            opens = word in ALWAYS_OPEN or (word not in ALWAYS_CLOSE and not is_open[is_single])
            opens = opens and not (is_single and not n_singles_left)
            is_open[is_single] = opens
            attach_before, attach_after = not opens, opens
        if attach_before and i:
            spaces[i - 1] = False
        if attach_after:
            spaces[i] = False
    return spaces


def running_text(words: Sequence[str], spaces: Optional[Sequence[bool]]) -> Tuple[str, Offsets]:
    """Return running text, and the offsets of each token in it.

    words (Sequence[str]): the tokens.
    spaces (Optional[Sequence[bool]]): whether a space follows each token; None if that is not known.
    """
    text, offsets = "", []
    for word, space in zip(words, guess_spaces(words) if spaces is None else spaces, strict=True):
        offsets.append((len(text), len(text) + len(word)))
        text += word + " " * space
    return text.rstrip(" ") if spaces is None else text, offsets


def running_text_of(doc: Doc) -> Tuple[str, Offsets]:
    """Return the running text of a doc, and the offsets of each token in it."""
    spaces = None if doc.has_unknown_spaces else [bool(token.whitespace_) for token in doc]
    return running_text([token.text for token in doc], spaces)


@dataclass
class TokenFit:
    """How the entities of a corpus fit the tokens of `nlp(text)` for its running text.

    No pipeline with this tokenizer can find an entity that begins or ends inside a token.

    entities (int): number of entities.
    misfits (int): number of entities that begin or end inside a token.
    examples (List[str]): some misfits, with the tokens that they cut.
    """

    entities: int = 0
    misfits: int = 0
    examples: List[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The fraction of entities that are misfits."""
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
        """Count the entities of a sentence.

        words (Sequence[str]): its gold tokens.
        spaces (Optional[Sequence[bool]]): whether a space follows each token; None if that is not known.
        spans (Sequence[TagSpan]): its entities.
        tokenize (Callable): the tokenizer.
        """
        if not spans:
            return
        text, offsets = running_text(words, spaces)
        token_edges = [(token.idx, token.idx + len(token)) for token in tokenize(text)]
        starts, ends = {start for start, _ in token_edges}, {end for _, end in token_edges}
        self.entities += len(spans)
        for first, last, _ in spans:
            start, end = offsets[first][0], offsets[last - 1][1]
            if start in starts and end in ends:
                continue
            self.misfits += 1
            cut = [text[a:b] for a, b in token_edges if a < end and b > start]
            example = f"'{text[start:end]}' in the tokens '{' '.join(cut)}'"
            if len(self.examples) < MOST_EXAMPLES and example not in self.examples:
                self.examples.append(example)

    def note(self) -> str:
        """Return a message with the number of misfits; empty if there are none."""
        if not self.misfits:
            return ""
        return (
            f"{self.misfits:,} of {self.entities:,} entities ({self.share:.1%}) begin or end inside a token of "
            f"nlp(text), which cannot find them: {'; '.join(self.examples)}"
        )
