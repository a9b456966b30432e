"""Adaptive data: sentences of one domain with entities of another (Zhang et al., 2021, section 4.1.1).

An anchor is a pair of entities with the same type, one from each domain. In an adaptive sentence, the partner from the
other domain replaces an entity.
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
    """Adaptive sentences, and how they were made.

    docs (List[Doc]): the sentences; their domain is "adaptive".
    replaced (List[Tuple[Span, Span]]): for each sentence the replaced entity and its replacement.
    alone (List[str]): types that only one of the domains has; their entities are never replaced.
    unchanged (int): number of sentences without an adaptive copy, because none of their entities has a partner.
    """

    docs: List[Doc] = field(default_factory=list)
    replaced: List[Tuple[Span, Span]] = field(default_factory=list)
    alone: List[str] = field(default_factory=list)
    unchanged: int = 0

    @property
    def counts(self) -> Dict[str, int]:
        """The number of replaced entities of each type."""
        return dict(sorted(Counter(old.label_ for old, _ in self.replaced).items()))


def collect_mentions(docs: Sequence[Doc]) -> Mentions:
    """Return the entities of docs by type, one for each normal form of a name, in the order of the docs."""
    mentions: Dict[str, Dict[str, Span]] = {}
    for doc in docs:
        for ent in doc.ents:
            mentions.setdefault(ent.label_, {}).setdefault(name_key(ent.text), ent)
    return {label: list(spans.values()) for label, spans in mentions.items()}


def draw_anchors(doc: Doc, partners: Mentions, times: int, rng: random.Random) -> Iterator[Tuple[Span, Span]]:
    """Yield random anchors of a sentence: one of its entities and a partner, each pair once.

    doc (Doc): the sentence.
    partners (Mentions): the entities of the other domain. An entity with the same name is no partner.
    times (int): maximum number of anchors.
    rng (random.Random): source of randomness.
    """
    pools = [
        (ent, [new for new in partners.get(ent.label_, []) if name_key(new.text) != name_key(ent.text)])
        for ent in doc.ents
    ]
    pools = [(ent, list(pool)) for ent, pool in pools if pool]
    for _ in range(times):
        if not pools:
            return
        # The entity is drawn first, so that types with many partners are not drawn more often.
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
    """Make adaptive sentences from two annotated corpora, in both directions.

    source (Sequence[Doc]): sentences of the source domain; 500 in the paper.
    target (Sequence[Doc]): sentences of the target domain; 100 in the paper.
    source_times (int): number of adaptive sentences from each source sentence.
    target_times (int): number of adaptive sentences from each target sentence.
    seed (int): random seed.
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
    """Write adaptive sentences as a DocBin, and a listing with the ending `.tsv` beside it.

    The columns of the listing are: type, replaced entity, its replacement, sentence before, sentence after.

    source (Path): annotated DocBin of the source domain.
    target (Path): annotated DocBin of the target domain.
    output (Path): the DocBin to write; both files appear, or none.
    source_sentences (int): number of source sentences, drawn at random; 0 for all.
    target_sentences (int): number of target sentences, drawn at random; 0 for all.
    source_times (int): see `make_adaptive`.
    target_times (int): see `make_adaptive`.
    seed (int): random seed.
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
    """Make an augmenter for spaCy's corpus readers: after each example, adaptive copies of it.

    partners (Path): annotated DocBin of the other domain.
    times (int): maximum number of adaptive copies of an example.
    rate (float): probability that an example gets copies.
    seed (int): random seed.
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
