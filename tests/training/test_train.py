import math

import pytest
import spacy
from spacy.tokens import Doc
from spacy.util import load_config

from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.errors import CrossnerError
from spacy_crossner.training import train as module
from spacy_crossner.training.train import count_batches, train

CONFIG = """
[paths]
train = "{train}"
source = {source}

[nlp]
lang = "en"
pipeline = []

[components]

[corpora]

[corpora.train]
@readers = "spacy_crossner.DomainReader.v1"

[corpora.train.domains]

[corpora.train.domains.target]
path = ${{paths.train}}
upsample = 1

[corpora.train.domains.source]
path = ${{paths.source}}

[corpora.dev]
@readers = "spacy_crossner.DomainReader.v1"

[corpora.dev.domains]

[corpora.dev.domains.target]
path = ${{paths.train}}

[training]
train_corpus = "corpora.train"
dev_corpus = "corpora.dev"
max_steps = 7
eval_frequency = 3

[training.batcher]
@batchers = "spacy_crossner.PaddedBatcher.v1"
size = 4
"""


@pytest.fixture
def config(tmp_path):
    """Write a config whose train corpus has 18 docs: 5 batches of at most 4."""
    vocab = spacy.blank("en").vocab
    docs = [Doc(vocab, words=["word"] * n, ents=["O"] * n) for n in range(1, 19)]
    write_docbin(docs, tmp_path / "train.spacy")
    path = tmp_path / "config.cfg"
    path.write_text(CONFIG.format(train=tmp_path / "train.spacy", source="null"), encoding="utf8")
    return path


@pytest.fixture
def called(monkeypatch):
    """Keep the arguments of what trains instead of training."""
    calls = []
    monkeypatch.setattr(module, "run_training", lambda *args, **kwargs: calls.append((args, kwargs)))
    return calls


@pytest.mark.parametrize(
    ("overrides", "batches"),
    [
        ({}, 5),
        ({"training.batcher.size": 6}, 3),
        ({"training.batcher.size": 18}, 1),
        # Sorted by length: 4, 4, 3 (of 9 to 11), 2, then one each, as two of 14 are over the limit.
        ({"training.batcher.max_padded": 35}, None),
        ({"corpora.train.domains.target.upsample": 3}, 14),
    ],
)
def test_count_batches(config, overrides, batches):
    found = count_batches(load_config(config, overrides=overrides, interpolate=True))
    if batches is None:
        batches = greedy_batches(range(1, 19), 4, 35)
    assert found == batches


def greedy_batches(lengths, size, max_padded):
    """Count batches of sorted lengths, as many docs each as the limits allow."""
    lengths, n = sorted(lengths), 0
    while lengths:
        fits = [k for k in range(1, size + 1) if k <= len(lengths) and k * lengths[k - 1] <= max_padded]
        lengths, n = lengths[max(fits, default=1) :], n + 1
    return n


def test_count_batches_of_two_domains(config):
    found = count_batches(
        load_config(config, overrides={"paths.source": f"{config.parent}/train.spacy"}, interpolate=True)
    )
    assert found == 36 / 4


@pytest.mark.parametrize("epochs", [1, 2, 0.5, 0.01, 7.3])
@pytest.mark.parametrize("min_steps", [0, 23])
@pytest.mark.parametrize("evaluations", [1, 4])
def test_length_in_epochs(config, called, tmp_path, epochs, min_steps, evaluations):
    options = {"epochs": epochs, "min_steps": min_steps, "evaluations": evaluations}
    train(config, tmp_path / "out", overrides={"training.seed": 3}, use_gpu=0, **options)
    ((args, kwargs),) = called
    assert args[:2] == (config, tmp_path / "out")
    assert kwargs["use_gpu"] == 0
    assert kwargs["resume"] is True
    overrides = kwargs["overrides"]
    assert overrides.keys() == {"training.seed", "training.max_steps", "training.eval_frequency"}
    steps, frequency = overrides["training.max_steps"], overrides["training.eval_frequency"]
    assert isinstance(steps, int)
    assert isinstance(frequency, int)
    # At least as long as asked for, by less than one step an evaluation; the last step is scored.
    asked = max(5 * epochs, min_steps)
    assert asked <= steps < asked + evaluations
    assert steps == evaluations * frequency
    assert frequency == math.ceil(asked / evaluations) >= 1


def test_overrides_decide_on_the_count(config, called, tmp_path):
    given = {"training.batcher.size": 2}
    train(config, tmp_path, epochs=2, evaluations=1, overrides=given)
    assert called[0][1]["overrides"] == {
        "training.batcher.size": 2,
        "training.max_steps": 18,
        "training.eval_frequency": 18,
    }
    # The caller's own stays as it is.
    assert given == {"training.batcher.size": 2}


def test_without_epochs_the_config_decides(config, called, tmp_path):
    train(config, tmp_path, min_steps=100)
    assert called[0][1]["overrides"] == {}


@pytest.mark.parametrize("options", [{"epochs": 0}, {"epochs": -1}, {"epochs": 2, "evaluations": 0}])
@pytest.mark.usefixtures("called")
def test_a_length_without_steps_is_an_error(config, tmp_path, options):
    # spaCy reads max_steps = 0 as no end.
    with pytest.raises(CrossnerError):
        train(config, tmp_path, **options)


@pytest.mark.parametrize("epochs", [None, 2])
def test_a_missing_config_is_named(called, tmp_path, epochs):
    with pytest.raises(CrossnerError, match=r"C009.*nowhere\.cfg"):
        train(tmp_path / "nowhere.cfg", tmp_path / "out", epochs=epochs)
    assert not called
    assert not (tmp_path / "out").exists()


def test_a_missing_corpus_is_named_before_training(config, called, tmp_path):
    with pytest.raises(CrossnerError, match=r"nothing\.spacy"):
        train(config, tmp_path / "out", epochs=1, overrides={"paths.train": "nothing.spacy"})
    assert not called


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"corpora.dev.domains.target.path": "no-dev.spacy"}, r"no-dev\.spacy"),
        ({"training.batcher.size": 0}, "C015"),
        ({"training.batcher.@batchers": "nothing.v1"}, "nothing.v1"),
    ],
)
def test_what_the_user_can_mend_is_named_before_training(config, called, tmp_path, overrides, message):
    with pytest.raises(CrossnerError, match=message):
        train(config, tmp_path / "out", epochs=1, overrides=overrides)
    assert not called
