"""The components that the tests of this folder run over, and what these tests share."""

import spacy
from spacy.training import Example
from thinc.api import SGD

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.core.bridge import get_module

# A new component is a new row: its factory and what its config needs beside `TOK2VEC`.
COMPONENTS = {
    "laner_crf": ("label_aware_ner", {"label_width": 20, "use_crf": True}),
    "crf": ("crf_ner", {}),
    "tagger": ("crf_ner", {"use_crf": False}),
    "laner": ("label_aware_ner", {"label_width": 20}),
    "moee": ("moee_ner", {"expert_width": 20}),
    "param_gen": ("param_gen_ner", {"hidden": 32}),
}

# Smaller than the default of spaCy, so that the tests take less time.
TOK2VEC = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "width": 32,
    "depth": 2,
    "embed_size": 300,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
    "pretrained_vectors": None,
}


def component_config(kind, tok2vec=TOK2VEC):
    """Return the factory and the config of a component."""
    factory, model = COMPONENTS[kind]
    return factory, {"model": {"tok2vec": tok2vec, **model}}


def blank():
    """Return an empty pipeline; that of no language has few exceptions of the tokenizer, which take time to load."""
    return spacy.blank("xx")


def make_pipeline(kind, **settings):
    """Return an untrained pipeline of one component, named ner."""
    factory, config = component_config(kind)
    nlp = blank()
    nlp.add_pipe(factory, name="ner", config={**config, **settings})
    return nlp


def output_layer(ner):
    """Return the layer that scores the tags."""
    module = get_module(ner.model)
    return module.output if hasattr(module, "output") else module.outputs[0].output


def examples_of(nlp, docs):
    return [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs]


def entities(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def predict_all(nlp, docs):
    return [entities(doc) for doc in nlp.pipe([without_annotation(doc, nlp.vocab) for doc in docs])]


def weights(nlp):
    return {name: value.clone() for name, value in get_module(nlp.get_pipe("ner").model).state_dict().items()}


def plain_sgd():
    return SGD(0.5)
