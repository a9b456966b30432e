"""A component whose encoder has not run says so, and predicts nothing from zeros."""

import pytest
import spacy
from spacy.tokens import Doc
from spacy.tokens.underscore import Underscore
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_crossner.encoders.listening import TRANSFORMER_LISTENER, find_listeners, require_upstream
from spacy_crossner.errors import CrossnerError

TEXT = "Ada met Grace in Paris, and nobody else came to see them there."


def make_pipeline(tiny_encoder, upstream):
    nlp = spacy.blank("xx")
    if upstream == "transformer":
        encoder = {"@architectures": "spacy_crossner.TransformerModel.v1", "name": str(tiny_encoder)}
        encoder["get_spans"] = {"@span_getters": "spacy_crossner.PieceWindows.v1"}
        nlp.add_pipe("transformer", config={"model": encoder})
        pooling = {"pooling": {"@layers": "reduce_mean.v1"}, "grad_factor": 1.0}
        tok2vec = {"@architectures": "spacy-transformers.TransformerListener.v1", **pooling}
    else:
        nlp.add_pipe("tok2vec")
        tok2vec = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}
    nlp.add_pipe(
        "crf_ner", name="ner", config={"model": {"@architectures": "spacy_crossner.CRF.v1", "tok2vec": tok2vec}}
    )
    gold = Doc(nlp.vocab, words=["Ada", "met"], ents=["B-person", "O"])
    fix_random_seed(0)
    nlp.initialize(lambda: [Example(nlp.make_doc("Ada met"), gold)])
    return nlp


@pytest.fixture(scope="module", params=[pytest.param("transformer", marks=pytest.mark.spacy_trf), "tok2vec"])
def upstream(request):
    return request.param


@pytest.fixture(scope="module")
def trained(tiny_encoder, upstream):
    return make_pipeline(tiny_encoder, upstream)


@pytest.fixture
def nlp(trained):
    return spacy.blank("xx").from_config(trained.config).from_bytes(trained.to_bytes())


def disabled(nlp, upstream, folder):
    nlp.disable_pipes(upstream)
    return nlp


def selected(nlp, upstream, folder):
    nlp.select_pipes(enable=["ner"])
    return nlp


def removed(nlp, upstream, folder):
    nlp.remove_pipe(upstream)
    return nlp


def later(nlp, upstream, folder):
    nlp.remove_pipe(upstream)
    nlp.add_pipe(upstream, last=True)
    return nlp


def left_out(nlp, upstream, folder):
    nlp.to_disk(folder)
    return spacy.load(folder, exclude=[upstream])


def loaded_disabled(nlp, upstream, folder):
    nlp.to_disk(folder)
    return spacy.load(folder, disable=[upstream])


@pytest.mark.parametrize("spoil", [disabled, selected, removed, later, left_out, loaded_disabled])
def test_a_component_whose_encoder_does_not_run_is_an_error(nlp, upstream, tmp_path, spoil):
    nlp = spoil(nlp, upstream, tmp_path)
    for run in (nlp, lambda text: list(nlp.pipe(["", text]))):
        with pytest.raises(CrossnerError) as caught:
            run(TEXT)
        assert str(caught.value) == (
            f"[C083] Component 'ner' listens to the component of type {upstream}, but the doc 'Ada met Grace in "
            "Paris, and nobody else...' has no matching vectors from it. That component has not run, the tokens were "
            "changed after it ran, or it differs from the component in training. Enable it and put it directly before "
            "'ner', or copy it into 'ner' with `nlp.replace_listeners`."
        )
    # A doc without tokens needs none.
    assert not nlp("").ents


@pytest.mark.spacy_trf
def test_a_component_is_named_where_a_listener_names_it(tiny_encoder):
    nlp = make_pipeline(tiny_encoder, "transformer")
    (listener,) = find_listeners(nlp.get_pipe("ner").model)
    listener.upstream_name = "transformer"
    nlp.disable_pipe("transformer")
    with pytest.raises(CrossnerError, match=r"C083.*the component 'transformer'"):
        nlp("Ada")


@pytest.mark.spacy_trf
def test_the_listener_of_spacy_transformers_has_the_name_that_is_looked_for():
    from spacy_transformers.layers import TransformerListener

    assert TransformerListener.name == TRANSFORMER_LISTENER


def test_a_component_predicts_again_once_its_encoder_runs(nlp, upstream):
    with nlp.select_pipes(disable=upstream), pytest.raises(CrossnerError, match="C083"):
        nlp(TEXT)
    assert len(nlp(TEXT)) == len(list(nlp.pipe(["", TEXT]))[1]) > 10


def test_vectors_that_do_not_fit_a_doc_are_an_error(trained, upstream):
    model = trained.get_pipe("ner").model
    docs = list(trained.pipe([TEXT, "", "Ada"]))
    require_upstream(model, docs, "ner")
    with docs[0].retokenize() as retokenizer:
        # spaCy merges the rows of the tensor itself.
        retokenizer.merge(docs[0][0:2])
    if upstream == "transformer":
        with pytest.raises(CrossnerError, match=r"C083.*'Ada met"):
            require_upstream(model, docs, "ner")
    docs = list(trained.pipe([TEXT]))
    if upstream == "transformer":
        docs[0]._.trf_data.model_output["last_hidden_state"] = docs[0]._.trf_data.model_output.last_hidden_state[
            ..., :5
        ]
    else:
        docs[0].tensor = docs[0].tensor[:, :5]
    with pytest.raises(CrossnerError, match="C083"):
        require_upstream(model, docs, "ner")


def test_a_component_with_an_encoder_of_its_own_needs_no_other(nlp, upstream):
    nlp.replace_listeners(upstream, "ner", ["model.tok2vec"])
    nlp.remove_pipe(upstream)
    require_upstream(nlp.get_pipe("ner").model, [nlp.make_doc(TEXT)], "ner")
    assert len(nlp(TEXT)) > 10


def test_a_transformer_that_was_never_loaded_is_named(trained, upstream, monkeypatch):
    # As in a process where no transformer was loaded: the attribute of spacy-transformers is not there.
    monkeypatch.setattr(Underscore, "doc_extensions", {"domain": Underscore.doc_extensions["domain"]})
    ner = trained.get_pipe("ner")
    with pytest.raises(CrossnerError, match=r"C083. Component 'ner' listens to the component"):
        ner(trained.make_doc("Ada met Grace."))
