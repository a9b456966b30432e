"""`spacy_crossner.NameFeatures.v1` in pipelines: learned, saved without lists, shared, exported, in threads."""

import copy
import pickle
import random
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.encoders.encoder import word_encoder
from spacy_crossner.encoders.name_features import name_shim
from spacy_crossner.evaluation.export import export_encoders

LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16}
KINDS = ("person", "place")


def make_names(count, seed):
    """Return nonsense names with their types, drawn at random: only a list tells the type."""
    generator = random.Random(seed)

    def word():
        return "".join(generator.choice("bcdfghjklmnpqrstvwxz") + generator.choice("aeiou") for _ in range(4))

    return [(word(), kind) for kind in KINDS for _ in range(count)]


SEEN, NEW = make_names(100, 1), make_names(20, 2)
TEXTS = [f"we met {name} in may" for name, _ in NEW] + ["", " ", "we  met\n\nnobody", NEW[0][0]]


def encoder_config(folder):
    return {"@architectures": "spacy_crossner.Encoder.v1", "name": str(folder)}


def names_config(tok2vec, path):
    return {"@architectures": "spacy_crossner.NameFeatures.v1", "names": [path], "drop": 0.1, "tok2vec": tok2vec}


def write_list(folder, names):
    path = folder / "list.tsv"
    path.write_text("".join(f"{name}\t{kind}\n" for name, kind in names), encoding="utf8")
    return path


def gold(nlp, names):
    for name, kind in names:
        yield Doc(nlp.vocab, words=["we", "met", name, "in", "may"], ents=["O", "O", f"B-{kind}", "O", "O"])


def train(nlp, updates=25):
    fix_random_seed(0)
    examples = [Example(without_annotation(doc, nlp.vocab), doc) for doc in gold(nlp, SEEN)]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(updates):
        nlp.update(examples, sgd=optimizer)
    return nlp


def trained(folder, tok2vec, factory="crf_ner", shared=None, updates=25):
    """Train a pipeline that may read a list in a folder, which is then removed."""
    path = write_list(folder, SEEN + NEW)
    nlp = spacy.blank("xx")
    if shared:
        nlp.add_pipe("tok2vec", config={"model": shared(str(path))})
    nlp.add_pipe(factory, name="ner", config={"model": {"tok2vec": tok2vec(str(path))}})
    train(nlp, updates)
    path.unlink()
    return nlp


def right(nlp):
    """Return the share of the new names that are found with their type."""
    docs = nlp.pipe(TEXTS[: len(NEW)])
    found = [[(ent.text, ent.label_) for ent in doc.ents] == [name] for doc, name in zip(docs, NEW, strict=True)]
    return sum(found) / len(NEW)


def answers(nlp):
    return [[(ent.text, ent.label_, round(ent._.score, 6)) for ent in doc.ents] for doc in nlp.pipe(TEXTS)]


def names_in(nlp):
    return name_shim(nlp.get_pipe("ner").model.get_ref("tok2vec"))


@pytest.fixture(scope="module")
def alone(tiny_encoder, tmp_path_factory):
    """Return a pipeline whose component holds the encoder and the names. Its list does not exist any more."""
    folder = tmp_path_factory.mktemp("alone")
    return trained(folder, lambda path: names_config(encoder_config(tiny_encoder), path))


def test_new_names_have_the_types_of_the_list(alone):
    assert right(alone) == 1
    # Not where the features are taken away.
    other = copy.deepcopy(alone)
    names_in(other)._model.table.data.zero_()
    assert right(other) < 0.6


def test_without_a_list_new_names_are_guessed(tiny_encoder):
    nlp = spacy.blank("xx")
    nlp.add_pipe("crf_ner", name="ner", config={"model": {"tok2vec": encoder_config(tiny_encoder)}})
    assert right(train(nlp)) < 0.7


def by_disk(nlp, folder):
    nlp.to_disk(folder)
    return spacy.load(folder)


def by_bytes(nlp, folder):
    return spacy.blank("xx").from_config(nlp.config).from_bytes(nlp.to_bytes())


def by_pickle(nlp, folder):
    return pickle.loads(pickle.dumps(nlp))


def by_deepcopy(nlp, folder):
    return copy.deepcopy(nlp)


def by_source(nlp, folder):
    other = spacy.blank("xx", vocab=nlp.vocab)
    other.add_pipe("ner", source=nlp)
    return other


def by_source_in_a_config(nlp, folder):
    # As `configs/finetune.cfg` goes on with a pipeline.
    nlp.to_disk(folder)
    source = {"source": str(folder), "replace_listeners": ["model.tok2vec"]}
    other = spacy.blank("xx").from_config({"nlp": {"lang": "xx", "pipeline": ["ner"]}, "components": {"ner": source}})
    return by_disk(other, folder / "again")


WAYS = [by_disk, by_bytes, by_pickle, by_deepcopy, by_source, by_source_in_a_config]


