"""What is special to `param_gen_ner`; what it shares with the other components stands in test_components.py."""

import copy

import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_crossner.annotations.domains import set_domain, without_annotation
from spacy_crossner.core.bridge import get_module
from spacy_crossner.core.likelihood import TagLikelihood
from spacy_crossner.errors import CrossnerError
from spacy_crossner.methods.cross_lm.losses import LanguageModel
from spacy_crossner.training.optimizers import HeadAdamW

WORDS = [(".", 14), ("in", 6), ("the", 5), ("Ada", 1), ("a", 3)]


def make_pipeline(annotated_docs, **config):
    """Return a pipeline, and labelled and raw examples of two domains in turn."""
    nlp = spacy.blank("en")
    ner = nlp.add_pipe("param_gen_ner", name="ner", config={"model": {"hidden": 10}, **config})
    examples = []
    for i, doc in enumerate(annotated_docs(nlp)):
        set_domain(doc, "ai" if i % 2 else "news")
        examples.append(Example(without_annotation(doc, nlp.vocab), doc))
        raw = without_annotation(doc, nlp.vocab)
        examples.append(Example(without_annotation(raw, nlp.vocab), raw))
    fix_random_seed(0)
    nlp.config["initialize"]["components"] = {"ner": {"words": WORDS}}
    nlp.initialize(lambda: examples)
    return nlp, ner, examples


def test_domains_and_words_come_from_the_corpus(annotated_docs):
    _, ner, _ = make_pipeline(annotated_docs)
    assert ner.domains == ("ai", "news")
    module = get_module(ner.model)
    assert module.words.counts.tolist() == [count for _, count in WORDS]
    assert len(module.encoder.domains) == 2


def test_each_doc_is_tagged_with_the_weights_of_its_domain(annotated_docs):
    nlp, ner, _ = make_pipeline(annotated_docs, domain="news")
    words = ["Ada", "went", "to", "Oslo"]

    def states(domain):
        doc = Doc(nlp.vocab, words=words)
        set_domain(doc, domain)
        return ner.model.predict([doc]).extras["states"]

    assert not torch.equal(states("ai"), states("news"))
    # A doc without a domain, and one of a domain that no one knows, are taken for news.
    assert torch.equal(states(None), states("news"))
    assert torch.equal(states("law"), states("news"))


def test_raw_docs_teach_the_language_model(annotated_docs):
    nlp, ner, examples = make_pipeline(annotated_docs)
    ner.losses = {
        "nll": TagLikelihood(),
        "ai": LanguageModel(domain="ai", samples=None),
        "news": LanguageModel(domain="news", samples=3),
    }
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    found = [ner.update(examples, sgd=optimizer) for _ in range(30)]
    for term in ("ner.nll", "ner.ai", "ner.news"):
        assert found[-1][term] < 0.8 * found[0][term]


def test_the_language_model_is_of_this_head_only(annotated_docs):
    nlp = spacy.blank("en")
    ner = nlp.add_pipe("crf_ner", name="ner")
    docs = annotated_docs(nlp)
    examples = [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs]
    nlp.initialize(lambda: examples)
    ner.losses = {"language_model": LanguageModel()}
    with pytest.raises(CrossnerError, match=r"C029.*LanguageModel.*param_gen_ner"):
        ner.update(examples)


def test_without_words_there_is_no_language_model(annotated_docs):
    nlp, ner, examples = make_pipeline(annotated_docs)
    nlp.config["initialize"]["components"] = {}
    nlp.initialize(lambda: examples)
    assert get_module(ner.model).words is None
    losses = ner.update(examples)
    assert losses["ner.language_model"] == 0
    assert losses["ner.nll"] > 0


def test_a_domain_that_is_not_known_is_an_error_in_training(annotated_docs):
    nlp, ner, examples = make_pipeline(annotated_docs)
    set_domain(examples[0].predicted, "law")
    with pytest.raises(CrossnerError, match=r"C049.*'law'.*ai, news"):
        nlp.update(examples)
    assert ner.add_domain("law") == 1
    assert ner.add_domain("law") == 0
    nlp.update(examples)
    assert ner.domains == ("ai", "news", "law")


@pytest.mark.parametrize("way", ["disk", "bytes"])
def test_domains_and_words_are_saved(annotated_docs, tmp_path, way):
    nlp, ner, examples = make_pipeline(annotated_docs, model={"hidden": 10, "share_output": False})
    ner.add_domain("law")
    if way == "disk":
        nlp.to_disk(tmp_path)
        loaded = spacy.load(tmp_path)
    else:
        loaded = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    other = loaded.get_pipe("ner")
    assert other.domains == ("ai", "news", "law")
    docs = [example.predicted for example in examples[::2]]
    assert torch.equal(other.model.predict(docs).emissions, ner.model.predict(docs).emissions)
    # It goes on to learn, the language model too.
    assert other.update(examples)["ner.language_model"] > 0


def test_weights_are_generated_anew_after_a_step(annotated_docs):
    nlp, ner, examples = make_pipeline(annotated_docs)
    docs = [example.predicted for example in examples[:4]]
    before = ner.model.predict(docs).emissions
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.05
    ner.update(examples)
    ner.model.predict(docs)
    ner.finish_update(optimizer)
    assert not torch.equal(ner.model.predict(docs).emissions, before)


def test_weights_are_generated_anew_after_a_step_of_our_optimizer(annotated_docs):
    nlp, ner, examples = make_pipeline(annotated_docs)
    ner.losses = {"nll": TagLikelihood()}
    optimizer = HeadAdamW(encoder_rate=0.01, head_rate=0.01)
    doc = Doc(nlp.vocab, words=["Ada", "went", "to", "Oslo"])
    nlp.update(examples, sgd=optimizer)
    # Its step comes after the update, and fused steps leave a tensor's version as it is.
    before = ner.model.predict([doc]).extras["states"]
    optimizer.step_schedules()
    after = ner.model.predict([doc]).extras["states"]
    assert not torch.equal(before, after)
    assert torch.equal(after, copy.deepcopy(ner.model).predict([doc]).extras["states"])


def test_a_pipeline_loaded_for_inference_tags(annotated_docs, tmp_path):
    nlp, _, examples = make_pipeline(annotated_docs)
    nlp.to_disk(tmp_path)
    text = examples[0].reference.text
    expected = nlp(text).ents
    with torch.inference_mode():
        found = spacy.load(tmp_path)(text)
    assert [(ent.text, ent.label_) for ent in found.ents] == [(ent.text, ent.label_) for ent in expected]


def test_the_default_layer_does_not_show_a_language_model_its_words(annotated_docs):
    nlp, ner, _ = make_pipeline(annotated_docs)
    tok2vec = ner.model.get_ref("tok2vec")
    first, second = (Doc(nlp.vocab, words=["Ada", word, "Oslo"]) for word in ("left", "reached"))
    # What stands beside a word leaves its vector as it is.
    for a, b, is_same in zip(*tok2vec.predict([first, second]), (True, False, True), strict=True):
        assert bool((a == b).all()) == is_same


def test_a_doc_has_the_domain_of_its_annotation_in_training(annotated_docs):
    _, ner, examples = make_pipeline(annotated_docs)
    ner.losses = {"ai": TagLikelihood(domain="ai"), "news": TagLikelihood(domain="news")}
    for example in examples:
        # As spaCy's own reader leaves it.
        set_domain(example.predicted, None)
    losses = ner.update(examples)
    assert losses["ner.ai"] > 0
    assert losses["ner.news"] > 0
