import random
from collections import Counter

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example

from spacy_crossner.annotations.domains import get_domain
from spacy_crossner.data.docbin import read_docbin, write_docbin
from spacy_crossner.errors import CrossnerError
from spacy_crossner.methods.pdaln.anchors import (
    augment_files,
    collect_mentions,
    create_anchor_augmenter,
    draw_anchors,
    make_adaptive,
)

VOCAB = spacy.blank("en").vocab


def make_doc(line):
    """Make a doc of tokens, a tagged one as token|tag."""
    pairs = [token.partition("|") for token in line.split()]
    return Doc(VOCAB, words=[word for word, _, _ in pairs], ents=[tag or "O" for _, _, tag in pairs])


def tagged(doc):
    return " ".join(
        f"{token.text}|{token.ent_iob_}-{token.ent_type_}" if token.ent_type else token.text for token in doc
    )


SOURCE = [make_doc(line) for line in ("Ada|B-PER Lovelace|I-PER met Rome|B-LOC", "No names", "Oslo|B-LOC rose")]
TARGET = [
    make_doc(line) for line in ("x in Bonn|B-LOC am|I-LOC Rhein|I-LOC with Eve|B-PER", "Zeus|B-GOD sat", "Bob|B-PER")
]


def test_each_adaptive_sentence_has_one_entity_of_the_other_domain():
    made = make_adaptive(SOURCE, TARGET, source_times=1, target_times=2, seed=3)
    assert made.alone == ["GOD"]
    assert made.unchanged == 2
    # Two of each of two target sentences where there are partners enough, one of each of two source sentences.
    assert len(made.docs) == len(made.replaced) == 2 + 1 + 1 + 1
    assert made.counts == dict(sorted(Counter(old.label_ for old, _ in made.replaced).items()))
    for doc, (old, new) in zip(made.docs, made.replaced, strict=True):
        assert old.label_ == new.label_
        assert old.text != new.text
        assert (old.doc in SOURCE) != (new.doc in SOURCE)
        before, after = tagged(old.doc).split(), tagged(doc).split()
        tags = [f"{word.text}|{'B' if i == 0 else 'I'}-{new.label_}" for i, word in enumerate(new)]
        assert after == [*before[: old.start], *tags, *before[old.end :]]
        assert get_domain(doc) == "adaptive"


def test_no_pair_is_drawn_twice_and_all_are_drawn_where_they_are_few():
    partners = collect_mentions(SOURCE)
    doc = TARGET[0]
    for seed in range(20):
        pairs = [(old.text, new.text) for old, new in draw_anchors(doc, partners, 10, random.Random(seed))]
        assert sorted(pairs) == [("Bonn am Rhein", "Oslo"), ("Bonn am Rhein", "Rome"), ("Eve", "Ada Lovelace")]
    assert list(draw_anchors(SOURCE[1], partners, 10, random.Random(0))) == []


def test_an_entity_is_no_partner_of_its_like():
    assert list(draw_anchors(make_doc("in Rome|B-LOC"), {"LOC": [SOURCE[0].ents[1]]}, 3, random.Random(0))) == []


def test_both_types_of_a_sentence_are_drawn_alike():
    many = {"LOC": collect_mentions([make_doc(" ".join(f"L{i}|B-LOC" for i in range(50)))])["LOC"]}
    many.update(collect_mentions([make_doc("Ann|B-PER")]))
    rng = random.Random(0)
    drawn = Counter(old.label_ for _ in range(400) for old, _ in draw_anchors(TARGET[0], many, 1, rng))
    assert 160 < drawn["PER"] < 240


def test_nothing_in_common_is_an_error():
    with pytest.raises(CrossnerError, match=r"C036.*LOC, PER.*GOD"):
        make_adaptive(SOURCE, TARGET[1:2])


def test_files(tmp_path):
    paths = [tmp_path / "source.spacy", tmp_path / "target.spacy"]
    for path, docs in zip(paths, (SOURCE * 5, TARGET), strict=True):
        write_docbin(docs, path)
    out = tmp_path / "sub" / "out.spacy"
    first = augment_files(*paths, out, source_sentences=4, source_times=1, seed=1)
    docs = read_docbin(out, VOCAB)
    assert [tagged(doc) for doc in docs] == [tagged(doc) for doc in first.docs]
    # Of the source four sentences with entities, of the target all.
    assert sum(old.doc.text in {doc.text for doc in SOURCE} for old, _ in first.replaced) == 4
    rows = [line.split("\t") for line in out.with_suffix(".tsv").read_text(encoding="utf8").splitlines()]
    assert rows[0] == ["type", "gone", "come", "before", "after"]
    assert [row[4] for row in rows[1:]] == [" ".join(doc.text.split()) for doc in docs]
    again = augment_files(*paths, tmp_path / "again.spacy", source_sentences=4, source_times=1, seed=1)
    other = augment_files(*paths, tmp_path / "other.spacy", source_sentences=4, source_times=1, seed=2)
    texts = [[doc.text for doc in made.docs] for made in (first, again, other)]
    assert texts[0] == texts[1] != texts[2]


def test_as_an_augmenter_of_spacy(tmp_path):
    write_docbin(TARGET, tmp_path / "target.spacy")
    nlp = spacy.blank("en")
    example = Example(nlp.make_doc("Oslo rose"), Doc(nlp.vocab, words=["Oslo", "rose"], ents=["B-LOC", "O"]))
    found = list(create_anchor_augmenter(tmp_path / "target.spacy", times=2)(nlp, example))
    assert found[0] is example
    assert [tagged(eg.reference) for eg in found[1:]] == ["Bonn|B-LOC am|I-LOC Rhein|I-LOC rose"]
    assert [get_domain(eg.predicted) for eg in found[1:]] == ["adaptive"]
    assert found[1].predicted.text == found[1].reference.text
    assert not found[1].predicted.ents
    assert len(list(create_anchor_augmenter(tmp_path / "target.spacy", rate=0.0)(nlp, example))) == 1


def test_another_spelling_of_a_name_is_no_partner():
    source = [make_doc("in Zürich|B-LOC now")]
    target = [make_doc("in Zu\u0308rich|B-LOC now"), make_doc("from Bern|B-LOC")]
    assert [ent.text for ent in collect_mentions([*source, *target])["LOC"]] == ["Zürich", "Bern"]
    anchors = list(draw_anchors(source[0], collect_mentions(target), 5, random.Random(0)))
    assert [(old.text, new.text) for old, new in anchors] == [("Zürich", "Bern")]
