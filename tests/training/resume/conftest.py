"""Fixtures for the tests of interrupted stages: data, and stages that are run once for all files."""

import shutil
from functools import cache

import pytest
import spacy
from spacy.tokens import Doc

from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.training import train as train_module
from spacy_crossner.training.train import train

from .stages import STOPS, crf_config, run, stopped, write_config


@pytest.fixture(scope="session")
def corpus(tmp_path_factory, annotated_docs, tiny_encoder):
    folder = tmp_path_factory.mktemp("corpus")
    nlp = spacy.blank("en")
    docs = annotated_docs(nlp)
    write_docbin([*docs, Doc(nlp.vocab), *docs[:3], Doc(nlp.vocab)], folder / "train.spacy")
    write_docbin([doc for full in docs[:10] for doc in (full, Doc(nlp.vocab))], folder / "half_empty.spacy")
    write_docbin([*docs[::2], Doc(nlp.vocab, words=["Elsewhere", "!"])], folder / "dev.spacy")
    names = sorted({f"{ent.text}\t{ent.label_}\n" for doc in docs for ent in doc.ents})
    (folder / "names.tsv").write_text("".join(names), encoding="utf8")
    (folder / "encoder").symlink_to(tiny_encoder)
    STOPS.clear()
    config = write_config(crf_config(folder), folder / "source.cfg")
    train(config, folder / "out")
    (folder / "out" / "model-best").rename(folder / "source")
    return folder


@pytest.fixture(autouse=True)
def _no_stops():
    STOPS.clear()


@pytest.fixture(autouse=True)
def save_curve():
    """Let no stage draw its curve, which takes longer than the stage. Give the function, for the tests of it."""
    with pytest.MonkeyPatch.context() as patch:
        drawing = train_module.save_curve
        patch.setattr(train_module, "save_curve", lambda *args: None)
        yield drawing


@pytest.fixture(scope="session")
def unbroken(corpus, tmp_path_factory):
    """Give a function that says how a config ends without a break."""

    @cache
    def end(make):
        return run(make(corpus), tmp_path_factory.mktemp(make.__name__))

    return end


@pytest.fixture(scope="session")
def stopped_once(corpus, tmp_path_factory):
    """Give the output of `crf_config`, interrupted before step 8: its checkpoint is called 7."""
    STOPS.clear()
    return stopped(crf_config(corpus), tmp_path_factory.mktemp("stopped"), 8)[1]


@pytest.fixture
def stopped_crf(corpus, stopped_once, tmp_path):
    """Give the path of the config, and a copy of that output."""
    shutil.copytree(stopped_once, tmp_path / "out")
    return write_config(crf_config(corpus), tmp_path / "config.cfg"), tmp_path / "out"