@pytest.mark.parametrize("way", WAYS)
def test_a_pipeline_is_whole_without_its_lists(alone, tmp_path, way):
    wanted = answers(alone)
    other = way(alone, tmp_path)
    assert answers(other) == wanted
    assert names_in(other).names.types == list(KINDS)
    assert other.to_bytes(exclude=["vocab", "tokenizer"]) is not None


def test_a_loaded_pipeline_learns_on(alone, tmp_path):
    nlp = by_disk(alone, tmp_path)
    optimizer = nlp.resume_training()
    before = names_in(nlp)._model.table.detach().clone()
    examples = [Example(without_annotation(doc, nlp.vocab), doc) for doc in gold(nlp, SEEN[:9])]
    nlp.update(examples, sgd=optimizer)
    after = names_in(nlp)._model.table.detach().clone()
    assert (after != before).any()
    assert nlp.rehearse(examples, sgd=optimizer)["ner"] > 0
    assert (names_in(nlp)._model.table != after).any()


def test_an_encoder_with_a_list_in_its_block(tiny_encoder, alone, tmp_path):
    def tok2vec(path):
        return {**encoder_config(tiny_encoder), "names": path, "names_drop": 0.1}

    nlp = trained(tmp_path, tok2vec)
    assert answers(nlp) == answers(alone)
    assert answers(by_disk(nlp, tmp_path / "saved")) == answers(alone)


@pytest.mark.parametrize("in_the_block", [True, False])
def test_an_exported_encoder_keeps_the_names(tiny_encoder, tmp_path, in_the_block):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")

    def tok2vec(path):
        if in_the_block:
            return {**encoder_config(tiny_encoder), "names": path, "names_drop": 0.1}
        return names_config(encoder_config(tiny_encoder), path)

    nlp = trained(tmp_path, tok2vec)
    wanted = [[ent[:2] for ent in doc] for doc in answers(nlp)]
    assert export_encoders(nlp, "onnx", int8=False) == ["ner"]
    other = by_disk(nlp, tmp_path / "saved")
    for each in (nlp, other):
        assert [[ent[:2] for ent in doc] for doc in answers(each)] == wanted
    assert names_in(other).drop == 0.1
    assert right(other) == 1


def test_another_tok2vec_below(tmp_path):
    # With two rows for all words, which are too few to know the names by heart.
    below = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 16, "depth": 1, "embed_size": 2, "window_size": 1}
    below.update(maxout_pieces=2, subword_features=True, pretrained_vectors=None)
    nlp = trained(tmp_path, lambda path: names_config(below, path), updates=40)
    assert right(nlp) > 0.9
    assert answers(by_disk(nlp, tmp_path / "saved")) == answers(nlp)


def test_the_head_of_spacy_above(tiny_encoder, tmp_path):
    nlp = trained(tmp_path, lambda path: names_config(encoder_config(tiny_encoder), path), factory="ner", updates=40)
    assert right(nlp) > 0.9
    assert right(by_disk(nlp, tmp_path / "saved")) == right(nlp)


def test_names_above_a_shared_encoder(tiny_encoder, tmp_path):
    nlp = trained(tmp_path, lambda path: names_config(LISTENER, path), shared=lambda path: encoder_config(tiny_encoder))
    assert right(nlp) > 0.9
    wanted = answers(nlp)
    assert answers(by_disk(nlp, tmp_path / "saved")) == wanted
    nlp.replace_listeners("tok2vec", "ner", ["model.tok2vec.tok2vec"])
    nlp.remove_pipe("tok2vec")
    other = by_disk(nlp, tmp_path / "replaced")
    assert word_encoder(other.get_pipe("ner").model.get_ref("tok2vec").layers[0]) is not None
    assert [[ent[:2] for ent in doc] for doc in answers(other)] == [[ent[:2] for ent in doc] for doc in wanted]


def test_a_shared_layer_with_names(tiny_encoder, tmp_path):
    nlp = trained(tmp_path, lambda path: LISTENER, shared=lambda path: names_config(encoder_config(tiny_encoder), path))
    assert right(nlp) > 0.9
    assert answers(by_disk(nlp, tmp_path / "saved")) == answers(nlp)
    nlp.replace_listeners("tok2vec", "ner", ["model.tok2vec"])
    assert names_in(nlp).id != name_shim(nlp.get_pipe("tok2vec").model).id
    nlp.remove_pipe("tok2vec")
    assert right(by_disk(nlp, tmp_path / "replaced")) > 0.9


def test_threads_give_the_answer_of_one(alone):
    def answer(text):
        return [(ent.text, ent.label_, ent._.score) for ent in alone(text).ents]

    expected = [answer(text) for text in TEXTS]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(answer, TEXTS * 4))
    finally:
        sys.setswitchinterval(interval)
    assert found == expected * 4
