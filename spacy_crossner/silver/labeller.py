"""Labels the sentences of one block of text."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from ..annotations.soft_labels import set_soft_labels
from ..annotations.words import docs_of_words
from ..data.tokenizing import blank_pipeline, bounded
from .annotating import Annotation, Outside, Weak, annotate, find_sure, is_fragment, may_be_name, set_annotation
from .choosing import Draw, draw_key, weigh
from .names import WeakNames
from .settings import SilverSettings
from .teachers import Teachers

DEFAULT_LANGUAGE = "en"


@dataclass
class Tally:
    """Counts of a run. Only the sentences that are labelled count.

    labelled (int): number of sentences.
    with_entity (int): number of sentences with an entity.
    contradicted (int): number of mentions that the teachers contradict.
    mentions (Counter[int]): number of mentions of each name, by its index.
    sure (Counter[str]): number of entities that the teachers are sure of, by type.
    """

    labelled: int = 0
    with_entity: int = 0
    contradicted: int = 0
    mentions: "Counter[int]" = field(default_factory=Counter)
    sure: "Counter[str]" = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        """Add the counts of another tally."""
        self.labelled += other.labelled
        self.with_entity += other.with_entity
        self.contradicted += other.contradicted
        self.mentions.update(other.mentions)
        self.sure.update(other.sure)

    def to_dict(self) -> Dict[str, Any]:
        """Return the counts in a form for msgpack, whose keys are texts."""
        return {**vars(self), "mentions": list(self.mentions.items()), "sure": dict(self.sure)}

    @classmethod
    def from_dict(cls, counts: Dict[str, Any]) -> "Tally":
        """Return the tally that `to_dict` returned."""
        return cls(**{**counts, "mentions": Counter(dict(counts["mentions"])), "sure": Counter(counts["sure"])})


class Labeller:
    """Labels sentences with names and teachers.

    names (Optional[WeakNames]): the names.
    teachers (Optional[Teachers]): the teachers.
    rarity (Dict[str, float]): see `rarity_of_types`.
    settings (SilverSettings): the settings.
    """

    def __init__(
        self,
        names: Optional[WeakNames],
        teachers: Optional[Teachers],
        rarity: Dict[str, float],
        settings: SilverSettings,
    ) -> None:
        self.names = names
        self.teachers = teachers
        self.rarity = rarity
        self.settings = settings
        self.outside = settings.outside_with(has_teachers=teachers is not None)
        self.lang = teachers.lang if teachers else settings.lang or DEFAULT_LANGUAGE
        tokenizer: Any = teachers.tokenizer if teachers else blank_pipeline(self.lang).tokenizer
        self.vocab = tokenizer.vocab
        # Not `nlp.make_doc`, which rejects texts of a million characters.
        self.tokenize: Callable[[str], Doc] = bounded(tokenizer)

    def label(self, sentences: Sequence[Tuple[int, str]], draw: Draw) -> Tuple[List[Tuple[float, int, Doc]], Tally]:
        """Label sentences.

        sentences (Sequence[Tuple[int, str]]): the sentences, with their places in the text.
        draw (Draw): the sentences so far. It is not changed.
        RETURNS (Tuple[List[Tuple[float, int, Doc]], Tally]): those that may be added to the draw, with their keys and
            places; and the counts.
        """
        tally = Tally()
        labelled: List[Tuple[float, int, Doc]] = []
        docs = [self.tokenize(sentence) for _, sentence in sentences]
        rows = [(*row, doc) for row, of_row in zip(sentences, docs, strict=True) for doc in docs_of_words([of_row])]
        docs = [doc for _, _, doc in rows]
        tally.labelled = len(docs)
        labels = self.teachers.labels if self.teachers else []
        for (place, sentence, doc), (annotation, of_doc) in zip(rows, self.annotations(docs, tally), strict=True):
            if not annotation.spans:
                continue
            tally.with_entity += 1
            key = draw_key(sentence, weigh(annotation, self.rarity))
            if draw.admits(key):
                set_annotation(doc, annotation)
                if of_doc is not None and self.settings.soft:
                    set_soft_labels(doc, labels, of_doc)
                labelled.append((key, place, doc))
        return labelled, tally

    def annotations(self, docs: Sequence[Doc], tally: Tally) -> List[Tuple[Annotation, Optional[NDArray[np.float64]]]]:
        """Return the annotation of each doc, and the mean probabilities of the teachers, if there are any.

        docs (Sequence[Doc]): docs without blank tokens.
        tally (Tally): its counts of mentions and of sure entities are changed.
        """
        found = self._find_weak(docs, tally)
        probabilities = self.teachers.average(docs) if self.teachers else [None] * len(docs)
        labels = self.teachers.labels if self.teachers else []
        annotations = []
        for doc, weak, of_doc in zip(docs, found, probabilities, strict=True):
            sure = None
            if of_doc is not None:
                sure = find_sure(of_doc, labels, self.settings.sure, self.settings.sure_outside)
                words = [token.text for token in doc]
                sure = sure._replace(spans=[span for span in sure.spans if not is_fragment(words, *span[:2])])
                tally.sure.update(label for _, _, label in sure.spans)
            annotation, contradicted = annotate(len(doc), weak, sure, labels, self.outside)
            if self.outside is Outside.lowercase:
                forms = np.array([may_be_name(token) for token in doc], dtype=bool)
                annotation.outside[forms if sure is None else forms & ~sure.outside] = False
            tally.contradicted += contradicted
            annotations.append((annotation, of_doc))
        return annotations

    def _find_weak(self, docs: Sequence[Doc], tally: Tally) -> List[Weak]:
        """Find the names in docs, and count them."""
        if self.names is None:
            return [Weak([], []) for _ in docs]
        found = []
        words = [[token.text for token in doc] for doc in docs]
        for of_doc, mentions in zip(words, self.names.finder.find(words), strict=True):
            weak = Weak([], [])
            for mention in mentions:
                tally.mentions[mention.name] += 1
                label = self.names.type_of(mention.name)
                if label is None or is_fragment(of_doc, mention.start, mention.end):
                    weak.open.append((mention.start, mention.end))
                else:
                    weak.spans.append((mention.start, mention.end, label))
            found.append(weak)
        return found
