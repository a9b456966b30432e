"""The configs, and what a test needs to train by one."""

from pathlib import Path

from spacy import util

CONFIGS = Path(__file__).parents[2] / "configs"
# Stages that go on from a pipeline.
STAGES = ("finetune", "pdaln", "student")
METHODS = sorted(path.stem for path in CONFIGS.glob("*.cfg") if not path.stem.startswith(STAGES))
# Those with an encoder of their own instead of a pre-trained one.
BILSTM = ("bilstm_crf", "moee", "param_gen")
# The line from which on configs of one kind are the same.
MARK = "# All following sections are the same "
# Narrow layers, so that a step takes no time.
NARROW = {
    "bilstm_crf": {"tok2vec.hidden": 8, "tok2vec.depth": 1},
    "laner": {"label_width": 8},
    "moee": {"expert_width": 8, "tok2vec.hidden": 8, "tok2vec.depth": 1},
    "moee_transformer": {"expert_width": 8},
    "param_gen": {"hidden": 8, "vector_width": 2},
    "param_gen_transformer": {"hidden": 8, "vector_width": 2},
}


def paths(corpus):
    return {"paths.train": str(corpus / "train.spacy"), "paths.dev": str(corpus / "train.spacy")}


def encoder_of(method, tiny_encoder):
    narrow = {f"components.ner.model.{key}": width for key, width in NARROW.get(method, {}).items()}
    if method in BILSTM:
        return {**narrow, "components.ner.model.tok2vec.character_filters": 8}
    return {**narrow, "paths.encoder": str(tiny_encoder)}


def tag(nlp):
    """Tag a short, an empty and a long text; return the entities of each, and the scores of all."""
    docs = list(nlp.pipe(["Ada met Grace.", "", "Grace Hopper found a moth in the Mark II . " * 20]))
    entities = [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in docs]
    return entities, [ent._.score for doc in docs for ent in doc.ents]


def fill(path, **overrides):
    """Return a config with all defaults that spaCy fills in, interpolated."""
    config = util.load_config(path, overrides=overrides)
    return util.load_model_from_config(config, auto_fill=True, validate=False).config.interpolate()


def source_of(name, pretrained):
    return {"paths.pretrained": pretrained} if name.startswith(STAGES) else {}
