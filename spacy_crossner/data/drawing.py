"""Draw dev and test sets from one labelled set, so that each has all entity types if there are enough of each.

Iterative stratification (Sechidis et al., 2011, "On the stratification of multi-label data", Algorithm 1): sentences
with the rarest type are assigned first, each to the set that needs this type most.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Dict, Hashable, List, Mapping, Sequence, Union

from .faults import SIZES, Faults
from .normal_form import sentence_key
from .sentences import Sentence

# A fraction in (0, 1), or a number of sentences.
Size = Union[int, float]

REST = "train"
# A type with one sentence goes to train; the second sentence of a type goes to test.
FIRST_SERVED = (REST, "test", "dev")


@dataclass
class Drawn:
    """The sentences that were drawn.

    parts (Dict[str, List[int]]): the indices of the sentences in the set, ascending, by the name of the part.
    notes (List[str]): messages for the user.
    """

    parts: Dict[str, List[int]]
    notes: List[str] = field(default_factory=list)


def draw_parts(sentences: Sequence[Sentence], sizes: Mapping[str, Size], seed: int, faults: Faults) -> Drawn:
    """Draw parts of a set, stratified by type; train gets the rest.

    No sentence, by its normal form, is in two parts. Documents stay together, except for repeated sentences.

    sentences (Sequence[Sentence]): the set.
    sizes (Mapping[str, Size]): the size of each part except train. It is approximate if documents stay together.
    seed (int): the same seed gives the same parts.
    faults (Faults): names the file.
    RAISES (DataError): the set is too small.
    """
    counts = _count_sentences(sizes, len(sentences), faults)
    documents = {sentence.document for sentence in sentences}
    keep_documents = len(documents) >= len(counts)
    unit_by_text: Dict[str, Hashable] = {}
    units: Dict[Hashable, List[int]] = {}
    moved = 0
    for i, sentence in enumerate(sentences):
        own_unit = sentence.document if keep_documents else i
        unit = unit_by_text.setdefault(sentence_key(" ".join(sentence.words)), own_unit)
        moved += keep_documents and unit != own_unit
        units.setdefault(unit, []).append(i)
    if len(units) < len(counts):
        raise faults.error(
            SIZES, None, f"{len(units)} different sentences", form=f"at least {len(counts)} to draw from"
        )
    # The label "" of sentences without an entity, which should be in all parts, too.
    labels = [Counter(label for _, _, label in sentence.spans or []) or Counter([""]) for sentence in sentences]
    drawn = Drawn(_assign_units(list(units.values()), labels, counts, random.Random(seed)))
    if empty := [name for name, part in drawn.parts.items() if not part]:
        kind = "documents" if keep_documents else "different sentences"
        found = f"{len(units)} {kind}, so that no sentence is left for {' and '.join(empty)}"
        raise faults.error(
            SIZES, None, found, form="more sentences or a larger size, because repetitions stay together"
        )
    if keep_documents:
        drawn.notes.append(f"{len(documents):,} documents were kept together.")
    elif len(documents) > 1:
        drawn.notes.append(f"{len(documents)} documents are too few to keep together; sentences were drawn.")
    if moved:
        drawn.notes.append(f"{moved:,} sentences repeat a sentence of another document and are in the same part.")
    return drawn


def _count_sentences(sizes: Mapping[str, Size], total: int, faults: Faults) -> Dict[str, int]:
    """Return the number of sentences of each part, train first."""
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


def _assign_units(
    units: Sequence[List[int]], labels: Sequence["Counter[str]"], counts: Mapping[str, int], rng: random.Random
) -> Dict[str, List[int]]:
    """Assign units of sentences to parts and return the indices of the sentences of each part.

    units (Sequence[List[int]]): indices of sentences that stay together.
    labels (Sequence[Counter[str]]): number of entities of each sentence by label.
    counts (Mapping[str, int]): number of sentences of each part.
    rng (random.Random): decides between equal units.
    """
    units = rng.sample(units, len(units))
    unit_labels = [sum((labels[i] for i in unit), Counter[str]()) for unit in units]
    labels_left = sum(unit_labels, Counter[str]())
    names = [name for name in FIRST_SERVED if name in counts]
    room = dict(counts)
    wanted = {name: {label: n * counts[name] / len(labels) for label, n in labels_left.items()} for name in names}
    part_labels = {name: Counter[str]() for name in names}
    parts: Dict[str, List[int]] = {name: [] for name in counts}
    unassigned = dict(enumerate(units))
    while unassigned:
        label = min(+labels_left, key=lambda label: (labels_left[label], label))
        # Units with most of the label first: later units can balance them.
        candidates = [number for number in unassigned if unit_labels[number][label]]
        for number in sorted(candidates, key=lambda number: -unit_labels[number][label]):
            unit, own_labels = unassigned.pop(number), unit_labels[number]
            fitting = [name for name in names if room[name] >= len(unit)] or [max(names, key=room.__getitem__)]
            lacking = [name for name in fitting if not part_labels[name][label]]
            # Among equal parts the first in the order of `names`.
            name = lacking[0] if lacking else max(fitting, key=lambda name: (wanted[name][label], room[name]))
            parts[name] += unit
            room[name] -= len(unit)
            part_labels[name].update(own_labels)
            labels_left.subtract(own_labels)
            for other, n in own_labels.items():
                wanted[name][other] -= n
    return {name: sorted(part) for name, part in parts.items()}
