"""What every component of ours keeps to, one parametrised file: a new component is a new row in COMPONENTS."""

import pickle

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_crossner.domains import set_domain, without_annotation
from spacy_crossner.errors import CrossnerError
from spacy_crossner.models.bridge import get_module

COMPONENTS = {
    "crf": ("crf_ner", {}),
    "tagger": ("crf_ner", {"model": {"use_crf": False}}),
}

TEXTS = ["Ada met Grace in Oslo.", "", "   ", "No", "\u200b\ufeff\u00a0 🙂 İstanbul \U0001f1f3\U0001f1f4", "a\n\nb\tc"]


@pytest.fixture(scope="module", params=COMPONENTS)
def component(request):
    return COMPONENTS[request.param]


def make_pipeline(component):
    factory, config = component
    nlp = spacy.blank("en")
    nlp.add_pipe(factory, name="ner", config=config)
    return nlp


@pytest.fixture
def untrained(component):
    return make_pipeline(component)


def examples_of(nlp, docs):
    return [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs]


@pytest.fixture(scope="module")
def trained_bytes(component, annotated_docs):
    """Give a pipeline that knows the sample by heart."""
    fix_random_seed(0)
    nlp = make_pipeline(component)
    examples = examples_of(nlp, annotated_docs(nlp))
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    return nlp.to_bytes()


@pytest.fixture
def trained(component, trained_bytes, annotated_docs):
    """Give a copy of that pipeline, and its gold docs."""
    nlp = make_pipeline(component).from_bytes(trained_bytes)
    return nlp, annotated_docs(nlp)


