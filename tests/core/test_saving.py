"""Every component comes back from disk, bytes and pickle as it was, and a broken file is named."""

import copy
import json
import pickle

import pytest
import spacy
import torch

from spacy_crossner.errors import CrossnerError
from spacy_crossner.storage.formats import FORMAT_VERSION

from .components import blank, entities, examples_of, plain_sgd, predict_all, weights


@pytest.mark.parametrize("way", ["disk", "bytes", "pickle", "copy"])
def test_saved_and_loaded_pipelines_are_the_same(trained, way, tmp_path):
    nlp, docs = trained
    if way == "disk":
        nlp.to_disk(tmp_path)
        loaded = spacy.load(tmp_path)
    elif way == "bytes":
        loaded = blank().from_config(nlp.config).from_bytes(nlp.to_bytes())
    elif way == "pickle":
        loaded = pickle.loads(pickle.dumps(nlp))
    else:
        loaded = copy.deepcopy(nlp)
    saved = weights(nlp)
    assert all(torch.equal(saved[name], value) for name, value in weights(loaded).items())
    assert predict_all(loaded, docs) == [entities(doc) for doc in docs]
    assert loaded.get_pipe("ner").labels == nlp.get_pipe("ner").labels


def test_a_copy_shares_no_weights(trained):
    nlp, docs = trained
    before, predicted = weights(nlp), predict_all(nlp, docs)
    other = copy.deepcopy(nlp)
    for _ in range(3):
        other.update(examples_of(other, [doc.copy() for doc in docs[:3]]), sgd=plain_sgd())
    assert any(not torch.equal(before[name], value) for name, value in weights(other).items())
    assert all(torch.equal(before[name], value) for name, value in weights(nlp).items())
    assert predict_all(nlp, docs) == predicted


def test_a_sourced_component_goes_on_in_another_pipeline(trained, tmp_path):
    nlp, docs = trained
    nlp.to_disk(tmp_path)
    other = blank()
    other.add_pipe("ner", source=spacy.load(tmp_path))
    assert predict_all(other, docs) == [entities(doc) for doc in docs]


def test_an_uninitialized_component_is_saved_too(untrained, tmp_path):
    untrained.get_pipe("ner").add_label("late")
    untrained.to_disk(tmp_path)
    assert spacy.load(tmp_path).get_pipe("ner").labels == ("late",)


def test_nothing_saved_is_a_pickle(trained, tmp_path):
    nlp, _ = trained
    nlp.to_disk(tmp_path)
    for path in tmp_path.rglob("*"):
        # What torch.save writes: a zip with a data.pkl in it.
        assert not path.is_file() or b"data.pkl" not in path.read_bytes()


def test_a_folder_with_another_number_of_labels_is_refused(trained, tmp_path):
    nlp, _ = trained
    nlp.to_disk(tmp_path)
    cfg = tmp_path / "ner" / "cfg"
    saved = json.loads(cfg.read_text())
    cfg.write_text(json.dumps({**saved, "labels": saved["labels"][:2]}))
    with pytest.raises(CrossnerError, match="C003"):
        spacy.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"half of it", None])
def test_a_broken_file_is_named(trained, content, tmp_path):
    nlp, _ = trained
    nlp.to_disk(tmp_path)
    model = tmp_path / "ner" / "model"
    model.write_bytes(model.read_bytes()[:-100] if content is None else content)
    with pytest.raises(CrossnerError, match="C003"):
        spacy.load(tmp_path)
    with pytest.raises(CrossnerError, match="C003"):
        nlp.get_pipe("ner").from_disk(tmp_path / "ner")
    with pytest.raises(ValueError, match="E109"):
        nlp("Not half of it.")


def test_a_later_format_is_refused_and_none_is_the_first(trained, tmp_path):
    nlp, docs = trained
    expected = entities(nlp(docs[0].text))
    nlp.to_disk(tmp_path)
    cfg = tmp_path / "ner" / "cfg"
    saved = json.loads(cfg.read_text())
    assert saved["format"] == FORMAT_VERSION
    cfg.write_text(json.dumps({**saved, "format": FORMAT_VERSION + 1}))
    with pytest.raises(CrossnerError, match=f"component 'ner' .*format is {FORMAT_VERSION + 1}"):
        spacy.load(tmp_path)
    del saved["format"]
    cfg.write_text(json.dumps(saved))
    loaded = spacy.load(tmp_path)
    assert entities(loaded(docs[0].text)) == expected
    assert loaded.get_pipe("ner").cfg["format"] == FORMAT_VERSION
