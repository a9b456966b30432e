"""Two small teachers that know the sample by heart, with their labels in other orders."""

import pytest
import spacy
from spacy.training import Example

from spacy_crossner.annotations.domains import without_annotation

TOK2VEC = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 32, "depth": 1, "embed_size": 300, "window_size": 1}
TOK2VEC.update(maxout_pieces=2, subword_features=True, pretrained_vectors=None)


@pytest.fixture(scope="session")
def teachers(tmp_path_factory, annotated_docs):
    """Give the folders of two teachers."""
    folders = []
    for name, labels in (("a", ["person", "place", "thing"]), ("b", ["thing", "person", "place"])):
        nlp = spacy.blank("xx")
        # A layer before the component that only the whole pipeline runs, and a component after it that is not used.
        nlp.add_pipe("sentencizer")
        ner = nlp.add_pipe("crf_ner", name="ner", config={"model": {"tok2vec": TOK2VEC}})
        docs = annotated_docs(nlp)
        examples = [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs]
        ner.initialize(lambda examples=examples: examples, nlp=nlp, labels=labels)
        optimizer = nlp.create_optimizer()
        optimizer.learn_rate = 0.01
        for _ in range(25 if name == "a" else 15):
            nlp.update(examples, sgd=optimizer)
        ner.cfg["temperature"] = 1.5 if name == "a" else 2.5
        folder = tmp_path_factory.mktemp("teachers") / name
        nlp.to_disk(folder)
        folders.append(str(folder))
    return folders
