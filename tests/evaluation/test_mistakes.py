import itertools

import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span

from spacy_crossner.annotations.scores import set_score
from spacy_crossner.evaluation.mistakes import KINDS, confusion, judge

VOCAB = spacy.blank("en").vocab


def make_doc(spans, n_tokens=12, missing=()):
    doc = Doc(VOCAB, words=[f"w{i}" for i in range(n_tokens)])
    doc.set_ents([Span(doc, *span) for span in spans], missing=[doc[i : i + 1] for i in missing])
    for ent in doc.ents:
        set_score(ent, 0.5)
    return doc


def told(verdicts):
    return [
        (kind, gold and (gold.start, gold.end), found and (found.start, found.end)) for kind, gold, found, _ in verdicts
    ]


def test_each_kind():
    gold = make_doc([(0, 2, "a"), (3, 4, "a"), (5, 7, "b"), (8, 9, "b"), (10, 11, "a")])
    found = make_doc([(0, 2, "a"), (3, 4, "b"), (5, 6, "b"), (8, 10, "a"), (11, 12, "a")])
    verdicts = judge(gold, found)
    assert told(verdicts) == [
        ("right", (0, 2), (0, 2)),
        ("type", (3, 4), (3, 4)),
        ("boundary", (5, 7), (5, 6)),
        ("both", (8, 9), (8, 10)),
        ("missed", (10, 11), None),
        ("spurious", None, (11, 12)),
    ]
    assert {kind for kind, *_ in told(verdicts)} == set(KINDS)
    assert confusion(verdicts) == {
        ("a", "a"): 1,
        ("a", "b"): 1,
        ("b", "b"): 1,
        ("b", "a"): 1,
        ("a", ""): 1,
        ("", "a"): 1,
    }


def test_the_same_span_is_a_pair_before_any_other():
    gold = make_doc([(0, 4, "a"), (4, 6, "b")])
    found = make_doc([(3, 6, "a"), (0, 3, "c")])
    # 0-3 overlaps the first gold entity more than 3-6 does.
    assert told(judge(gold, found)) == [("both", (0, 4), (0, 3)), ("both", (4, 6), (3, 6))]


def test_what_touches_tokens_without_annotation_is_left_out():
    gold = make_doc([(0, 1, "a")], missing=[5, 6])
    found = make_doc([(0, 1, "a"), (4, 6, "a"), (8, 9, "a")])
    assert told(judge(gold, found)) == [("right", (0, 1), (0, 1)), ("spurious", None, (8, 9))]


@st.composite
def entities(draw):
    ends = sorted(draw(st.sets(st.integers(0, 12), max_size=8)))
    spans = list(itertools.pairwise(ends))[:: draw(st.integers(1, 2))]
    return [(start, end, draw(st.sampled_from("abc"))) for start, end in spans]


@given(entities(), entities())
def test_verdicts_add_up_to_precision_and_recall(expected, found):
    verdicts = judge(make_doc(expected), make_doc(found))
    kinds = [verdict.kind for verdict in verdicts]
    assert kinds.count("right") == len(set(expected) & set(found))
    assert kinds.count("type") == len({span[:2] for span in expected} & {span[:2] for span in found}) - kinds.count(
        "right"
    )
    golds = [verdict.gold for verdict in verdicts if verdict.gold]
    founds = [verdict.predicted for verdict in verdicts if verdict.predicted]
    assert sorted((ent.start, ent.end, ent.label_) for ent in golds) == sorted(expected)
    assert sorted((ent.start, ent.end, ent.label_) for ent in founds) == sorted(found)
    for verdict in verdicts:
        if verdict.gold and verdict.predicted:
            assert max(verdict.gold.start, verdict.predicted.start) < min(verdict.gold.end, verdict.predicted.end)
    # Nothing is left over that could still make a pair.
    missed = [verdict.gold for verdict in verdicts if verdict.kind == "missed"]
    spurious = [verdict.predicted for verdict in verdicts if verdict.kind == "spurious"]
    assert not [(a, b) for a in missed for b in spurious if max(a.start, b.start) < min(a.end, b.end)]
