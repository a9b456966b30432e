import hashlib
import json
import time

import pytest
import spacy
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_crossner.annotations.domains import get_domain, set_domain
from spacy_crossner.annotations.tags import bio_to_spans
from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.encoders.precision import has_fast_bf16
from spacy_crossner.errors import CrossnerError, DataError
from spacy_crossner.evaluation.evaluate import TAGS_KEY, evaluate, evaluate_files


@Language.component("test_words_are_tags")
def words_are_tags(doc):
    """Predict what the words say: a doc of the words B-per I-per O has one entity."""
    spans = bio_to_spans([token.text for token in doc])
    doc.set_ents([Span(doc, start, end, label) for start, end, label in spans])
    return doc


@Language.component("test_leave_tags")
def leave_tags(doc):
    doc.user_data[TAGS_KEY] = [token.text for token in doc]
    return doc


@Language.component("test_drop_geo")
def drop_geo(doc):
    doc.ents = [ent for ent in doc.ents if ent.label_ != "geo"]
    return doc


@Language.component("test_shorten")
def shorten(doc):
    doc.ents = [Span(doc, ent.start, ent.end - 1, ent.label_) for ent in doc.ents]
    return doc


@Language.component("test_merge")
def merge(doc):
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[:2])
    return doc


class Watcher:
    """Keeps what it is given, and the time: half a second for its first doc, 2 ms for each other."""

    def __init__(self):
        self.seen = []
        self.clock = 0.0

    def __call__(self, doc):
        self.clock += 0.002 if self.seen else 0.5
        self.seen.append((doc.text, get_domain(doc), doc.has_annotation("ENT_IOB")))
        return doc


@Language.factory("test_watcher")
def make_watcher(nlp, name):
    return Watcher()


@pytest.fixture
def nlp():
    return make_tagger()


def make_tagger():
    nlp = spacy.blank("en")
    nlp.add_pipe("test_words_are_tags")
    return nlp


TAGGER = make_tagger()


def gold_doc(nlp, predicted, gold):
    """Return a gold doc that is predicted as the first tags say and annotated as the second do."""
    return Doc(nlp.vocab, words=predicted.split(), ents=gold.split())


TAG_CHOICES = ["O", "B-per", "I-per", "B-geo-loc", "I-geo-loc"]
# None stands for no annotation. A gold I- tag must go on with an entity of its type.
GOLD = st.lists(
    st.sampled_from([["O"], [None], ["B-per"], ["B-per", "I-per"], ["B-geo-loc"], ["B-geo-loc", "I-geo-loc"]]),
    min_size=1,
    max_size=5,
).map(lambda parts: [tag for part in parts for tag in part])


@settings(deadline=None)
@given(st.lists(st.tuples(GOLD, st.lists(st.sampled_from(TAG_CHOICES), min_size=10, max_size=10)), max_size=4))
@example([(["B-per", None, "O"], ["B-per", "I-per", "O"])])
def test_equals_spacys_scorer(sentences):
    sentences = [(["O"], ["O"]), *((gold, words) for gold, words in sentences if any(gold))]
    docs = [Doc(TAGGER.vocab, words=words[: len(gold)], ents=gold) for gold, words in sentences]
    scores = evaluate(TAGGER, docs)
    predicted = [words_are_tags(Doc(TAGGER.vocab, words=[token.text for token in doc])) for doc in docs]
    expected = get_ner_prf([Example(x, y) for x, y in zip(predicted, docs, strict=True)])
    per_type = expected["ents_per_type"] or {}
    assert scores["entities"] == sum(len(doc.ents) for doc in docs)
    for key in "prf":
        assert scores["strict"][key] == scores["conlleval"][key] == pytest.approx(expected[f"ents_{key}"] or 0.0)
        # spaCy lists a type that only left-out predictions have.
        found = {label: scores["strict"]["per_type"].get(label, {key: 0.0})[key] for label in per_type}
        assert found == pytest.approx({label: row[key] for label, row in per_type.items()})


