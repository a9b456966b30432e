"""A project in small: a source stage on an adapted encoder, a target stage with two seeds, calibration and scores."""

import json
import shutil
from types import SimpleNamespace

import pytest
import spacy

from spacy_crossner.annotations.domains import set_domain
from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.evaluation.ways import calibrate_ways, evaluate_ways
from spacy_crossner.fingerprints import file_digest, path_digest, write_record
from spacy_crossner.training.averaging import train_average
from spacy_crossner.training.train import train

from ...configs.stages import CONFIGS


def write_set(docs, domain, path):
    path.parent.mkdir(exist_ok=True)
    for doc in docs:
        set_domain(doc, domain)
    write_docbin(docs, path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, annotated_docs, tiny_encoder):
    """Give the folder of the project, in which nothing may be changed."""
    folder = tmp_path_factory.mktemp("card")
    docs = annotated_docs(spacy.blank("en"))
    write_set(docs[:12], "news", folder / "news" / "train.spacy")
    write_set(docs[12:], "listed", folder / "listed" / "train.spacy")
    write_set(docs, "ai", folder / "ai" / "train.spacy")
    write_set(docs[:9], "ai", folder / "ai" / "dev.spacy")
    write_set(docs[5:], "ai", folder / "ai" / "test.spacy")
    (folder / "ai" / "labels.json").write_text('["person", "place", "thing"]')
    (folder / "names.tsv").write_text("Ada Lovelace\tperson\nLondon\tplace\n")
    # As `silver` and `dapt` leave them.
    silver = folder / "listed" / "train.spacy"
    write_record(silver.parent, {}, [silver.name], silver.name)
    shutil.copytree(tiny_encoder, folder / "encoder")
    sizes = {"lines to train on": 1234, "lines held out": 5}
    write_record(folder / "encoder", {"the text": "0a"}, ["config.json"], base="mini-lm", corpus=sizes)
    with pytest.MonkeyPatch.context() as patch:
        # Relative paths, as in the project; `paths.labels` is an absolute one.
        patch.chdir(folder)
        length = {"training.max_steps": 2, "training.eval_frequency": 1, "nlp.lang": "en"}
        source = {"paths.train": "news/train.spacy", "paths.source": "listed/train.spacy", "paths.encoder": "encoder"}
        train(CONFIGS / "crf.cfg", folder / "source", overrides={**length, **source, "paths.dev": "ai/dev.spacy"})
        target = {"paths.train": "ai/train.spacy", "paths.dev": "ai/dev.spacy", "paths.names": "names.tsv"}
        target |= {"paths.labels": str(folder / "ai" / "labels.json"), "paths.pretrained": "source/model-best"}
        target |= {"corpora.train.limit": 16, "system.seed": 3}
        train_average(CONFIGS / "finetune.cfg", folder / "ways" / "dapt", 2, overrides={**length, **target})
        list(calibrate_ways(folder / "ways", folder / "ai" / "dev.spacy"))
        list(evaluate_ways(folder / "ways", folder / "ai" / "test.spacy", folder / "metrics"))
    assert file_digest(silver) == path_digest(silver)
    return folder


@pytest.fixture
def project(finished, tmp_path, monkeypatch):
    """Give a copy of the project, which is the working folder: its `folder`, `model`, `metrics` and `scores`."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    monkeypatch.chdir(folder)
    scores = json.loads((folder / "metrics" / "dapt.json").read_text())
    model = folder / "ways" / "dapt" / "calibrated"
    return SimpleNamespace(folder=folder, model=model, metrics=folder / "metrics", scores=scores)