def entities(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def predict_all(nlp, docs):
    return [entities(doc) for doc in nlp.pipe([without_annotation(doc, nlp.vocab) for doc in docs])]


def weights(nlp):
    return {name: value.clone() for name, value in get_module(nlp.get_pipe("ner").model).state_dict().items()}


def test_overfits(trained):
    nlp, docs = trained
    assert nlp.evaluate(examples_of(nlp, docs))["ents_f"] == 1.0
    assert predict_all(nlp, docs) == [entities(doc) for doc in docs]


def test_the_factory_is_found_with_no_import_of_ours(component):
    # In a process of its own, as this one has imported everything.
    import subprocess
    import sys

    code = f"import spacy; print(spacy.blank('en').add_pipe({component[0]!r}).labels)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "()"


def test_uninitialized_says_so(untrained):
    with pytest.raises(ValueError, match="E109"):
        untrained("Ada met Grace.")


def test_labels_implicit_explicit_and_none(untrained, annotated_docs):
    docs = annotated_docs(untrained)
    untrained.initialize(lambda: examples_of(untrained, docs))
    ner = untrained.get_pipe("ner")
    assert ner.labels == ("person", "place", "thing")
    assert ner.label_data == list(ner.labels)


@pytest.mark.parametrize("labels", [["z", "b"], []])
def test_labels_given_are_taken_in_their_order(untrained, annotated_docs, labels):
    ner = untrained.get_pipe("ner")
    examples = examples_of(untrained, annotated_docs(untrained))
    if labels:
        ner.initialize(lambda: examples, nlp=untrained, labels=labels)
        assert ner.labels == ("z", "b")
    else:
        with pytest.raises(CrossnerError, match="C002"):
            ner.initialize(lambda: examples, nlp=untrained, labels=labels)


def test_a_second_initialize_starts_anew(trained):
    nlp, docs = trained
    before = weights(nlp)
    nlp.initialize(lambda: examples_of(nlp, docs))
    assert not torch.equal(before["output.weight"], weights(nlp)["output.weight"])
    assert nlp.get_pipe("ner").labels == ("person", "place", "thing")


def test_an_unknown_label_in_the_gold_data_is_named(trained):
    nlp, _ = trained
    doc = Doc(nlp.vocab, words=["Oslo"], ents=["B-harbour"])
    with pytest.raises(CrossnerError, match="'harbour'"):
        nlp.update(examples_of(nlp, [doc]))


@pytest.mark.parametrize("ents", [None, ["", "", "", ""]])
def test_missing_annotation_leaves_the_weights_alone(trained, ents):
    nlp, _ = trained
    before = weights(nlp)
    docs = [Doc(nlp.vocab, words=["Ada", "met", "old", "Grace"], ents=ents)]
    losses = nlp.update(examples_of(nlp, docs), sgd=plain_sgd())
    assert losses["ner"] == 0.0
    assert all((before[name] == value).all() for name, value in weights(nlp).items())


def test_partial_annotation_teaches_what_is_there(untrained):
    partial = Doc(untrained.vocab, words=["Ada", "met", "Grace"], ents=["B-person", "", ""])
    examples = examples_of(untrained, [partial])
    optimizer = untrained.initialize(lambda: examples)
    for _ in range(20):
        untrained.update(examples, sgd=optimizer)
    assert entities(untrained(without_annotation(partial, untrained.vocab)))[0][:1] == (0,)


def plain_sgd():
    from thinc.api import SGD

    return SGD(0.5)


def test_losses_are_reported_by_name_also_for_empty_batches(trained):
    nlp, docs = trained
    losses = nlp.update(examples_of(nlp, [Doc(nlp.vocab)]), losses={})
    assert losses == {"ner": 0.0, "ner.nll": 0.0}
    losses = nlp.update(examples_of(nlp, docs[:2]), losses={})
    assert losses["ner"] == pytest.approx(losses["ner.nll"])


def test_empty_docs_amid_a_batch(trained):
    nlp, docs = trained
    mixed = [Doc(nlp.vocab), docs[0], Doc(nlp.vocab), docs[1], Doc(nlp.vocab)]
    found = predict_all(nlp, mixed)
    assert found == [[], entities(docs[0]), [], entities(docs[1]), []]
    nlp.update(examples_of(nlp, mixed), sgd=plain_sgd())
    assert predict_all(nlp, [Doc(nlp.vocab)]) == [[]]


def test_pipe_equals_call_and_keeps_the_order(trained):
    nlp, docs = trained
    texts = [*TEXTS, *(doc.text for doc in docs)]
    piped = list(nlp.pipe(texts, batch_size=5))
    assert [doc.text for doc in piped] == texts
    assert [entities(doc) for doc in piped] == [entities(nlp(text)) for text in texts]


def test_a_long_doc_is_tagged_to_its_end(trained):
    nlp, docs = trained
    words = [token.text for token in docs[0]]
    doc = nlp(Doc(nlp.vocab, words=words * 1000))
    assert len({ent.start // len(words) for ent in doc.ents}) > 990


def test_entities_set_before_are_kept(trained):
    nlp, docs = trained
    first = docs[0]
    assert entities(first)[0] == (0, 2, "person")
    doc = without_annotation(first, nlp.vocab)
    doc.ents = [Span(doc, 1, 2, label="engine")]
    doc = nlp(doc)
    assert entities(doc) == [(1, 2, "engine"), *entities(first)[1:]]


@pytest.mark.parametrize("way", ["disk", "bytes", "pickle"])
def test_saved_and_loaded_pipelines_are_the_same(trained, way, tmp_path):
    nlp, docs = trained
    if way == "disk":
        nlp.to_disk(tmp_path)
        loaded = spacy.load(tmp_path)
    elif way == "bytes":
        loaded = spacy.lang.en.English.from_config(nlp.config).from_bytes(nlp.to_bytes())
    else:
        loaded = pickle.loads(pickle.dumps(nlp))
    saved = weights(nlp)
    assert all(torch.equal(saved[name], value) for name, value in weights(loaded).items())
    assert predict_all(loaded, docs) == [entities(doc) for doc in docs]
    assert loaded.get_pipe("ner").labels == nlp.get_pipe("ner").labels


def test_nothing_saved_is_a_pickle(trained, tmp_path):
    nlp, _ = trained
    nlp.to_disk(tmp_path)
    for path in tmp_path.rglob("*"):
        # What torch.save writes: a zip with a data.pkl in it.
        assert not path.is_file() or b"data.pkl" not in path.read_bytes()


def test_an_uninitialized_component_is_saved_too(untrained, tmp_path):
    untrained.get_pipe("ner").add_label("late")
    untrained.to_disk(tmp_path)
    assert spacy.load(tmp_path).get_pipe("ner").labels == ("late",)


def test_labels_grow_and_the_old_ones_keep_their_weights(trained):
    nlp, docs = trained
    before = weights(nlp)
    ner = nlp.get_pipe("ner")
    assert ner.add_label("harbour") == 1
    assert ner.add_label("harbour") == 0
    after = weights(nlp)
    for name, value in before.items():
        grown = after[name]
        assert torch.equal(grown[tuple(slice(0, size) for size in value.shape)], value), name
    new = Doc(nlp.vocab, words=["Bergen", "is", "wet"], ents=["B-harbour", "O", "O"])
    examples = examples_of(nlp, [*docs, new])
    optimizer = nlp.resume_training()
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    assert predict_all(nlp, [*docs, new]) == [entities(doc) for doc in [*docs, new]]


def test_a_sourced_component_goes_on_in_another_pipeline(trained, tmp_path):
    nlp, docs = trained
    nlp.to_disk(tmp_path)
    other = spacy.blank("en")
    other.add_pipe("ner", source=spacy.load(tmp_path))
    assert predict_all(other, docs) == [entities(doc) for doc in docs]


def test_a_frozen_component_annotates_and_does_not_change(trained):
    nlp, docs = trained
    before = weights(nlp)
    nlp.update(examples_of(nlp, docs), sgd=plain_sgd(), exclude=["ner"], annotates=["ner"])
    assert all(torch.equal(before[name], value) for name, value in weights(nlp).items())


def test_the_gradient_reaches_the_tok2vec_layer(untrained, annotated_docs):
    examples = examples_of(untrained, annotated_docs(untrained))
    untrained.initialize(lambda: examples)
    ner = untrained.get_pipe("ner")
    embeddings = {node.id: node for node in ner.model.walk() if node.name == "hashembed"}
    before = {key: node.get_param("E").copy() for key, node in embeddings.items()}
    untrained.update(examples, sgd=plain_sgd())
    assert before
    assert all(not np.array_equal(before[key], node.get_param("E")) for key, node in embeddings.items())


def test_a_decoding_that_is_not_known_is_refused(component):
    factory, config = component
    with pytest.raises(CrossnerError, match="C004"):
        spacy.blank("en").add_pipe(factory, config={**config, "decoding": "loose"})


@pytest.mark.parametrize(("decoding", "expected"), [("lenient", [(1, 2, "person")]), ("strict", [])])
def test_an_inside_tag_that_nothing_opens(component, decoding, expected):
    factory, config = component
    nlp = spacy.blank("en")
    ner = nlp.add_pipe(factory, name="ner", config={**config, "decoding": decoding})
    ner.initialize(lambda: examples_of(nlp, [Doc(nlp.vocab, words=["so"])]), nlp=nlp, labels=["person"])
    doc = Doc(nlp.vocab, words=["so", "Ada"])
    ner.set_annotations([doc], [np.array([0, 2])])
    assert entities(doc) == expected
    assert doc.user_data["ner_tags"] == ["O", "I-person"]


def test_the_domain_reaches_the_losses(trained):
    nlp, docs = trained
    seen = []
    ner = nlp.get_pipe("ner")
    plain = ner.losses["nll"]

    def spy(inputs):
        seen.extend(inputs.domains)
        return plain(inputs)

    spy.weight = 1.0
    ner.losses = {"nll": spy}
    for doc in docs[:2]:
        set_domain(doc, "past")
    nlp.update(examples_of(nlp, docs[:3]))
    assert seen == ["past", "past", None]


def test_analysis_knows_what_is_assigned(untrained):
    analysis = untrained.analyze_pipes()
    assert "doc.ents" in analysis["summary"]["ner"]["assigns"]
    assert untrained.get_factory_meta("crf_ner").default_score_weights["ents_f"] == 1.0
