"""What every component of ours keeps to, one parametrised file: a new component is a new row in COMPONENTS."""

import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_crossner.annotations.domains import set_domain, without_annotation
from spacy_crossner.annotations.tags import label_tags
from spacy_crossner.core.alignment import doc_tags, tags_to_spans
from spacy_crossner.core.bridge import get_module, set_dropout
from spacy_crossner.core.head import Decoding
from spacy_crossner.core.likelihood import TagLikelihood
from spacy_crossner.errors import CrossnerError
from spacy_crossner.storage.formats import FORMAT_VERSION

COMPONENTS = {
    "laner_crf": ("label_aware_ner", {"model": {"label_width": 20, "use_crf": True}}),
    "crf": ("crf_ner", {}),
    "tagger": ("crf_ner", {"model": {"use_crf": False}}),
    "laner": ("label_aware_ner", {"model": {"label_width": 20}}),
    "moee": ("moee_ner", {"model": {"expert_width": 20}}),
    "param_gen": ("param_gen_ner", {"model": {"hidden": 60}}),
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


def output_layer(ner):
    """Return the layer that scores the tags."""
    module = get_module(ner.model)
    return module.output if hasattr(module, "output") else module.outputs[0].output


def examples_of(nlp, docs):
    return [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs]


@pytest.fixture(scope="module")
def trained_bytes(component, learn_by_heart):
    """Give a pipeline that knows the sample by heart."""
    return learn_by_heart(*component)[0].to_bytes()


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
    before = output_layer(nlp.get_pipe("ner")).weight.clone()
    nlp.initialize(lambda: examples_of(nlp, docs))
    assert not torch.equal(before, output_layer(nlp.get_pipe("ner")).weight)
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
    names = {"ner", *(f"ner.{term}" for term in nlp.get_pipe("ner").losses)}
    losses = nlp.update(examples_of(nlp, [Doc(nlp.vocab)]), losses={})
    assert losses == dict.fromkeys(names, 0.0)
    losses = nlp.update(examples_of(nlp, docs[:2]), losses={})
    assert losses["ner"] == pytest.approx(sum(losses[name] for name in names - {"ner"}))


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


@pytest.mark.parametrize("label", ["engine", "place"])
@pytest.mark.parametrize("preset_ents", ["constrain", "keep", "overwrite"])
def test_entities_set_before(trained, preset_ents, label):
    nlp, docs = trained
    first = docs[0]
    ner = nlp.get_pipe("ner")
    ner.preset_ents = preset_ents
    assert entities(first)[0] == (0, 2, "person")
    doc = without_annotation(first, nlp.vocab)
    doc.ents = [Span(doc, 0, 1, label=label, kb_id="Q1")]
    found = entities(nlp(doc))
    if preset_ents == "overwrite":
        assert found == entities(first)
        return
    assert doc.ents[0].kb_id_ == "Q1"
    assert doc.ents[0]._.score == 1.0
    assert found[0] == (0, 1, label)
    assert [span for span in found if span[0] > 1] == entities(first)[1:]
    if preset_ents == "keep":
        assert found == [(0, 1, label), *entities(first)[1:]]
    else:
        # Not made longer: what follows is O or begins anew.
        assert set(found) - {(0, 1, label), *entities(first)} <= {(1, 2, name) for name in ner.labels}


def test_preset_entities_are_the_constraints_of_the_best_path(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    doc = without_annotation(docs[0], nlp.vocab)
    output = ner.model.predict([doc])
    doc.ents = [Span(doc, 1, 3, label="place")]
    # By hand: nothing else there, and no I-place behind.
    begin, inside = (label_tags(ner.labels).index(tag) for tag in ("B-place", "I-place"))
    allowed = torch.ones_like(output.emissions, dtype=torch.bool)
    allowed[0, 1:3] = False
    allowed[0, 1, begin] = allowed[0, 2, inside] = True
    allowed[0, 3, inside] = False
    path = get_module(ner.model).decode(output, Decoding(allowed=allowed))
    expected = tags_to_spans(path.numpy(), np.array([len(doc)]))[:, 1:]
    assert entities(nlp(doc)) == [(start, end, ner.labels[label]) for start, end, label in expected.tolist()]


def test_blocked_tokens_stay_blocked(trained):
    nlp, docs = trained
    doc = without_annotation(docs[0], nlp.vocab)
    doc.set_ents([], blocked=[doc[0:1]], default="missing")
    doc = nlp(doc)
    assert all(ent.start != 0 for ent in doc.ents)
    assert (doc[0].ent_iob, doc[0].ent_type) == (3, 0)


def test_every_entity_has_a_score(trained):
    nlp, docs = trained
    for doc in nlp.pipe([without_annotation(doc, nlp.vocab) for doc in docs]):
        assert all(0.5 < ent._.score <= 1 for ent in doc.ents)
        loaded = Doc(nlp.vocab).from_bytes(doc.to_bytes())
        assert [ent._.score for ent in loaded.ents] == [ent._.score for ent in doc.ents]
        for ent in doc.ents:
            assert doc[ent.start :].as_doc(copy_user_data=True).ents[0]._.score == ent._.score
    assert doc[1:2]._.score is None


def test_the_score_is_the_probability_of_the_span(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    ner.cfg["temperature"] = 3.0
    doc = nlp(without_annotation(docs[1], nlp.vocab))
    (ent,) = doc.ents
    head = get_module(ner.model)
    output = ner.model.predict([doc])
    spans = torch.tensor([[0, ent.start, ent.end, ner.labels.index(ent.label_)]])
    assert ent._.score == pytest.approx(head.span_probabilities(output, spans, Decoding(temperature=3.0)).item())
    assert ent._.score < head.span_probabilities(output, spans, Decoding()).item()


def test_entities_below_the_threshold_are_dropped(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    ner.cfg["temperature"] = 3.0
    doc = nlp(without_annotation(docs[7], nlp.vocab))
    scores = sorted(ent._.score for ent in doc.ents)
    assert len(scores) == 2
    ner.threshold = (scores[0] + scores[1]) / 2
    assert [ent._.score for ent in nlp(without_annotation(docs[7], nlp.vocab)).ents] == scores[1:]


def test_runners_up_come_in_a_spans_group(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    ner.cfg["temperature"] = 5.0
    ner.candidates_key, ner.candidates_floor = "maybe", 0.02
    doc = nlp(without_annotation(docs[0], nlp.vocab))
    group = doc.spans["maybe"]
    scores = [span._.score for span in group]
    assert scores == group.attrs["scores"] == sorted(scores, reverse=True)
    assert min(scores) >= 0.02
    found = {(span.start, span.end, span.label_) for span in group}
    assert len(found) == len(group) > len(doc.ents)
    assert found >= set(entities(doc))
    every = [(s, e, label) for s in range(len(doc)) for e in range(s + 1, len(doc) + 1) for label in range(3)]
    output = ner.model.predict([doc])
    rows = torch.tensor([(0, *span) for span in every])
    values = get_module(ner.model).span_probabilities(output, rows, Decoding(temperature=5.0)).tolist()
    assert found == {(s, e, ner.labels[k]) for (s, e, k), value in zip(every, values, strict=True) if value >= 0.02}


@pytest.mark.parametrize("sentences", [False, True])
def test_windows_of_a_long_doc_give_what_the_whole_gives(component, trained, sentences):
    if component[0] in ("label_aware_ner", "param_gen_ner"):
        pytest.skip("what it reads begins anew in each window: see the tests of its own")
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    ner.window, ner.overlap = 16, 8
    words = [token.text for doc in docs for token in doc]
    starts = [i == 0 for doc in docs for i in range(len(doc))]
    # At a place, an entity of three tokens would begin in one core and end in the next.
    text = {"words": words, "sent_starts": starts} if sentences else {"words": words}
    found = entities(nlp(Doc(nlp.vocab, **text)))
    ner.window = len(words)
    assert found == entities(nlp(Doc(nlp.vocab, **text)))


def test_memory_zone(trained):
    nlp, docs = trained
    expected = [entities(doc) for doc in docs]
    texts = [doc.text for doc in docs]
    for _ in range(2):
        with nlp.memory_zone():
            found = [[(ent.text, ent.label_, ent._.score) for ent in doc.ents] for doc in nlp.pipe(texts)]
    assert [len(spans) for spans in found] == [len(spans) for spans in expected]
    assert all(0 <= score <= 1 for spans in found for _, _, score in spans)


def test_two_processes_after_threads_in_the_parent(component, trained_bytes, tmp_path):
    make_pipeline(component).from_bytes(trained_bytes).to_disk(tmp_path)
    code = f"""
import spacy, torch
torch.set_num_threads(2)
nlp = spacy.load({str(tmp_path)!r})
texts = ["Ada Lovelace wrote notes in London ."] * 8
alone = [[ent.text for ent in doc.ents] for doc in nlp.pipe(texts)]
torch.randn(500, 500) @ torch.randn(500, 500)
both = [[(ent.text, ent._.score) for ent in doc.ents] for doc in nlp.pipe(texts, n_process=2, batch_size=2)]
assert alone[0] and [[text for text, _ in spans] for spans in both] == alone, (alone, both)
assert all(0 <= score <= 1 for spans in both for _, score in spans)
"""
    # A child that waits for the parent's threads would never end.
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_rehearsal_keeps_what_new_labels_would_erase(trained):
    nlp, docs = trained
    words = ["Ada", "Grace", "Alan", "and", "Tommy", "saw", "fog", "in", "London", "Paris", "Oslo", "and", "Berlin"]
    news = [Doc(nlp.vocab, words=words, ents=["B-weather" if word == "fog" else "O" for word in words])]
    news += [Doc(nlp.vocab, words=["Fog", "again"], ents=["B-weather", "O"])]
    ner = nlp.get_pipe("ner")
    ner.add_label("weather")
    optimizer = nlp.resume_training()
    saved = nlp.to_bytes()

    def errors(rehearse):
        copy = nlp.from_bytes(saved)
        copy.resume_training()
        for _ in range(30):
            copy.update(examples_of(copy, news), sgd=optimizer)
            if rehearse:
                losses = copy.rehearse(examples_of(copy, docs), sgd=optimizer)
                assert losses["ner"] > 0
        return sum(a != entities(b) for a, b in zip(predict_all(copy, docs), docs, strict=True))

    assert errors(rehearse=False) > 3 > errors(rehearse=True)


def test_rehearsal_reaches_every_weight(trained):
    nlp, docs = trained
    nlp.resume_training()
    ner = nlp.get_pipe("ner")
    with torch.no_grad():
        # What it knew has faded since.
        output_layer(ner).weight.mul_(0.1)
    before = weights(nlp)
    embedding = next(node for node in ner.model.walk() if node.name == "hashembed")
    vectors = embedding.get_param("E").copy()
    losses = nlp.rehearse(examples_of(nlp, docs), sgd=plain_sgd())
    assert losses["ner"] > 0
    parameters = get_module(ner.model).named_parameters()
    # A task beside the tags takes no part in predictions, nor in rehearsal.
    trainable = [name for name, value in parameters if value.requires_grad and not name.startswith("detector.")]
    after = weights(nlp)
    assert all(not torch.equal(before[name], after[name]) for name in trainable)
    assert not np.array_equal(vectors, embedding.get_param("E"))


def test_rehearsal_asks_nothing_of_labels_that_know_nothing(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    ner.add_label("weather")
    with torch.no_grad():
        output_layer(ner).bias[-2:] = 100.0
    nlp.resume_training()
    tags = ner.earlier_tags(docs[:1])[0]
    assert tags.tolist() == doc_tags(docs[0], ner.labels).tolist()


@pytest.mark.parametrize(
    ("settings", "code"),
    [({"preset_ents": "shift"}, "C018"), ({"threshold": 2.0}, "C019"), ({"window": 8, "overlap": 8}, "C019")],
)
def test_a_setting_out_of_range_is_refused(component, settings, code):
    factory, config = component
    with pytest.raises(CrossnerError, match=code):
        spacy.blank("en").add_pipe(factory, config={**config, **settings})


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
def test_an_inside_tag_that_nothing_opens(component, decoding, expected, monkeypatch):
    factory, config = component
    nlp = spacy.blank("en")
    ner = nlp.add_pipe(factory, name="ner", config={**config, "decoding": decoding})
    ner.initialize(lambda: examples_of(nlp, [Doc(nlp.vocab, words=["so"])]), nlp=nlp, labels=["person"])
    doc = Doc(nlp.vocab, words=["so", "Ada"])
    monkeypatch.setattr(get_module(ner.model), "decode", lambda output, decoding: torch.tensor([[0, 2]]))
    nlp(doc)
    assert entities(doc) == expected
    assert doc.user_data["ner_tags"] == ["O", "I-person"]


def test_the_domain_reaches_the_losses(trained):
    nlp, docs = trained
    seen = []
    ner = nlp.get_pipe("ner")

    class Spy(TagLikelihood):
        def __call__(self, inputs):
            seen.extend(inputs.domains)
            return super().__call__(inputs)

    ner.losses = {"nll": Spy()}
    for doc in docs[:2]:
        set_domain(doc, "past")
    nlp.update(examples_of(nlp, docs[:3]))
    assert seen == ["past", "past", None]


def test_analysis_knows_what_is_assigned(untrained):
    analysis = untrained.analyze_pipes()
    assert "doc.ents" in analysis["summary"]["ner"]["assigns"]
    assert untrained.get_factory_meta("crf_ner").default_score_weights["ents_f"] == 1.0


def test_no_data_is_said(untrained):
    with pytest.raises(TypeError, match="E930"):
        untrained.initialize(lambda: [])
    ner = untrained.get_pipe("ner")
    ner.add_label("person")
    untrained.initialize()
    assert ner.update([], losses={})["ner"] == 0.0
    assert ner.predict([]) == []
    assert list(untrained.pipe([])) == []


@pytest.fixture(scope="module")
def listening_bytes(component, annotated_docs):
    """Give a pipeline that knows the sample by heart, the component above spaCy's shared `tok2vec`."""
    fix_random_seed(0)
    nlp = make_listening(component)
    examples = examples_of(nlp, annotated_docs(nlp))
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(40):
        # Not with `sgd`: the encoder would then take its step before the head's gradient has come.
        nlp.update(examples, sgd=False)
        for _, pipe in nlp.pipeline:
            pipe.finish_update(optimizer)
    return nlp.to_bytes()


def make_listening(component):
    factory, config = component
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    nlp.add_pipe(factory, name="ner", config={**config, "model": {**config.get("model", {}), "tok2vec": listener}})
    return nlp


def test_learns_through_a_listener_and_takes_the_encoder_in(component, listening_bytes, annotated_docs, tmp_path):
    nlp = make_listening(component).from_bytes(listening_bytes)
    docs = annotated_docs(nlp)
    assert predict_all(nlp, docs) == [entities(doc) for doc in docs]
    nlp.replace_listeners("tok2vec", "ner", ["model.tok2vec"])
    nlp.remove_pipe("tok2vec")
    nlp.to_disk(tmp_path)
    assert predict_all(spacy.load(tmp_path), docs) == [entities(doc) for doc in docs]


def test_a_listener_cannot_rehearse(component, listening_bytes, annotated_docs):
    nlp = make_listening(component).from_bytes(listening_bytes)
    nlp.resume_training()
    with pytest.raises(CrossnerError, match="C028"):
        nlp.rehearse(examples_of(nlp, annotated_docs(nlp)))


def test_training_takes_back_what_was_fitted_to_other_weights(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    ner.cfg.update(temperature=2.0, threshold=1.0)
    assert predict_all(nlp, docs[:1]) == [[]]
    nlp.update(examples_of(nlp, docs), sgd=plain_sgd())
    assert (ner.temperature, ner.cfg["threshold"]) == (1.0, 0.0)


def test_threads_get_the_answer_of_one(trained):
    nlp, docs = trained
    # As a module in training would use it; evaluation does not.
    set_dropout(nlp.get_pipe("ner").model, 0.5)
    texts = [doc.text for doc in docs] * 4

    def answer(text):
        doc = nlp(text)
        return [(ent.start, ent.end, ent.label_, ent._.score) for ent in doc.ents]

    expected = [answer(text) for text in texts]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(answer, texts))
    finally:
        sys.setswitchinterval(interval)
    assert sum(a != b for a, b in zip(found, expected, strict=True)) == 0


def test_prediction_leaves_every_layer_in_evaluation_mode(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    layers = [layer for shim in shims_of(ner.model) for layer in shim._model.modules()]
    nlp.update(examples_of(nlp, docs[:2]))
    assert all(layer.training for layer in layers)
    nlp("Ada met Grace.")
    assert not any(layer.training for layer in layers)
    ner.add_label("more")
    nlp("Ada met Grace.")
    assert not any(layer.training for shim in shims_of(ner.model) for layer in shim._model.modules())


def shims_of(model):
    return [shim for node in model.walk() for shim in node.shims]


BLANKS = {
    "line break": lambda i: "\n" if i % 3 == 2 else " ",
    "two blanks": lambda i: "  " if i % 2 else " ",
    "empty line": lambda i: "\n\n" if i % 4 == 3 else " ",
    "windows line break": lambda i: "\r\n" if i % 3 == 1 else " ",
    "no-break space": lambda i: " \u00a0" if i % 3 == 1 else " ",
}


@pytest.mark.parametrize("blanks", BLANKS)
def test_blanks_between_words_change_nothing(trained, blanks):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    ner.candidates_key = "maybe"
    for gold in docs:
        words = [token.text for token in gold]
        text, places = "", []
        for i, word in enumerate(words):
            places.append(len(text))
            text += word + BLANKS[blanks](i)
        plain = nlp(Doc(nlp.vocab, words=words))
        doc = nlp(nlp.tokenizer(text))
        if [token.text for token in doc if not token.is_space] != words:
            continue
        expected = [(places[e.start], places[e.end - 1] + len(e[-1]), e.label_, e._.score) for e in plain.ents]
        found = [(ent.start_char, ent.end_char, ent.label_, ent._.score) for ent in doc.ents]
        assert [span[:3] for span in found] == [span[:3] for span in expected]
        assert [span[3] for span in found] == pytest.approx([span[3] for span in expected], abs=1e-4)
        for span in [*doc.ents, *doc.spans["maybe"]]:
            assert not span[0].is_space
            assert not span[-1].is_space
        assert len(doc.spans["maybe"]) == len(plain.spans["maybe"])


def test_blanks_alone_are_no_entity(trained):
    nlp, _ = trained
    for text in [" ", "\n\n", "\t \n", "\u00a0"]:
        doc = nlp(text)
        assert len(doc) > 0
        assert doc.ents == ()
        assert doc.has_annotation("ENT_IOB")


def test_blanks_in_training_teach_nothing(trained):
    nlp, _ = trained
    plain = Doc(nlp.vocab, words=["Ada", "Lovelace", "wrote"], ents=["B-person", "I-person", "O"])
    odd = Doc(
        nlp.vocab,
        words=["\n", "Ada", " ", "Lovelace", "\n\n", "wrote", " "],
        ents=["B-person", "I-person", "I-person", "I-person", "O", "O", "O"],
    )
    head = get_module(nlp.get_pipe("ner").model)
    found = []
    for doc in (plain, odd):
        # No dropout and no draw: the same words, so the same loss and gradient.
        fix_random_seed(0)
        losses = nlp.update(examples_of(nlp, [doc]), sgd=False)
        found.append(
            (
                losses["ner"],
                {name: value.grad.clone() for name, value in head.named_parameters() if value.grad is not None},
            )
        )
        head.zero_grad()
    (loss, gradients), (other_loss, other_gradients) = found
    assert other_loss == pytest.approx(loss, rel=1e-5)
    assert gradients.keys() == other_gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(other_gradients[name], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("decoding", ["constrained", "lenient", "strict"])
def test_no_entity_crosses_a_preset_sentence_start(trained, decoding):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    ner.decoding, ner.candidates_key, ner.candidates_floor = decoding, "maybe", 1e-6
    gold = docs[0]
    assert entities(gold)[0] == (0, 2, "person")
    words = [token.text for token in gold]
    whole = nlp(Doc(nlp.vocab, words=words))
    assert entities(whole)[0] == (0, 2, "person")
    cut = nlp(Doc(nlp.vocab, words=words, sent_starts=[i in (0, 1) for i in range(len(words))]))
    for span in [*cut.ents, *cut.spans["maybe"]]:
        assert not span.start < 1 < span.end
    # A sentence that starts with a blank token starts with the word after it.
    words.insert(1, "\n")
    cut = nlp(Doc(nlp.vocab, words=words, sent_starts=[i in (0, 1) for i in range(len(words))]))
    for span in [*cut.ents, *cut.spans["maybe"]]:
        assert not span.start < 1 < span.end


def test_an_equal_entity_that_is_kept_is_certain(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    ner.preset_ents, ner.candidates_key = "keep", "maybe"
    ner.cfg["temperature"] = 5.0
    start, end, label = entities(docs[0])[0]
    doc = without_annotation(docs[0], nlp.vocab)
    doc.ents = [Span(doc, start, end, label=label)]
    doc = nlp(doc)
    assert entities(doc)[0] == (start, end, label)
    assert doc.ents[0]._.score == 1.0
    assert max(doc.spans["maybe"].attrs["scores"]) == doc.spans["maybe"].attrs["scores"][0] == 1.0


def test_blocked_gold_tokens_are_outside(trained):
    nlp, _ = trained
    words = ["Ada", "met", "old", "Grace"]
    blocked, outside = Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words)
    blocked.set_ents([Span(blocked, 3, 4, label="person")], blocked=[blocked[0:1]])
    outside.set_ents([Span(outside, 3, 4, label="person")])
    assert doc_tags(blocked, ("person",)).tolist() == doc_tags(outside, ("person",)).tolist() == [0, 0, 0, 1]
    losses = []
    for gold in (blocked, outside):
        fix_random_seed(0)
        losses.append(nlp.update(examples_of(nlp, [gold]), sgd=False)["ner"])
    assert losses[0] == pytest.approx(losses[1])


def test_a_frozen_component_predicts_as_before(trained):
    nlp, docs = trained
    before = [[(ent.text, ent._.score) for ent in doc.ents] for doc in nlp.pipe(doc.text for doc in docs)]
    for parameter in get_module(nlp.get_pipe("ner").model).parameters():
        parameter.requires_grad_(False)
    after = [[(ent.text, ent._.score) for ent in doc.ents] for doc in nlp.pipe(doc.text for doc in docs)]
    assert before == after


def test_docs_go_to_json_and_back(trained):
    nlp, docs = trained
    doc = nlp(without_annotation(docs[0], nlp.vocab))
    doc._.domain = "history"
    saved = json.loads(json.dumps(doc.to_json(underscore=["score", "domain"])))
    loaded = Doc(nlp.vocab).from_json(saved)
    assert [(e.text, e.label_, e._.score) for e in loaded.ents] == [(e.text, e.label_, e._.score) for e in doc.ents]
    assert all(isinstance(row["value"], float) for row in saved["underscore_span"]["score"])
    assert loaded._.domain == "history"
    joined = Doc.from_docs([nlp("Grace Hopper met Ada."), doc])
    assert [ent._.score for ent in joined.ents][-len(doc.ents) :] == [ent._.score for ent in doc.ents]


def test_a_later_format_is_refused_and_none_is_the_first(trained, tmp_path):
    nlp, docs = trained
    expected = entities(nlp(docs[0].text))
    nlp.to_disk(tmp_path)
    cfg = tmp_path / "ner" / "cfg"
    saved = json.loads(cfg.read_text())
    assert saved["format"] == FORMAT_VERSION
    cfg.write_text(json.dumps({**saved, "format": FORMAT_VERSION + 1}))
    with pytest.raises(CrossnerError, match=f"component 'ner' .*format {FORMAT_VERSION + 1}"):
        spacy.load(tmp_path)
    del saved["format"]
    cfg.write_text(json.dumps(saved))
    loaded = spacy.load(tmp_path)
    assert entities(loaded(docs[0].text)) == expected
    assert loaded.get_pipe("ner").cfg["format"] == FORMAT_VERSION


def test_a_score_from_json_stays_beside_runners_up(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    ner.preset_ents, ner.candidates_key, ner.candidates_floor = "keep", "maybe", 1e-9
    doc = without_annotation(docs[0], nlp.vocab)
    doc.ents = [Span(doc, 0, 2, label="thing")]
    doc[0:2]._.score = 0.25
    doc = nlp(doc)
    assert (doc.ents[0].label_, doc.ents[0]._.score) == ("thing", 0.25)
