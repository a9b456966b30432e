"""Tag schemes, all read as BIO. For the way tags are written see `notations`.

* BIO (IOB2): `B-` begins every entity, `I-` continues it.
* IOB1: `I-` begins an entity and continues it; `B-` begins one only directly after an entity of the same type, to
  separate the two.
* BIOES: `S-` is an entity of one token, `E-` the last token of a longer one. BILOU writes `U-` and `L-` for them, BMEWO
  `W-` for `S-` and `M-` for `I-`.
* IO: adjacent tokens with the same label are one entity. The tags are `I-` with the label, or only the label.
"""

from enum import StrEnum
from typing import Callable, Iterable, List, Sequence

from ..annotations.tags import OUTSIDE, split_tag
from .faults import EMPTY_LABEL, ILLEGAL_INSIDE, UNFINISHED, UNKNOWN_TAG


class Scheme(StrEnum):
    """A tag scheme. `auto`: `detect_scheme` detects the scheme."""

    auto = "auto"
    iob1 = "iob1"
    bio = "bio"
    bioes = "bioes"
    io = "io"


PREFIXES = {Scheme.iob1: "BI", Scheme.bio: "BI", Scheme.bioes: "BIESLUMW", Scheme.io: "I"}

ANY_PREFIX = PREFIXES[Scheme.bioes]

# Called with the position of a tag, its fault and the values for the placeholders of the fault's text.
Report = Callable[..., None]


def is_tag(text: str, prefixes: str = ANY_PREFIX) -> bool:
    """Return whether a text is `O`, or one of the prefixes with a hyphen and possibly a label."""
    return text == OUTSIDE or (text[:1] in prefixes and text[1:2] == "-")


def detect_scheme(sentences: Iterable[Sequence[str]]) -> Scheme:
    """Detect the scheme of tag sequences.

    BIOES: there are `E-`, `S-`, `L-` or `U-` tags, at least as many as entities that end without one, so that a typing
    error in a BIO file does not make it BIOES. IOB1: every `B-` follows an entity of its own type and an `I-` begins an
    entity; a single such `I-` without any `B-` may be an error and is no evidence. Otherwise BIO.

    sentences (Iterable[Sequence[str]]): the tags, sentence by sentence.
    RETURNS (Scheme): the scheme.
    """
    closing = unfinished = lone_inside = needed_begin = needless_begin = 0
    for tags in sentences:
        parts = [split_tag(tag) if is_tag(tag) else (OUTSIDE, "") for tag in [*tags, OUTSIDE]]
        last, before = OUTSIDE, ""
        for prefix, label in parts:
            closing += prefix in "ESLUW"
            unfinished += last in "BIM" and not (prefix in "IELM" and label == before)
            lone_inside += prefix == "I" and label != before
            needed_begin += prefix == "B" and label == before
            needless_begin += prefix == "B" and label != before
            last, before = prefix, label
    if closing and closing >= unfinished:
        return Scheme.bioes
    # IOB1 needs two pieces of evidence, one of them an I- tag that begins an entity.
    return Scheme.iob1 if lone_inside and lone_inside + needed_begin > 1 and not needless_begin else Scheme.bio


def to_bio(tags: Sequence[str], scheme: Scheme, report: Report) -> List[str]:
    """Read the tags of a sentence as BIO, checked.

    tags (Sequence[str]): the tags.
    scheme (Scheme): their scheme, not `auto`.
    report (Report): called as `report(position, fault, found, **values)` for every tag that the scheme does not allow
        there; when it returns, the fault is mended.
    RETURNS (List[str]): legal BIO tags, one for each tag.
    """
    bio: List[str] = []
    before, is_open = ("O", ""), False
    for i, tag in enumerate([*tags, OUTSIDE]):
        tag = _known_tag(i, tag, scheme, report)
        prefix, label = split_tag(tag)
        continues = prefix in "IELM" and is_open and label == before[1]
        if scheme is Scheme.bioes and is_open and not continues:
            position, found = (i, repr(tag)) if i < len(tags) else (i - 1, "the end of the sentence")
            report(position, UNFINISHED, f"{found} after {'-'.join(before)!r}")
        if prefix in "IELM" and not continues and scheme not in (Scheme.iob1, Scheme.io):
            report(i, ILLEGAL_INSIDE, f"{tag!r} with nothing to continue", opener=f"B-{label}", inside=f"I-{label}")
        bio.append(OUTSIDE if not label else f"{'I' if continues else 'B'}-{label}")
        before, is_open = (prefix, label), prefix in "BIM"
    return bio[:-1]


def _known_tag(position: int, tag: str, scheme: Scheme, report: Report) -> str:
    """Return the tag, or `O` for a tag that was reported."""
    if not is_tag(tag, PREFIXES[scheme]):
        known = " ".join(f"{prefix}-X" for prefix in PREFIXES[scheme])
        report(position, UNKNOWN_TAG, f"the tag {tag!r}", tags=f"{known} ({scheme})")
        return OUTSIDE
    if tag != OUTSIDE and not split_tag(tag)[1].strip():
        report(position, EMPTY_LABEL, f"the tag {tag!r}")
        return OUTSIDE
    return tag
