"""Blank tokens and sentence starts: no entity begins, ends or crosses there."""

import pytest
from spacy.tokens import Doc

from .components import entities

BLANKS = {
    "line break": lambda i: "\n" if i % 3 == 2 else " ",
    "two blanks": lambda i: "  " if i % 2 else " ",
    "empty line": lambda i: "\n\n" if i % 4 == 3 else " ",
    "windows line break": lambda i: "\r\n" if i % 3 == 1 else " ",
    "no-break space": lambda i: " \u00a0" if i % 3 == 1 else " ",
}


@pytest.mark.parametrize("blanks", BLANKS)
def test_blanks_between_words_change_nothing(trained, blanks):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    ner.candidates_key = "maybe"
    compared = 0
    for gold in docs:
        words = [token.text for token in gold]
        text, places = "", []
        for i, word in enumerate(words):
            places.append(len(text))
            text += word + BLANKS[blanks](i)
        plain = nlp(Doc(nlp.vocab, words=words))
        doc = nlp(nlp.tokenizer(text))
        if [token.text for token in doc if not token.is_space] != words:
            continue
        compared += 1
        expected = [(places[e.start], places[e.end - 1] + len(e[-1]), e.label_, e._.score) for e in plain.ents]
        found = [(ent.start_char, ent.end_char, ent.label_, ent._.score) for ent in doc.ents]
        assert [span[:3] for span in found] == [span[:3] for span in expected]
        assert [span[3] for span in found] == pytest.approx([span[3] for span in expected], abs=1e-4)
        for span in [*doc.ents, *doc.spans["maybe"]]:
            assert not span[0].is_space
            assert not span[-1].is_space
        assert len(doc.spans["maybe"]) == len(plain.spans["maybe"])
    assert compared > 15


def test_blanks_alone_are_no_entity(trained):
    nlp, _ = trained
    for text in [" ", "\n\n", "\t \n", "\u00a0"]:
        doc = nlp(text)
        assert len(doc) > 0
        assert doc.ents == ()
        assert doc.has_annotation("ENT_IOB")


@pytest.mark.parametrize("decoding", ["constrained", "lenient", "strict"])
def test_no_entity_crosses_a_preset_sentence_start(trained, decoding):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    ner.decoding, ner.candidates_key, ner.candidates_floor = decoding, "maybe", 1e-6
    gold = docs[0]
    assert entities(gold)[0] == (0, 2, "person")
    words = [token.text for token in gold]
    whole = nlp(Doc(nlp.vocab, words=words))
    assert entities(whole)[0] == (0, 2, "person")
    cut = nlp(Doc(nlp.vocab, words=words, sent_starts=[i in (0, 1) for i in range(len(words))]))
    for span in [*cut.ents, *cut.spans["maybe"]]:
        assert not span.start < 1 < span.end
    # A sentence that starts with a blank token starts with the word after it.
    words.insert(1, "\n")
    cut = nlp(Doc(nlp.vocab, words=words, sent_starts=[i in (0, 1) for i in range(len(words))]))
    for span in [*cut.ents, *cut.spans["maybe"]]:
        assert not span.start < 1 < span.end