def test_counts(nlp):
    docs = [gold_doc(nlp, "B-per I-per O B-org", "B-per I-per O B-per"), gold_doc(nlp, "O O", "O B-org")]
    scores = evaluate(nlp, docs, batch_size=1)
    assert json.loads(json.dumps(scores)) == scores
    assert scores["strict"]["per_type"]["per"] == {"p": 1.0, "r": 0.5, "f": pytest.approx(2 / 3), "support": 2}
    assert [scores[key] for key in ("sentences", "words", "entities", "predicted_entities")] == [2, 6, 3, 2]
    assert (scores["illegal_tags"], scores["dropped_seen"], scores["batch_size"]) == (0, 0, 1)
    assert scores["words_per_second"] == pytest.approx(6 / scores["seconds"])


def test_tags_of_an_unconstrained_tagger_are_read_both_ways(nlp):
    docs = [gold_doc(nlp, "I-per I-per O B-geo", "B-per I-per O B-geo")]
    # The ents of a Doc hold the entity that the I- tag opened: nothing tells it from a legal one.
    assert evaluate(nlp, docs)["strict"]["f"] == 1.0
    nlp.add_pipe("test_leave_tags")
    scores = evaluate(nlp, docs)
    assert (scores["strict"]["r"], scores["conlleval"]["r"], scores["illegal_tags"]) == (0.5, 1.0, 1)


def test_entities_that_were_taken_out_are_not_found(nlp):
    nlp.add_pipe("test_leave_tags")
    nlp.add_pipe("test_drop_geo")
    docs = [gold_doc(nlp, "B-per I-per O B-geo I-geo", "B-per I-per O O O")]
    scores = evaluate(nlp, docs)
    assert (scores["strict"]["p"], scores["conlleval"]["p"], scores["predicted_entities"]) == (1.0, 1.0, 1)
    assert scores["per_sentence"] == [[1, 1, 1]]
    # What the strict reading alone leaves out stays with the lenient one.
    scores = evaluate(nlp, [gold_doc(nlp, "O I-geo I-geo B-per", "O B-geo I-geo B-per")])
    assert (scores["strict"]["r"], scores["conlleval"]["r"], scores["illegal_tags"]) == (0.5, 1.0, 1)


def test_entities_that_were_changed_count_as_they_are(nlp):
    nlp.add_pipe("test_leave_tags")
    nlp.add_pipe("test_shorten")
    scores = evaluate(nlp, [gold_doc(nlp, "B-per I-per I-per", "B-per I-per O")])
    assert (scores["strict"]["f"], scores["predicted_entities"]) == (1.0, 1)


def test_pipeline_gets_gold_tokens_and_domain_but_no_annotation(nlp):
    nlp.add_pipe("test_watcher", first=True)
    doc = Doc(nlp.vocab, words=["don't", "stop", "!"], spaces=[True, False, False], ents=["O", "O", "O"])
    set_domain(doc, "ai")
    evaluate(nlp, [doc])
    assert set(nlp.get_pipe("test_watcher").seen) == {("don't stop!", "ai", False)}


def test_clock_starts_after_one_batch(nlp, monkeypatch):
    watcher = nlp.add_pipe("test_watcher")
    monkeypatch.setattr(time, "perf_counter", lambda: watcher.clock)
    scores = evaluate(nlp, [gold_doc(nlp, "O", "O") for _ in range(10)], batch_size=4)
    assert scores["seconds"] == pytest.approx(0.02)
    assert len(watcher.seen) == 4 + 10


def test_drop_seen_goes_by_words(nlp):
    kept, seen = gold_doc(nlp, "B-per O", "B-per O"), gold_doc(nlp, "B-per B-per", "O O")
    other_tags = gold_doc(nlp, "B-per B-per", "B-per B-per")
    longer = gold_doc(nlp, "B-per O O", "B-per O O")
    scores = evaluate(nlp, [kept, seen, seen], drop_seen=[other_tags, longer])
    assert (scores["sentences"], scores["dropped_seen"], scores["strict"]["f"]) == (1, 2, 1.0)
    with pytest.raises(CrossnerError, match=r"C202.* holds 1 sentence\(s\), 1 of them dropped"):
        evaluate(nlp, [seen], drop_seen=[other_tags])


