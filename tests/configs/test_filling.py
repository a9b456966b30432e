"""Configs hold what differs from the defaults: spaCy fills in the rest, and they differ where a method does."""

import pytest
from spacy import util
from spacy.cli.init_config import fill_config

from .stages import CONFIGS, MARK, STAGES, fill, source_of


@pytest.mark.parametrize(
    "mark",
    [
        MARK + rest
        for rest in (
            "for all methods on a pre-trained encoder.",
            "for all methods on a BiLSTM.",
            "in both configs of the target stage.",
            "in both configs of parameter generation.",
        )
    ],
)
def test_configs_of_one_kind_differ_above_a_line_only(mark):
    texts = [path.read_text() for path in sorted(CONFIGS.glob("*.cfg"))]
    parts = [text.partition(f"\n{mark}\n")[2] for text in texts if f"\n{mark}\n" in text]
    assert len(parts) > 1
    assert len(set(parts)) == 1
    assert parts[0]


def test_all_configs_share_what_no_method_changes(pretrained):
    def shared(path):
        config = fill(path, **source_of(path.stem, pretrained))
        training = {key: value for key, value in config["training"].items() if key != "dropout"}
        batcher = training.pop("batcher")
        # PDALN's adds twins to the batches of another one.
        padded = batcher.get("batcher", batcher)
        optimizer = training.pop("optimizer")
        # The target stage names the seed of its subset, which is that of the reader.
        own = ("domains", "subset_seed")
        reader = {key: value for key, value in config["corpora"]["train"].items() if key not in own}
        dev = {key: value for key, value in config["corpora"]["dev"].items() if key != "domains"}
        return {
            "system": config["system"],
            "nlp": {key: value for key, value in config["nlp"].items() if key != "pipeline"},
            "readers": [reader, dev, list(config["corpora"]["dev"]["domains"])],
            "training": training,
            "optimizer": {key: value for key, value in optimizer.items() if key not in ("encoder_rate", "head_rate")},
            "padded": {key: padded[key] for key in ("@batchers", "seed", "pool", "max_padded", "equal_tokens")},
        }

    found = {path.stem: shared(path) for path in CONFIGS.glob("*.cfg")}
    assert len(found) >= 11
    for name, settings in found.items():
        assert settings == found["crf"], name


def test_stages_take_the_component_of_a_pipeline_in_one_way():
    found = [util.load_config(path)["components"] for path in CONFIGS.glob("*.cfg") if path.stem.startswith(STAGES)]
    assert len(found) >= 3
    taken = {"source": "${paths.pretrained}", "replace_listeners": ["model.tok2vec"]}
    assert all(components == {"ner": taken} for components in found)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.cfg")), ids=lambda path: path.stem)
def test_settings_that_a_config_leaves_out_can_be_overridden(path, pretrained):
    source = source_of(path.stem, pretrained)
    overrides = {
        "paths.train": "some.spacy",
        "paths.log": "some.jsonl",
        "system.seed": 3,
        "corpora.train.limit": 7,
        "corpora.train.domains.target.replace_mentions": 0.25,
        "corpora.train.domains.target.upsample": 2,
        "corpora.dev.domains.target.path": "dev.spacy",
        "training.dropout": 0.25,
        "training.batcher.seed": 4,
        "training.optimizer.encoder_rate": 0.5,
        "training.optimizer.head_rate": 0.25,
        "training.optimizer.weight_decay": 0.0,
    }
    if path.stem != "pdaln":
        overrides.update({"training.batcher.size": 5, "training.batcher.equal_tokens": True})
    if not source:
        overrides.update({"nlp.lang": "de", "components.ner.model.use_crf": False, "components.ner.threshold": 0.5})
    filled = dict(util.dict_to_dot(fill(path, **source, **overrides)))
    assert {name: filled[name] for name in overrides} == overrides
    assert filled["corpora.train.seed"] == filled["training.seed"] == 3
    assert filled["corpora.train.domains.target.path"] == "some.spacy"
    assert filled["training.logger.output_file"] == "some.jsonl"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.cfg")), ids=lambda path: path.stem)
def test_spacy_fills_every_config(path, pretrained, tmp_path):
    source = source_of(path.stem, pretrained)
    base = util.load_config(path, overrides=source, interpolate=False)
    base.to_disk(tmp_path / "base.cfg")
    fill_config(tmp_path / "full.cfg", tmp_path / "base.cfg", silent=True)
    assert fill(tmp_path / "full.cfg") == fill(path, **source)
