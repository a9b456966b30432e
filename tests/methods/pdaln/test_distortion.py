import random

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example

from spacy_crossner.annotations.domains import get_domain, get_pair, set_domain, without_annotation
from spacy_crossner.errors import CrossnerError
from spacy_crossner.methods.pdaln.distortion import TwinBatcher, distort, read_synonyms
from spacy_crossner.training.batchers import PaddedBatcher

VOCAB = spacy.blank("en").vocab
SYNONYMS = {"small": ["little", "tiny"], "lab": ["workshop"]}


def make_doc(words, tags=None):
    doc = Doc(VOCAB, words=words, ents=tags or ["O"] * len(words))
    set_domain(doc, "ai")
    return doc


@given(st.lists(st.sampled_from(["small", "Lab", "x", "Ada|", "Bern|"]), min_size=1, max_size=9), st.integers(0, 50))
def test_entities_stay_and_the_rest_changes_by_the_rule(tokens, seed):
    words = [token.removesuffix("|") for token in tokens]
    doc = make_doc(words, ["B-a" if token.endswith("|") else "O" for token in tokens])
    twin = distort(doc, SYNONYMS, share=0.5, longest=2, rng=random.Random(seed))
    found = [token.text for token in twin]
    assert not twin.has_annotation("ENT_IOB")
    assert get_domain(twin) == "ai"
    kept = [word for word in words if word in ("Ada", "Bern")]
    assert [word for word in found if word in ("Ada", "Bern")] == kept
    if len(found) == len(words):
        changed = [(old, new) for old, new in zip(words, found, strict=True) if old != new]
        allowed = {("small", "little"), ("small", "tiny"), ("Lab", "Workshop")}
        assert set(changed) <= allowed
        known = [word for word in words if word in ("small", "Lab")]
        assert len(changed) == 0 or len(changed) == max(1, round(0.5 * len(known)))
    else:
        gone = len(words) - len(found)
        assert 1 <= gone <= 2
        assert any(words[:i] + words[i + gone :] == found for i in range(len(words)))
        assert found


def test_all_entities_or_one_word_alone_leave_the_sentence_as_it_is():
    for doc in (make_doc(["Ada", "Bern"], ["B-a", "B-a"]), make_doc(["x"])):
        for seed in range(5):
            assert [token.text for token in distort(doc, {}, share=1, longest=3, rng=random.Random(seed))] == [
                token.text for token in doc
            ]


def test_synonyms_of_wordnet_and_of_a_list(tmp_path):
    folder = tmp_path / "wordnet"
    folder.mkdir()
    licence = "  1 This is the licence of a thing\n"
    nouns = "00001740 03 n 03 lab 0 workshop 0 research_lab 0 001 @ 00001930 n 0000 | a place\n"
    small = "00002312 00 a 02 small 0 Little(a) 1 000 | not large\n"
    for name, text in (("noun", nouns), ("verb", ""), ("adj", small), ("adv", "")):
        (folder / f"data.{name}").write_text(licence + text, encoding="utf8")
    assert read_synonyms(folder) == {
        "lab": ["workshop"],
        "workshop": ["lab"],
        "small": ["Little"],
        "little": ["small"],
    }
    (tmp_path / "list.tsv").write_text("big\tlarge\tgreat\nalone\n", encoding="utf8")
    assert read_synonyms(tmp_path / "list.tsv")["large"] == ["big", "great"]
    with pytest.raises(CrossnerError, match="nowhere"):
        read_synonyms(tmp_path / "nowhere")


def test_each_example_of_a_batch_has_its_twin_in_it():
    docs = [make_doc(["a", "small", "lab", str(i)][: 1 + i % 4]) for i in range(9)] + [Doc(VOCAB)]
    examples = [Example(without_annotation(doc, VOCAB), doc) for doc in docs]
    batches = list(TwinBatcher(PaddedBatcher(4), seed=1)(examples))
    assert sum(len(batch) for batch in batches) == 10 + 9
    for batch in batches:
        pairs = [get_pair(example.predicted) for example in batch if len(example.predicted)]
        assert sorted(pairs) == sorted(2 * sorted(set(pairs)))
        for example in batch:
            assert example.predicted.text == example.reference.text
            assert get_domain(example.predicted) in ("ai", None)
    twins = [example for batch in batches for example in batch if not example.reference.has_annotation("ENT_IOB")]
    assert len([example for example in twins if len(example.predicted)]) == 9


@pytest.mark.parametrize("settings", [{"share": 0}, {"share": 1.1}, {"longest": 0}])
def test_settings_that_make_no_sense(settings):
    with pytest.raises(CrossnerError, match="C037"):
        TwinBatcher(PaddedBatcher(2), **settings)


def test_twins_can_be_left_out(annotated_docs):
    nlp = spacy.blank("en")
    examples = [Example(without_annotation(doc, nlp.vocab), doc) for doc in annotated_docs(nlp)]
    batches = list(TwinBatcher(PaddedBatcher(4), enabled=False)(examples))
    assert sorted(id(example) for batch in batches for example in batch) == sorted(map(id, examples))
