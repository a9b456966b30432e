import pytest
import spacy
import srsly
import torch
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.util import load_config_from_str
from spacy.vocab import Vocab
from thinc.api import fix_random_seed

from spacy_crossner.core.bridge import get_module
from spacy_crossner.core.likelihood import TagLikelihood
from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.encoders.name_features import name_shim
from spacy_crossner.errors import CrossnerError
from spacy_crossner.training.callbacks import (
    create_add_domains,
    create_add_labels,
    create_add_names,
    create_attach_teacher,
    create_chain,
    create_keep_out,
    create_ramp_weight,
    create_set_losses,
)

CONFIG = """
[nlp]
lang = "en"
pipeline = ["ner"]

[components]

[components.ner]
source = "{source}"

[corpora]

[corpora.train]
@readers = "spacy_crossner.DomainReader.v1"

[corpora.train.domains]

[corpora.train.domains.target]
path = "{data}"

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = "{data}"

[training]
seed = 0
gpu_allocator = null
train_corpus = "corpora.train"
dev_corpus = "corpora.dev"

[initialize]

[initialize.after_init]
@callbacks = "spacy_crossner.add_labels.v1"
component = "{component}"

[initialize.after_init.labels]
@readers = "spacy.read_labels.v1"
path = "{labels}"
"""


@pytest.fixture
def source(annotated_docs, tmp_path):
    """Save a trained pipeline with the labels person, place and thing."""
    nlp = spacy.blank("en")
    nlp.add_pipe("crf_ner", name="ner")
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in annotated_docs(nlp)]
    fix_random_seed(0)
    optimizer = nlp.initialize(lambda: examples)
    nlp.update(examples, sgd=optimizer)
    nlp.to_disk(tmp_path / "source")
    return nlp


def sourced(tmp_path, component="ner", labels=("thing", "robot", "person", "theory")):
    """Initialize a pipeline that sources the saved one and gets labels."""
    if labels is not None:
        srsly.write_json(tmp_path / "labels.json", list(labels))
    write_docbin([Doc(Vocab(), words=["R2", "waits"], ents=["B-robot", "O"])], tmp_path / "data.spacy")
    files = {"source": "source", "labels": "labels.json", "data": "data.spacy"}
    paths = {name: tmp_path / file for name, file in files.items()}
    return init_nlp(load_config_from_str(CONFIG.format(component=component, **paths)))


def test_a_sourced_component_gets_the_new_labels_and_keeps_its_weights(source, tmp_path):
    nlp = sourced(tmp_path)
    ner = nlp.get_pipe("ner")
    # New ones at the end, in the order of the file.
    assert ner.labels == ("person", "place", "thing", "robot", "theory")
    old, new = (get_module(pipe.get_pipe("ner").model).state_dict() for pipe in (source, nlp))
    assert old.keys() == new.keys()
    for name, value in old.items():
        kept = new[name][tuple(slice(n) for n in value.shape)]
        assert new[name].shape[0] == 11
        assert torch.equal(kept, value), name
    # The encoder's weights too: shared types are scored as before.
    text = "Ada met the Z3 in Paris ."
    before = source.get_pipe("ner").model.predict([source.make_doc(text)]).emissions
    after = ner.model.predict([nlp.make_doc(text)]).emissions
    torch.testing.assert_close(after[:, :, :7], before)


def test_the_new_labels_can_be_learned_and_saved(source, tmp_path):
    nlp = sourced(tmp_path)
    doc = Doc(nlp.vocab, words=["R2", "waits"], ents=["B-robot", "O"])
    examples = [Example(nlp.make_doc(doc.text), doc)]
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    for _ in range(15):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(tmp_path / "target")
    (ent,) = spacy.load(tmp_path / "target")("R2 waits").ents
    assert (ent.text, ent.label_) == ("R2", "robot")


def test_labels_that_are_there_change_nothing(source, tmp_path):
    nlp = sourced(tmp_path, labels=["place", "person"])
    assert nlp.get_pipe("ner").labels == source.get_pipe("ner").labels
    old, new = (get_module(pipe.get_pipe("ner").model).state_dict() for pipe in (source, nlp))
    assert all(torch.equal(new[name], value) for name, value in old.items())