def test_no_sentence_is_an_error(nlp):
    with pytest.raises(CrossnerError, match=r"\[C202\] test.spacy: .*The file holds 0"):
        evaluate(nlp, [], source="test.spacy")


def test_text_without_annotation_is_an_error(nlp):
    docs = [gold_doc(nlp, "O O", "O O"), Doc(nlp.vocab, words=["some", "text"])]
    with pytest.raises(DataError, match=r"\[C201\] test.spacy: .*sentence 2 \('some text"):
        evaluate(nlp, docs, source="test.spacy")


def test_empty_doc_counts_nothing(nlp):
    scores = evaluate(nlp, [Doc(nlp.vocab), gold_doc(nlp, "B-per", "B-per")])
    assert (scores["sentences"], scores["words"], scores["strict"]["f"]) == (2, 1, 1.0)


def test_changed_tokens_are_an_error(nlp):
    nlp.add_pipe("test_merge")
    with pytest.raises(CrossnerError, match=r"\[C205\].*sentence 1 from 3 to 2"):
        evaluate(nlp, [gold_doc(nlp, "O O O", "O O O")])


def test_files(nlp, tmp_path):
    nlp.to_disk(tmp_path / "model")
    write_docbin([gold_doc(nlp, "B-per O", "B-per O"), gold_doc(nlp, "O O", "O B-per")], tmp_path / "test.spacy")
    write_docbin([gold_doc(nlp, "O O", "O O")], tmp_path / "train.spacy")
    output = tmp_path / "new" / "metrics.json"
    scores = evaluate_files(
        str(tmp_path / "model"), tmp_path / "test.spacy", output, drop_seen=[tmp_path / "train.spacy"], batch_size=2
    )
    assert json.loads(output.read_text(encoding="utf8")) == scores
    assert (scores["strict"]["f"], scores["dropped_seen"]) == (1.0, 1)
    assert scores["data"]["sha256"] == hashlib.sha256((tmp_path / "test.spacy").read_bytes()).hexdigest()
    assert scores["model"]["lang"] == "en"
    assert scores["versions"]["spacy"] == spacy.__version__
    assert all(scores["versions"].values())
    # The instructions that PyTorch uses, on which the last bits of scores depend.
    assert scores["device"].split(", ")[:2] == ["cpu", torch.backends.cpu.get_cpu_capability()]
    assert ("bf16" in scores["device"]) == has_fast_bf16(torch.device("cpu"))
    assert [path.name for path in output.parent.iterdir()] == ["metrics.json"]


def test_calibration_needs_a_score_on_every_entity(nlp):
    docs = [gold_doc(nlp, "B-per O B-per", "B-per O O")]
    assert evaluate(nlp, docs)["calibration"] is None

    @Language.component("test_score")
    def score(doc):
        for ent in doc.ents:
            ent._.score = 0.9 if ent.start == 0 else 0.4
        return doc

    nlp.add_pipe("test_score")
    scores = evaluate(nlp, docs)
    assert scores["calibration"]["ece"] == pytest.approx((0.1 + 0.4) / 2)
    assert [row["f"] for row in scores["thresholds"] if row["threshold"] in (0.4, 0.5)] == [pytest.approx(2 / 3), 1.0]


def test_drop_seen_finds_other_spellings(nlp):
    seen = [Doc(nlp.vocab, words=["Zu\u0308rich", "ruft", "."], ents=["O"] * 3)]
    gold = [
        Doc(nlp.vocab, words=["Zürich", "ruft."], ents=["O"] * 2),
        Doc(nlp.vocab, words=["ZÜRICH", "ruft", "\u00ad."], ents=["O"] * 3),
        Doc(nlp.vocab, words=["Zürich", "rief", "."], ents=["O"] * 3),
    ]
    scores = evaluate(nlp, gold, drop_seen=seen)
    assert (scores["sentences"], scores["dropped_seen"]) == (1, 2)
