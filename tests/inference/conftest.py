"""A small pipeline that knows the sample by heart, odd texts, and a corpus in each form of input."""

import gzip
import json

import pytest
import spacy
from spacy.tokens import Span

from spacy_crossner.annotations.domains import set_domain
from spacy_crossner.data.docbin import write_docbin

TOK2VEC = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 32, "depth": 1, "embed_size": 300, "window_size": 1}
TOK2VEC.update(maxout_pieces=2, subword_features=True, pretrained_vectors=None)
LONG = " ".join(["Ada Lovelace wrote notes in London and came back ."] * 500)
TEXTS = [
    "Ada Lovelace wrote notes in London .",
    "Paris",
    "Grace Hopper found a moth in the Mark II . 🦋👩‍🔬 Tommy",
    "Zu\u0308rich, é and Paris \u200b\u00a0 Rome\ufeff",
    "a\ttab, \x01 \x1b[0m \x7f \x85 and \u2028 Alan Turing",
    "((((((((((" * 300,
    LONG,
    "It rained all day .",
]
SHORT = [text for text in TEXTS if text is not LONG]
# Texts that are no line of text.
ODD = ["", "  \n ", "Ada Lovelace\nwent to\r\n\r\nManchester .", "\n"]


@pytest.fixture(scope="session")
def model(tmp_path_factory, learn_by_heart):
    """Give the folder of a pipeline with scores."""
    nlp, _ = learn_by_heart("crf_ner", {"model": {"tok2vec": TOK2VEC}}, updates=30, learn_rate=0.01)
    folder = tmp_path_factory.mktemp("models") / "model"
    nlp.to_disk(folder)
    return folder


@pytest.fixture(scope="session")
def nlp(model):
    """Give the same pipeline in memory."""
    return spacy.load(model)


@pytest.fixture
def write(tmp_path, nlp):
    """Give a function that writes texts as a file, whose form follows from its name."""

    def write_texts(name, texts):
        path = tmp_path / name
        if name.endswith(".spacy"):
            docs = []
            for text in texts:
                doc = nlp.make_doc(text)
                if len(doc):
                    # Annotation that is not read.
                    doc.set_ents([Span(doc, 0, 1, label="gold")])
                set_domain(doc, "ai")
                docs.append(doc)
            write_docbin(docs, path)
            return path
        lines = texts
        if ".jsonl" in name:
            lines = [json.dumps({"id": i, "text": text, "more": {"of": [i]}}) for i, text in enumerate(texts)]
        content = "".join(line + "\n" for line in lines).encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write_texts