@pytest.mark.usefixtures("source")
def test_a_missing_label_file_is_an_error_that_says_so(tmp_path):
    with pytest.raises(CrossnerError, match="label") as caught:
        sourced(tmp_path, labels=None)
    # It is not the component that is missing.
    assert "C008" not in str(caught.value)


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize("component", ["nre", "NER"])
def test_a_component_that_is_not_there_is_named(tmp_path, component):
    with pytest.raises(CrossnerError, match=f"C008.*'{component}'.*components: ner"):
        sourced(tmp_path, component=component)


def test_a_component_that_is_not_ours_is_refused():
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("ner")
    for create, setting, names in (
        (create_add_labels, ["person"], ("sentencizer",)),
        (create_set_losses, {"likelihood": None}, ("ner", "sentencizer")),
    ):
        for name in names:
            with pytest.raises(CrossnerError, match=f"C008.*'{name}'.*sentencizer, ner"):
                create(name, setting)(nlp)


def test_the_baseline_of_spacy_gets_labels(tmp_path):
    nlp = spacy.blank("en")
    ner = nlp.add_pipe("ner")
    doc = Doc(nlp.vocab, words=["R2", "waits"], ents=["B-robot", "O"])
    optimizer = nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc)])
    create_add_labels("ner", ["person", "robot"])(nlp)
    assert set(ner.labels) == {"person", "robot"}
    other = Doc(nlp.vocab, words=["Ada", "waits"], ents=["B-person", "O"])
    for _ in range(30):
        nlp.update([Example(nlp.make_doc(each.text), each) for each in (doc, other)], sgd=optimizer)
    assert [ent.label_ for text in ("Ada waits", "R2 waits") for ent in nlp(text).ents] == ["person", "robot"]


def test_a_stage_may_have_a_loss_and_a_teacher_of_its_own(source):
    losses = {"nll": TagLikelihood(), "again": TagLikelihood(weight=0.5)}
    create_chain(create_set_losses("ner", losses), create_attach_teacher("ner", decay=0.5))(source)
    ner = source.get_pipe("ner")
    assert ner.losses == losses
    assert ner.teacher.decay == 0.5
    # The saved pipeline knows nothing of either.
    assert "again" not in source.config.to_str()
    assert list(spacy.blank("en").from_config(source.config).get_pipe("ner").losses) == ["nll"]


def test_a_stage_without_a_loss_is_an_error(source):
    with pytest.raises(CrossnerError, match=r"\[C012\]"):
        create_set_losses("ner", {})(source)


def test_a_weight_moves_in_a_straight_line(source):
    ramp = create_ramp_weight("ner", "nll", start=0.5, end=2.5, first=10, last=20)
    found = []
    for step in (0, 10, 12, 15, 20, 99):
        ramp(source, {"step": step, "epoch": 0})
        found.append(source.get_pipe("ner").losses["nll"].weight)
    assert found == pytest.approx([0.5, 0.5, 0.9, 1.5, 2.5, 2.5])


def test_a_ramp_needs_a_term_and_an_order(source):
    with pytest.raises(CrossnerError, match=r"\[C045\].*'mmd'.*nll"):
        create_ramp_weight("ner", "mmd", end=1.0)(source, {"step": 0, "epoch": 0})
    for first, last in [(5, 5), (-1, 5)]:
        with pytest.raises(CrossnerError, match=r"\[C046\]"):
            create_ramp_weight("ner", "nll", end=1.0, first=first, last=last)


@pytest.mark.parametrize(
    ("text", "is_in"),
    [
        ("In 1843 ada lovelace wrote notes in  London. They were long.", True),
        ("Ada Lovelace wrote notes.", False),
        # A short sentence of the test set counts as a whole line only.
        ("Nobody came .", True),
        ("It is said that nobody came .", False),
    ],
)
def test_text_for_a_language_model_holds_no_sentence_of_the_test_set(annotated_docs, tmp_path, text, is_in):
    nlp = spacy.blank("en")
    write_docbin(annotated_docs(nlp), tmp_path / "test.spacy")
    (tmp_path / "raw.txt").write_text(f"It was a fine day.\n{text}\n")
    domains = {"raw": {"path": str(tmp_path / "raw.txt"), "role": "unlabelled"}, "target": {"path": None}}
    # Of a sample, too, all that may be drawn is looked at.
    domains["raw"]["sample"] = 1
    keep_out = create_keep_out(domains, {"dev": None, "test": tmp_path / "test.spacy"})
    if is_in:
        with pytest.raises(CrossnerError, match=r"C050.*1 text.*test\.spacy"):
            keep_out(nlp)
    else:
        keep_out(nlp)
    # There may be nothing to compare.
    create_keep_out(domains, {"dev": None})(nlp)
    create_keep_out({"target": {"path": None}}, {"test": tmp_path / "test.spacy"})(nlp)


