"""The app, and a small pipeline for it."""

import importlib
import sys

import pytest
import spacy

from .service import ENTERED, FOLDER, OPEN, PROBE, serving

TOK2VEC = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 32, "depth": 1, "embed_size": 300, "window_size": 1}
TOK2VEC.update(maxout_pieces=2, subword_features=True, pretrained_vectors=None)


@pytest.fixture(autouse=True)
def _closed():
    ENTERED.clear()
    OPEN.clear()
    yield
    OPEN.set()


@pytest.fixture(scope="session")
def serve():
    """Give the module of the app."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        app = importlib.import_module("app")
    yield app
    for name in ("app", "batcher"):
        sys.modules.pop(name)


@pytest.fixture(scope="session")
def model(tmp_path_factory, learn_by_heart):
    """Give the folder of a pipeline with scores, and with the component that fails or waits."""
    nlp, _ = learn_by_heart("crf_ner", {"model": {"tok2vec": TOK2VEC}}, lang="xx", updates=20, learn_rate=0.01)
    nlp.add_pipe(PROBE)
    nlp.meta.update(name="small", version="1.2.3")
    folder = tmp_path_factory.mktemp("models") / "model"
    nlp.to_disk(folder)
    return folder


@pytest.fixture(scope="session")
def nlp(model):
    return spacy.load(model)


@pytest.fixture(scope="session")
def texts(nlp, annotated_docs):
    return [doc.text for doc in annotated_docs(nlp)]


@pytest.fixture(scope="module")
def client(serve, model):
    """Give a client of a server with small limits."""
    limits = serve.Limits(texts=8, characters=5000, body=20_000)
    with serving(serve.create_app(str(model), limits)) as client:
        yield client
