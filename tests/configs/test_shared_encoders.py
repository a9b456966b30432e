"""One encoder for several components, from config to trained pipeline; and stages that go on from such a pipeline."""

import json

import pytest
import spacy
from spacy import util
from spacy.training.initialize import init_nlp

from spacy_crossner.encoders.listening import find_listeners
from spacy_crossner.errors import CrossnerError
from spacy_crossner.training.train import train

from .shared_encoders import FORMS, WIDTH, write_shared
from .stages import CONFIGS, paths, tag

pytestmark = pytest.mark.spacy_trf
STEP = {"training.max_steps": 1, "training.eval_frequency": 1}


@pytest.fixture(scope="module", params=FORMS)
def form(request):
    return request.param


@pytest.fixture(scope="module")
def trained(form, corpus, tiny_encoder, tmp_path_factory):
    """Give the folder of a pipeline with two components on one encoder, and its config."""
    folder = tmp_path_factory.mktemp(form)
    config = write_shared(form, tiny_encoder, folder / "shared.cfg")
    train(config, folder / "out", overrides={**paths(corpus), "training.max_steps": 2, "training.eval_frequency": 2})
    return folder / "out" / "model-last"


def encoder_weights(nlp, form):
    (shim,) = [shim for node in nlp.get_pipe(form).model.walk() for shim in node.shims]
    return {name: weight.clone() for name, weight in shim._model.named_parameters()}


def test_components_share_one_encoder(form, trained, tiny_encoder):
    from transformers import AutoModel

    nlp = spacy.load(trained)
    assert nlp.pipe_names == [form, "ner", "second"]
    assert all(len(find_listeners(nlp.get_pipe(name).model)) == 1 for name in ("ner", "second"))
    # Both have taught the encoder.
    before, after = dict(AutoModel.from_pretrained(tiny_encoder).named_parameters()), encoder_weights(nlp, form)
    assert not after["encoder.layer.0.output.dense.weight"].equal(before["encoder.layer.0.output.dense.weight"])
    # The folder of a head has no encoder.
    assert (trained / "ner" / "model").stat().st_size < (trained / form / "model").stat().st_size / 5
    assert tag(nlp) == tag(spacy.load(trained))


def test_only_a_shared_encoder_leaves_its_vectors_on_the_doc(form, trained, pretrained):
    text = "Ada met Grace."
    doc = spacy.load(trained)(text)
    if form == "tok2vec":
        assert doc.tensor.shape == (len(doc), WIDTH)
    else:
        assert doc._.trf_data.model_output.last_hidden_state.shape[-1] == WIDTH
    doc = spacy.load(pretrained)(text)
    assert not doc.tensor.size
    assert not doc.has_extension("trf_data") or doc._.trf_data is None


@pytest.mark.parametrize("stage", ["finetune", "pdaln"])
def test_a_stage_takes_the_shared_encoder_into_its_component(stage, form, trained, corpus, tmp_path):
    (tmp_path / "known.json").write_text(json.dumps(["person", "place", "thing"]))
    overrides = {
        **paths(corpus),
        **STEP,
        "paths.pretrained": str(trained),
        "paths.labels": str(tmp_path / "known.json"),
    }
    if stage == "pdaln":
        overrides |= {"paths.source": str(corpus / "train.spacy"), "paths.unlabelled": str(corpus / "train.spacy")}
    source = spacy.load(trained)
    source.remove_pipe("second")
    entities, scores = tag(source)
    found, close = tag(init_nlp(util.load_config(CONFIGS / f"{stage}.cfg", overrides=overrides)))
    assert found == entities
    assert scores
    assert close == pytest.approx(scores, abs=1e-4)
    overrides["paths.labels"] = str(corpus / "labels.json")
    train(CONFIGS / f"{stage}.cfg", tmp_path / "out", overrides=overrides)
    target = spacy.load(tmp_path / "out" / "model-last")
    assert target.pipe_names == ["ner"]
    assert target.get_pipe("ner").labels == ("person", "place", "thing", "planet")
    assert tag(target)[1]


def test_a_component_without_the_encoder_that_it_listens_to_is_an_error(form, trained, corpus, tmp_path):
    config = util.load_config(CONFIGS / "finetune.cfg", interpolate=False)
    del config["components"]["ner"]["replace_listeners"]
    config.to_disk(tmp_path / "stage.cfg")
    overrides = {**paths(corpus), **STEP, "paths.pretrained": str(trained), "paths.labels": str(corpus / "labels.json")}
    with pytest.raises(CrossnerError, match=r"C520. Component 'ner' listens .* pipeline \(ner\).*replace_listeners"):
        train(tmp_path / "stage.cfg", tmp_path / "out", overrides=overrides)
    assert not (tmp_path / "out").exists()