def test_a_component_gets_the_domains_of_its_new_data(source, annotated_docs):
    nlp = spacy.blank("en")
    ner = nlp.add_pipe("param_gen_ner", name="ner", config={"model": {"hidden": 8}})
    nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc) for doc in annotated_docs(nlp)])
    create_add_domains("ner", ["law", "default"])(nlp)
    assert ner.domains == ("default", "law")
    assert len(get_module(ner.model).encoder.domains) == 2
    with pytest.raises(CrossnerError, match=r"C058.*'ner'.*CRFEntityRecognizer"):
        create_add_domains("ner", ["law"])(source)


@pytest.mark.parametrize(
    "spelling",
    [
        "Café “Oslo” opened for us.",
        "Cafe\u0301 “Oslo” opened for us.",
        "Café\u00a0“Oslo” ope\u00adned for us.",
        'CAFÉ "Oslo" opened for us .',
        "We know: café ``Oslo'' opened for us. It was late.",
    ],
)
def test_no_spelling_of_a_test_sentence_reaches_a_language_model(tmp_path, spelling):
    nlp = spacy.blank("en")
    words = ["Café", "“", "Oslo", "”", "opened", "for", "us", "."]
    write_docbin([Doc(nlp.vocab, words=words)], tmp_path / "test.spacy")
    (tmp_path / "raw.txt").write_text(f"It rained.\n{spelling}\n", encoding="utf8")
    domains = {"raw": {"path": str(tmp_path / "raw.txt"), "role": "unlabelled"}}
    with pytest.raises(CrossnerError, match=r"C050.*1 text"):
        create_keep_out(domains, {"test": tmp_path / "test.spacy"})(nlp)


def test_names_are_added_to_a_trained_component(annotated_docs, source, tmp_path):
    lists = [tmp_path / "first.tsv", tmp_path / "second.tsv"]
    lists[0].write_text("Ada\tperson\n", encoding="utf8")
    lists[1].write_text("Berlin\tplace\nOslo\ttown\n", encoding="utf8")
    nlp = spacy.load(tmp_path / "source")
    texts = [doc.text for doc in annotated_docs(nlp)]

    def answers(pipeline):
        return [doc.to_json() for doc in pipeline.pipe(texts)]

    wanted = answers(nlp)
    create_add_names("ner", None)(nlp)
    assert name_shim(nlp.get_pipe("ner").model.get_ref("tok2vec")) is None
    for path, types in zip(lists, (["person"], ["place", "town"]), strict=True):
        create_add_names("ner", str(path), drop=0.25)(nlp)
        layer = nlp.get_pipe("ner").model.get_ref("tok2vec")
        assert name_shim(layer).names.types == types
        # One layer of names above the encoder, which begins without an effect and is saved.
        assert layer.layers[0].name != layer.name
        assert answers(nlp) == wanted
        path.unlink()
        nlp.to_disk(tmp_path / "saved")
        nlp = spacy.load(tmp_path / "saved")
        assert answers(nlp) == wanted
        assert name_shim(nlp.get_pipe("ner").model.get_ref("tok2vec")).drop == 0.25
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in annotated_docs(nlp)]
    nlp.update(examples, sgd=nlp.resume_training())
    assert name_shim(nlp.get_pipe("ner").model.get_ref("tok2vec"))._model.table.any()


def test_names_replace_those_of_an_encoder(tiny_encoder, annotated_docs, tmp_path):
    path = tmp_path / "list.tsv"
    path.write_text("Ada\tperson\n", encoding="utf8")
    nlp = spacy.blank("en")
    tok2vec = {"@architectures": "spacy_crossner.Encoder.v1", "name": str(tiny_encoder), "names": str(path)}
    nlp.add_pipe("crf_ner", name="ner", config={"model": {"tok2vec": tok2vec}})
    docs = annotated_docs(nlp)
    nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc) for doc in docs])
    path.write_text("Berlin\tplace\nOslo\ttown\n", encoding="utf8")
    create_add_names("ner", [str(path)])(nlp)
    nlp.to_disk(tmp_path / "saved")
    layer = spacy.load(tmp_path / "saved").get_pipe("ner").model.get_ref("tok2vec")
    assert name_shim(layer).names.types == ["place", "town"]
    assert name_shim(layer.layers[0]) is None
