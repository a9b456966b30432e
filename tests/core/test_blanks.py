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
    texts, places = [], []
    for gold in docs:
        text, starts = "", []
        for i, token in enumerate(gold):
            starts.append(len(text))
            text += token.text + BLANKS[blanks](i)
        texts.append(text)
        places.append(starts)
    words = [[token.text for token in gold] for gold in docs]
    with_blanks = [nlp.tokenizer(text) for text in texts]
    # Those that the tokenizer cuts as the sample does.
    same = [i for i, doc in enumerate(with_blanks) if [token.text for token in doc if not token.is_space] == words[i]]
    assert len(same) > 15
    plain = nlp.pipe([Doc(nlp.vocab, words=words[i]) for i in same])
    for i, expected, doc in zip(same, plain, nlp.pipe([with_blanks[i] for i in same]), strict=True):
        ends = [places[i][ent.end - 1] + len(ent[-1]) for ent in expected.ents]
        spans = [(places[i][ent.start], end, ent.label_) for ent, end in zip(expected.ents, ends, strict=True)]
        assert [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents] == spans
        scores = [ent._.score for ent in expected.ents]
        assert [ent._.score for ent in doc.ents] == pytest.approx(scores, abs=1e-4)
        for span in [*doc.ents, *doc.spans["maybe"]]:
            assert not span[0].is_space
            assert not span[-1].is_space
        assert len(doc.spans["maybe"]) == len(expected.spans["maybe"])


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
