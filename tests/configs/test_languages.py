"""Configs train on text of another language, and not on text of another one than theirs."""

import json

import pytest
import spacy

from spacy_crossner.data.convert import convert
from spacy_crossner.data.docbin import read_docbin
from spacy_crossner.errors import CrossnerError
from spacy_crossner.evaluation.evaluate import evaluate
from spacy_crossner.training.train import train

from .stages import BILSTM, CONFIGS, encoder_of, paths

GERMAN = """\
[Ada Lovelace](person) schrieb z.B. an [Zürich](place).
Gestern traf sie [Konrad Zuse](person) in [Köln](place), [Bonn](place) usw.
Geht's gut?
"""


@pytest.fixture(scope="module")
def german(tmp_path_factory):
    folder = tmp_path_factory.mktemp("german")
    (folder / "text.txt").write_text(GERMAN * 3, encoding="utf8")
    convert(folder / "text.txt", folder / "train.spacy", "target", lang="de")
    (folder / "labels.json").write_text(json.dumps(["person", "place", "planet"]))
    return folder


@pytest.mark.parametrize("method", ["crf", "laner", "moee", "param_gen"])
def test_stages_of_another_language(method, german, tiny_encoder, tmp_path):
    overrides = {**paths(german), "nlp.lang": "de", "training.max_steps": 2, "training.eval_frequency": 2}
    train(CONFIGS / f"{method}.cfg", tmp_path / "source", overrides={**overrides, **encoder_of(method, tiny_encoder)})
    pretrained, labels = str(tmp_path / "source" / "model-best"), str(german / "labels.json")
    stage = {**overrides, "paths.pretrained": pretrained, "paths.labels": labels}
    finetune = "finetune_bilstm.cfg" if method in BILSTM else "finetune.cfg"
    train(CONFIGS / finetune, tmp_path / "target", overrides=stage)
    if method == "crf":
        train(
            CONFIGS / "pdaln.cfg", tmp_path / "pdaln", overrides={**stage, "paths.source": paths(german)["paths.train"]}
        )
    for name in {"source", "target", "pdaln"} & {path.name for path in tmp_path.iterdir()}:
        nlp = spacy.load(tmp_path / name / "model-best")
        assert (nlp.lang, nlp.meta["lang"], nlp.vocab.lang) == ("de", "de", "de")
        assert [token.text for token in nlp("z.B. in Köln usw.")] == ["z.B.", "in", "Köln", "usw."]
        gold = read_docbin(german / "train.spacy", nlp.vocab)
        scores = evaluate(nlp, gold, from_text=True)
        # The text was cut by the same tokenizer: nothing is out of reach, and both figures are the same.
        assert (scores["token_fit"]["entities"], scores["token_fit"]["misfits"], scores["notes"]) == (15, 0, [])
        assert {key: scores["from_text"][key] for key in "prf"} == {key: scores["strict"][key] for key in "prf"}


@pytest.mark.parametrize("which", ["train", "dev"])
def test_a_config_of_another_language_than_the_text_is_an_error(which, german, corpus, tiny_encoder, tmp_path):
    overrides = {**paths(corpus), "paths.encoder": str(tiny_encoder), f"paths.{which}": str(german / "train.spacy")}
    with pytest.raises(CrossnerError, match=r"C160.*train.spacy: found text converted as 'de'.*--nlp.lang de"):
        train(CONFIGS / "crf.cfg", tmp_path / "out", epochs=1, overrides=overrides)
    assert not (tmp_path / "out").exists()
    with pytest.raises(CrossnerError, match=r"C074.*language nope"):
        train(CONFIGS / "crf.cfg", tmp_path / "out", epochs=1, overrides={**overrides, "nlp.lang": "nope"})
