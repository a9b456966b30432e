"""Mention replacement: what is between the entities stays, and each entity is one that was there."""

import random

import pytest
import spacy
from spacy.tokens import Doc

from spacy_crossner.annotations.domains import get_domain, set_domain
from spacy_crossner.data.augmenters import replace_mentions


@pytest.fixture
def docs(annotated_docs):
    docs = annotated_docs(spacy.blank("en"))
    for doc in docs:
        set_domain(doc, "past")
    return docs


def skeleton(doc):
    """Return the doc's words with a hole of its label for each entity, and the mentions."""
    words = [token.text if not token.ent_type_ else f"<{token.ent_type_}>" for token in doc if token.ent_iob != 1]
    return words, [(ent.text, ent.label_) for ent in doc.ents]


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_only_the_mentions_change(docs, rate):
    before = [skeleton(doc) for doc in docs]
    made = replace_mentions(docs, rate, random.Random(0))
    after = [skeleton(doc) for doc in made]
    assert [words for words, _ in after] == [words for words, _ in before]
    known = {mention for _, mentions in before for mention in mentions}
    pairs = [pair for (_, a), (_, b) in zip(before, after, strict=True) for pair in zip(a, b, strict=True)]
    assert {new for _, new in pairs} <= known
    changed = sum(old != new for old, new in pairs) / len(pairs)
    # Some draws give the mention that was there.
    assert (changed == 0) if rate == 0 else 0.7 * rate < changed <= min(1.0, 1.5 * rate)
    assert [skeleton(doc) for doc in docs] == before
    assert {get_domain(doc) for doc in made} == {"past"}


def test_spaces_and_missing_annotation_are_kept():
    vocab = spacy.blank("en").vocab
    words, spaces = ["(", "New", "York", ")", "fog"], [False, True, False, True, False]
    first = Doc(vocab, words=words, spaces=spaces, ents=["O", "B-place", "I-place", "O", ""])
    second = Doc(vocab, words=["Rio"], spaces=[False], ents=["B-place"])

    class Last(random.Random):
        def choice(self, options):
            return options[-1]

    made, same = replace_mentions([first, second], 1.0, Last())
    assert made.text == "(Rio) fog"
    assert [token.ent_iob for token in made] == [2, 3, 2, 0]
    assert same.text == "Rio"
