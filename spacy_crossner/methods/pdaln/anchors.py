"""Adaptive data: sentences of one domain with entities of another (Zhang et al., 2021, section 4.1.1).

An anchor is a pair of entities with the same type, one from each domain. An adaptive sentence is a sentence in which an
entity has given way to its partner from the other domain.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Sequence, Tuple

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from ...annotations.domains import set_domain, without_annotation
from ...data.augmenters import with_mentions
from ...data.docbin import pack_docs, read_docbin
from ...data.files import check_inputs, check_output, write_files
from ...data.normal_form import name_key
from ...errors import CrossnerError, Errors

# The domain of adaptive sentences.
ADAPTIVE = "adaptive"
# Columns of the listing.
LISTING = ("type", "gone", "come", "before", "after")

Mentions = Dict[str, List[Span]]


@dataclass
class AdaptiveData:
    """Adaptive sentences, and what was done for them.

    docs (List[Doc]): the sentences; their domain is "adaptive".
    replaced (List[Tuple[Span, Span]]): for each of them the entity that has gone and the one that has come.
    alone (List[str]): types that only one of the domains has: their entities stay.
    unchanged (int): sentences of which none was made, for lack of an entity with a partner.
    """

    docs: List[Doc] = field(default_factory=list)
    replaced: List[Tuple[Span, Span]] = field(default_factory=list)
    alone: List[str] = field(default_factory=list)
    unchanged: int = 0

    @property
    def counts(self) -> Dict[str, int]:
        """How many entities of each type have been replaced."""
        return dict(sorted(Counter(old.label_ for old, _ in self.replaced).items()))


def collect_mentions(docs: Sequence[Doc]) -> Mentions:
    """Return the entities of docs by type, one of each name by its normal form, in the order in which they come."""
    found: Dict[str, Dict[str, Span]] = {}
    for doc in docs:
        for ent in doc.ents:
            found.setdefault(ent.label_, {}).setdefault(name_key(ent.text), ent)
    return {label: list(spans.values()) for label, spans in found.items()}


def draw_anchors(doc: Doc, partners: Mentions, times: int, rng: random.Random) -> Iterator[Tuple[Span, Span]]:
    """Yield anchors of a sentence: an entity of it and a partner, no two the same, drawn at random.

    doc (Doc): the sentence.
    partners (Mentions): the entities of the other domain. One with the same name is no partner.
    times (int): how many, or as many as there are.
    rng (random.Random): draws.
    """
    pools = [
        (ent, [new for new in partners.get(ent.label_, []) if name_key(new.text) != name_key(ent.text)])
        for ent in doc.ents
    ]
    pools = [(ent, list(pool)) for ent, pool in pools if pool]
    for _ in range(times):
        if not pools:
            return
        # First the entity: types with many partners are drawn no more often than others.
        ent, pool = rng.choice(pools)
        yield ent, pool.pop(rng.randrange(len(pool)))
        pools = [pair for pair in pools if pair[1]]


def make_adaptive(
    source: Sequence[Doc],
    target: Sequence[Doc],
    *,
    source_times: int = 2,
    target_times: int = 4,
    seed: int = 0,
) -> AdaptiveData:
    """Make adaptive sentences of two annotated corpora, in both directions.

    source (Sequence[Doc]): sentences of the source domain; 500 in the paper.
    target (Sequence[Doc]): sentences of the target domain; 100 in the paper.
    source_times (int): adaptive sentences of each source sentence.
    target_times (int): adaptive sentences of each target sentence.
    seed (int): seed of what is drawn.
    RAISES (CrossnerError): the domains have no type in common, or no entities that differ.
    """
    rng = random.Random(seed)
    of_source, of_target = collect_mentions(source), collect_mentions(target)
    made = AdaptiveData(alone=sorted(of_source.keys() ^ of_target.keys()))
    for docs, partners, times in ((target, of_source, target_times), (source, of_target, source_times)):
        for doc in docs:
            anchors = list(draw_anchors(doc, partners, times, rng))
            made.unchanged += not anchors
            for old, new in anchors:
                adaptive = with_mentions(doc, {old.start: new})
                set_domain(adaptive, ADAPTIVE)
                made.docs.append(adaptive)
                made.replaced.append((old, new))
    if not made.docs:
        types = [", ".join(sorted(mentions)) or "none" for mentions in (of_source, of_target)]
        raise CrossnerError(Errors.C036.format(source=types[0], target=types[1]))
    return made


def augment_files(
    source: Path,
    target: Path,
    output: Path,
    *,
    source_sentences: int = 500,
    target_sentences: int = 100,
    source_times: int = 2,
    target_times: int = 4,
    seed: int = 0,
) -> AdaptiveData:
    """Write adaptive sentences as a DocBin, and beside it a listing with the ending `.tsv`.

    A line of the listing is: type, entity that has gone, entity that has come, sentence as it was, as it is.

    source (Path): annotated DocBin of the source domain.
    target (Path): annotated DocBin of the target domain.
    output (Path): the DocBin to write; both files appear, or none.
    source_sentences (int): sentences of the source to start from, drawn at random; 0 for all.
    target_sentences (int): those of the target.
    source_times (int): see `make_adaptive`.
    target_times (int): see there.
    seed (int): seed of what is drawn.
    RAISES (CrossnerError): a file cannot be read or written, or see `make_adaptive` and `check_output`.
    """
    source, target, output = Path(source), Path(target), Path(output)
    listing = output.with_suffix(".tsv")
    check_output(output, [source, target], docbin=True)
    check_inputs([listing], [source, target])
    vocab = spacy.blank("en").vocab
    rng = random.Random(seed)
    drawn = []
    for path, n_docs in ((source, source_sentences), (target, target_sentences)):
        docs = [doc for doc in read_docbin(path, vocab) if doc.ents]
        drawn.append(rng.sample(docs, n_docs) if 0 < n_docs < len(docs) else docs)
    made = make_adaptive(*drawn, source_times=source_times, target_times=target_times, seed=seed)
    rows = [
        (old.label_, old.text, new.text, old.doc.text, doc.text)
        for doc, (old, new) in zip(made.docs, made.replaced, strict=True)
    ]
    lines = ["\t".join(" ".join(part.split()) for part in row) for row in [LISTING, *rows]]
    write_files({output: pack_docs(made.docs), listing: ("\n".join(lines) + "\n").encode("utf8")})
    return made


def create_anchor_augmenter(
    partners: Path, times: int = 1, rate: float = 1.0, seed: int = 0
) -> Callable[[Language, Example], Iterator[Example]]:
    """Make an augmenter for spaCy's corpus readers: beside each example, adaptive ones with entities of another domain.

    partners (Path): annotated DocBin of the other domain.
    times (int): adaptive examples of each.
    rate (float): the probability with which an example gets any.
    seed (int): seed of what is drawn.
    """
    rng = random.Random(seed)
    mentions: Mentions = {}

    def augment(nlp: Language, example: Example) -> Iterator[Example]:
        if not mentions:
            mentions.update(collect_mentions(read_docbin(Path(partners), nlp.vocab)))
        yield example
        if rng.random() < rate:
            for old, new in draw_anchors(example.reference, mentions, times, rng):
                doc = with_mentions(example.reference, {old.start: new})
                set_domain(doc, ADAPTIVE)
                yield Example(without_annotation(doc, nlp.vocab), doc)

    return augment
