"""Dev and test sets drawn from one labelled set, so that each has all types as far as there are enough of them.

Iterative stratification (Sechidis et al., 2011, "On the stratification of multi-label data", Algorithm 1): the rarest
type is shared out first, each sentence to the set that lacks most of it.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Dict, Hashable, List, Mapping, Sequence, Union

from .faults import SIZES, Faults
from .normal_form import sentence_key
from .sentences import Sentence

# A share in (0, 1), or a number of sentences.
Size = Union[int, float]

REST = "train"
# Of a type with one sentence train has it, of one with two test has the other.
FIRST_SERVED = (REST, "test", "dev")


@dataclass
class Drawn:
    """What sentences were drawn.

    parts (Dict[str, List[int]]): their places in the set, ascending, by the name of the part.
    notes (List[str]): what the user should know of.
    """

    parts: Dict[str, List[int]]
    notes: List[str] = field(default_factory=list)


def draw_parts(sentences: Sequence[Sentence], sizes: Mapping[str, Size], seed: int, faults: Faults) -> Drawn:
    """Draw parts of a set, stratified by type; train is the rest.

    No sentence, by its normal form, is in two parts. Documents stay together, but for such repetitions.

    sentences (Sequence[Sentence]): the set.
    sizes (Mapping[str, Size]): the size of each part but train. Where documents stay together it is met roughly.
    seed (int): the same seed gives the same parts.
    faults (Faults): names the file.
    RAISES (DataError): the set is too small.
    """
    counts = _count_sentences(sizes, len(sentences), faults)
    documents = {sentence.document for sentence in sentences}
    together = len(documents) >= len(counts)
    first: Dict[str, Hashable] = {}
    units: Dict[Hashable, List[int]] = {}
    moved = 0
    for i, sentence in enumerate(sentences):
        own = sentence.document if together else i
        unit = first.setdefault(sentence_key(" ".join(sentence.words)), own)
        moved += together and unit != own
        units.setdefault(unit, []).append(i)
    if len(units) < len(counts):
        raise faults.error(
            SIZES, None, f"{len(units)} different sentences", form=f"at least {len(counts)} to draw from"
        )
    # "" stands for sentences without an entity: they, too, are to be in all parts.
    labels = [Counter(label for _, _, label in sentence.spans or []) or Counter([""]) for sentence in sentences]
    drawn = Drawn(_share_out(list(units.values()), labels, counts, random.Random(seed)))
    if empty := [name for name, part in drawn.parts.items() if not part]:
        kind = "documents" if together else "different sentences"
        found = f"{len(units)} {kind}, so that no sentence is left for {' and '.join(empty)}"
        raise faults.error(SIZES, None, found, form="more of them, or a larger size, as repetitions stay together")
    if together:
        drawn.notes.append(f"{len(documents):,} documents were kept together.")
    elif len(documents) > 1:
        drawn.notes.append(f"{len(documents)} documents are too few to keep together; sentences were drawn.")
    if moved:
        drawn.notes.append(f"{moved:,} sentences repeat one of another document and went where that one is.")
    return drawn


def _count_sentences(sizes: Mapping[str, Size], total: int, faults: Faults) -> Dict[str, int]:
    """Return how many sentences each part is to have, train first."""
    counts = {name: max(1, round(size * total)) if isinstance(size, float) else size for name, size in sizes.items()}
    given = " + ".join(f"{name} {size}" for name, size in sizes.items())
    if any(size <= 0 or (isinstance(size, float) and size >= 1) for size in sizes.values()):
        raise faults.error(SIZES, None, given, form="shares between 0 and 1, or numbers of sentences of 1 and more")
    rest = total - sum(counts.values())
    if rest < 1:
        raise faults.error(
            SIZES, None, f"{total} sentences", form=f"more than {given}, so that some are left for train"
        )
    return {REST: rest, **counts}


def _share_out(
    units: Sequence[List[int]], labels: Sequence["Counter[str]"], counts: Mapping[str, int], rng: random.Random
) -> Dict[str, List[int]]:
    """Return the places of the sentences of each part.

    units (Sequence[List[int]]): places of sentences that stay together.
    labels (Sequence[Counter[str]]): entities of each sentence by label.
    counts (Mapping[str, int]): sentences that each part is to have.
    rng (random.Random): decides between equal units.
    """
    units = rng.sample(units, len(units))
    held = [sum((labels[i] for i in unit), Counter[str]()) for unit in units]
    left = sum(held, Counter[str]())
    names = [name for name in FIRST_SERVED if name in counts]
    room = dict(counts)
    wanted = {name: {label: n * counts[name] / len(labels) for label, n in left.items()} for name in names}
    has = {name: Counter[str]() for name in names}
    parts: Dict[str, List[int]] = {name: [] for name in counts}
    waiting = dict(enumerate(units))
    while waiting:
        label = min(+left, key=lambda label: (left[label], label))
        # Those with the most first: what follows can make up for them.
        holding = [number for number in waiting if held[number][label]]
        for number in sorted(holding, key=lambda number: -held[number][label]):
            unit, own = waiting.pop(number), held[number]
            fitting = [name for name in names if room[name] >= len(unit)] or [max(names, key=room.__getitem__)]
            lacking = [name for name in fitting if not has[name][label]]
            # Of equals the first: `max` and `names` keep the order in which parts are served.
            name = lacking[0] if lacking else max(fitting, key=lambda name: (wanted[name][label], room[name]))
            parts[name] += unit
            room[name] -= len(unit)
            has[name].update(own)
            left.subtract(own)
            for other, n in own.items():
                wanted[name][other] -= n
    return {name: sorted(part) for name, part in parts.items()}
