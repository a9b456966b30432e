"""What every component finds in docs of any length, alone, in a batch and in threads."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from spacy.tokens import Doc

from spacy_crossner.core.bridge import get_module, set_dropout

from .components import COMPONENTS, entities, examples_of, plain_sgd, predict_all

TEXTS = ["Ada met Grace in Oslo.", "", "   ", "No", "\u200b\ufeff\u00a0 🙂 İstanbul \U0001f1f3\U0001f1f4", "a\n\nb\tc"]


def test_empty_docs_amid_a_batch(trained):
    nlp, docs = trained
    mixed = [Doc(nlp.vocab), docs[0], Doc(nlp.vocab), docs[1], Doc(nlp.vocab)]
    found = predict_all(nlp, mixed)
    assert found == [[], entities(docs[0]), [], entities(docs[1]), []]
    nlp.update(examples_of(nlp, mixed), sgd=plain_sgd())
    assert predict_all(nlp, [Doc(nlp.vocab)]) == [[]]


def test_pipe_equals_call_and_keeps_the_order(trained):
    nlp, docs = trained
    texts = [*TEXTS, *(doc.text for doc in docs)]
    piped = list(nlp.pipe(texts, batch_size=5))
    assert [doc.text for doc in piped] == texts
    assert [entities(doc) for doc in piped] == [entities(nlp(text)) for text in texts]


def test_a_long_doc_is_tagged_to_its_end(trained):
    nlp, docs = trained
    words = [token.text for token in docs[0]]
    doc = nlp(Doc(nlp.vocab, words=words * 1000))
    assert len({ent.start // len(words) for ent in doc.ents}) > 990


@pytest.mark.parametrize("sentences", [False, True])
def test_windows_of_a_long_doc_give_what_the_whole_gives(component, trained, sentences):
    if COMPONENTS[component][0] in ("label_aware_ner", "param_gen_ner"):
        pytest.skip("its prefixes start anew in each window; tested in tests/methods/laner")
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    ner.window, ner.overlap = 16, 8
    words = [token.text for doc in docs for token in doc]
    starts = [i == 0 for doc in docs for i in range(len(doc))]
    # At a place, an entity of three tokens would begin in one core and end in the next.
    text = {"words": words, "sent_starts": starts} if sentences else {"words": words}
    found = entities(nlp(Doc(nlp.vocab, **text)))
    ner.window = len(words)
    assert found == entities(nlp(Doc(nlp.vocab, **text)))


def test_memory_zone(trained):
    nlp, docs = trained
    expected = [entities(doc) for doc in docs]
    texts = [doc.text for doc in docs]
    for _ in range(2):
        with nlp.memory_zone():
            found = [[(ent.text, ent.label_, ent._.score) for ent in doc.ents] for doc in nlp.pipe(texts)]
    assert [len(spans) for spans in found] == [len(spans) for spans in expected]
    assert all(0 <= score <= 1 for spans in found for _, _, score in spans)


def test_threads_get_the_answer_of_one(trained):
    nlp, docs = trained
    # As a module in training would use it; evaluation does not.
    set_dropout(nlp.get_pipe("ner").model, 0.5)
    texts = [doc.text for doc in docs] * 3

    def answer(text):
        doc = nlp(text)
        return [(ent.start, ent.end, ent.label_, ent._.score) for ent in doc.ents]

    expected = [answer(text) for text in texts]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(answer, texts))
    finally:
        sys.setswitchinterval(interval)
    assert sum(a != b for a, b in zip(found, expected, strict=True)) == 0


def test_prediction_leaves_every_layer_in_evaluation_mode(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    layers = [layer for shim in shims_of(ner.model) for layer in shim._model.modules()]
    nlp.update(examples_of(nlp, docs[:2]))
    assert all(layer.training for layer in layers)
    nlp("Ada met Grace.")
    assert not any(layer.training for layer in layers)
    ner.add_label("more")
    nlp("Ada met Grace.")
    assert not any(layer.training for shim in shims_of(ner.model) for layer in shim._model.modules())


def shims_of(model):
    return [shim for node in model.walk() for shim in node.shims]


def test_a_frozen_component_predicts_as_before(trained):
    nlp, docs = trained
    before = [[(ent.text, ent._.score) for ent in doc.ents] for doc in nlp.pipe(doc.text for doc in docs)]
    for parameter in get_module(nlp.get_pipe("ner").model).parameters():
        parameter.requires_grad_(False)
    after = [[(ent.text, ent._.score) for ent in doc.ents] for doc in nlp.pipe(doc.text for doc in docs)]
    assert before == after
