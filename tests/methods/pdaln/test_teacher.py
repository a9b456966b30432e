import copy

import pytest
import spacy
import torch
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_crossner.annotations.domains import set_domain, without_annotation
from spacy_crossner.core.bridge import get_module
from spacy_crossner.core.weights import node_weights
from spacy_crossner.errors import CrossnerError
from spacy_crossner.methods.pdaln.distillation import Distillation
from spacy_crossner.methods.pdaln.teacher import Teacher, make_teacher

FACTORIES = ["crf_ner", "label_aware_ner", "moee_ner"]
LAYOUTS = ["own", "tok2vec", pytest.param("transformer", marks=pytest.mark.spacy_trf)]


def make_pipeline(layout, tiny_encoder, annotated_docs, factory="crf_ner"):
    """Return a pipeline that was updated once, its component `ner`, and examples."""
    nlp = spacy.blank("en")
    config = {}
    if layout == "tok2vec":
        nlp.add_pipe("tok2vec")
        config = {"model": {"tok2vec": {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}}}
    elif layout == "transformer":
        windows = {"@span_getters": "spacy_crossner.PieceWindows.v1"}
        encoder = {"@architectures": "spacy_crossner.TransformerModel.v1", "name": str(tiny_encoder)}
        nlp.add_pipe("transformer", config={"model": {**encoder, "get_spans": windows}})
        pooling = {"@layers": "reduce_mean.v1"}
        listener = {"@architectures": "spacy-transformers.TransformerListener.v1", "pooling": pooling}
        config = {"model": {"tok2vec": listener}}
    ner = nlp.add_pipe(factory, name="ner", config=config)
    examples = [Example(without_annotation(doc, nlp.vocab), doc) for doc in annotated_docs(nlp)]
    for i, example in enumerate(examples):
        for doc in (example.predicted, example.reference):
            set_domain(doc, "adaptive" if i % 2 else "ai")
    fix_random_seed(0)
    optimizer = nlp.initialize(lambda: examples)
    step(nlp, examples, optimizer)
    return nlp, ner, examples, optimizer


def step(nlp, examples, optimizer):
    nlp.update(examples, sgd=False)
    for _, pipe in nlp.components:
        pipe.finish_update(optimizer)


def gold_rows(ner, examples, docs):
    rows = ner.make_rows(docs)
    return rows.with_tags(ner.gold_tags(examples, rows))


def own_log_probabilities(nlp, ner, examples):
    """Return what the component itself says, through the whole pipeline."""
    docs = [without_annotation(example.reference, nlp.vocab) for example in examples]
    for _, pipe in nlp.components:
        if pipe is not ner:
            pipe.set_annotations(docs, pipe.predict(docs))
    with torch.no_grad():
        output = ner.model.predict(gold_rows(ner, examples, docs))
        return get_module(ner.model).log_probabilities(output), output.mask


def asked(teacher, nlp, ner, examples):
    docs = [without_annotation(example.reference, nlp.vocab) for example in examples]
    rows = gold_rows(ner, examples, docs)
    return teacher.log_probabilities(rows, rows.tags, torch.ones(len(docs), dtype=torch.bool)), docs


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_says_what_the_component_says(layout, tiny_encoder, annotated_docs):
    nlp, ner, examples, optimizer = make_pipeline(layout, tiny_encoder, annotated_docs)
    teacher = make_teacher(nlp, "ner", every=5)
    own, mask = own_log_probabilities(nlp, ner, examples)
    found, docs = asked(teacher, nlp, ner, examples)
    torch.testing.assert_close(found[mask], own[mask], rtol=0, atol=1e-5)
    # It leaves no trace on the docs, and stays when the component moves on.
    assert all(doc._.trf_data is None for doc in docs if doc.has_extension("trf_data"))
    step(nlp, examples, optimizer)
    teacher._cache.clear()
    again, _ = asked(teacher, nlp, ner, examples)
    assert torch.equal(again[mask], found[mask])
    assert (own_log_probabilities(nlp, ner, examples)[0] - own)[mask].abs().max() > 1e-4


@pytest.mark.parametrize("factory", FACTORIES)
def test_every_head_has_one(factory, tiny_encoder, annotated_docs):
    nlp, ner, examples, _ = make_pipeline("own", tiny_encoder, annotated_docs, factory)
    own, mask = own_log_probabilities(nlp, ner, examples)
    found, _ = asked(make_teacher(nlp, "ner", decay=0.9), nlp, ner, examples)
    torch.testing.assert_close(found[mask], own[mask], rtol=0, atol=1e-5)
    torch.testing.assert_close(found[mask].exp().sum(dim=1), torch.ones(int(mask.sum())), rtol=0, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_becomes_the_component_again_after_so_many_updates(layout, tiny_encoder, annotated_docs):
    nlp, ner, examples, optimizer = make_pipeline(layout, tiny_encoder, annotated_docs)
    ner.teacher = make_teacher(nlp, "ner", every=3)
    first, _ = asked(ner.teacher, nlp, ner, examples)
    for n in range(1, 7):
        step(nlp, examples, optimizer)
        own, mask = own_log_probabilities(nlp, ner, examples)
        found, _ = asked(ner.teacher, nlp, ner, examples)
        if n < 3:
            assert torch.equal(found, first)
        assert ((found - own)[mask].abs().max() < 1e-5) == (n % 3 == 0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_mean_teacher_is_the_moving_average(layout, tiny_encoder, annotated_docs):
    nlp, ner, examples, optimizer = make_pipeline(layout, tiny_encoder, annotated_docs)
    ner.teacher = teacher = make_teacher(nlp, "ner", decay=0.9)
    students = [pair[1] for pair in teacher.pairs]

    def weights(nodes):
        return [tensor.detach().clone() for node in nodes for _, _, tensor in node_weights(node)]

    history = [weights(students)]
    for _ in range(4):
        step(nlp, examples, optimizer)
        history.append(weights(students))
    # Closed form: 0.9^4 of the first, and 0.1 * 0.9^(4 - n) of what came after update n.
    for i, found in enumerate(weights([pair[0] for pair in teacher.pairs])):
        if not found.is_floating_point():
            assert torch.equal(found, history[-1][i])
            continue
        wanted = 0.9**4 * history[0][i] + sum(0.1 * 0.9 ** (4 - n) * history[n][i] for n in range(1, 5))
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def test_it_is_asked_once_of_each_doc(annotated_docs, tiny_encoder, monkeypatch):
    nlp, ner, examples, _ = make_pipeline("own", tiny_encoder, annotated_docs)
    teacher = make_teacher(nlp, "ner", every=5)
    calls = []
    predict = teacher._predict
    monkeypatch.setattr(teacher, "_predict", lambda rows, new, tags: calls.append(len(new)) or predict(rows, new, tags))
    whole, _ = asked(teacher, nlp, ner, examples)
    part, _ = asked(teacher, nlp, ner, examples[3:6])
    longest = max(len(example.reference) for example in examples[3:6])
    assert torch.equal(part, whole[3:6, :longest])
    # A doc with other tags is another one, as an autoregressive head reads them.
    docs = [without_annotation(examples[0].reference, nlp.vocab)]
    zeros = torch.zeros(1, len(docs[0]), dtype=torch.int64)
    teacher.log_probabilities(ner.make_rows(docs), zeros, torch.tensor([True]))
    assert calls == [len(examples), 1]
    # Of what no one wants to know it says nothing.
    docs = [without_annotation(example.reference, nlp.vocab) for example in examples]
    selected = torch.arange(len(docs)) < 2
    rows = gold_rows(ner, examples, docs)
    some = teacher.log_probabilities(rows, rows.tags, selected)
    assert torch.equal(some[:2], whole[:2])
    assert not some[2:].any()
    assert not teacher.log_probabilities(rows, rows.tags, selected & False).any()
    assert calls == [len(examples), 1]


@pytest.mark.spacy_trf
@pytest.mark.parametrize("mode", [{"every": 3}, {"decay": 0.5}])
def test_its_state_comes_back(mode, tiny_encoder, annotated_docs):
    nlp, ner, examples, optimizer = make_pipeline("transformer", tiny_encoder, annotated_docs)
    ner.teacher = make_teacher(nlp, "ner", **mode)
    asked(ner.teacher, nlp, ner, examples)
    step(nlp, examples, optimizer)
    saved = ner.teacher.to_bytes()
    other = make_teacher(nlp, "ner", **mode)
    other.from_bytes(saved)
    assert other.updates == 1
    assert torch.equal(asked(other, nlp, ner, examples)[0], asked(ner.teacher, nlp, ner, examples)[0])
    # The weights as well as the cache.
    other._cache.clear(), ner.teacher._cache.clear()
    assert torch.equal(asked(other, nlp, ner, examples)[0], asked(ner.teacher, nlp, ner, examples)[0])


@pytest.mark.spacy_trf
def test_the_saved_pipeline_has_none(tiny_encoder, annotated_docs):
    nlp, ner, _, _ = make_pipeline("transformer", tiny_encoder, annotated_docs)
    before = len(ner.to_bytes())
    ner.teacher = make_teacher(nlp, "ner", decay=0.9)
    assert len(ner.to_bytes()) == before


def test_the_component_learns_from_it(tiny_encoder, annotated_docs):
    nlp, ner, examples, _ = make_pipeline("own", tiny_encoder, annotated_docs)
    ner.losses = {"nll": ner.losses["nll"], "distillation": Distillation(average="tokens", domain=None, weight=1.0)}
    with pytest.raises(CrossnerError, match=r"\[C044\].*distillation"):
        ner.update(examples)
    ner.teacher = make_teacher(nlp, "ner", every=100)
    # At first they are the same: no gradient but that of rounding. Then it is drawn back.
    head = get_module(ner.model)
    head.zero_grad()
    ner.update(examples)
    assert max(weights.grad.abs().max() for weights in head.parameters()) < 1e-5
    with torch.no_grad():
        head.output.weight.add_(torch.randn_like(head.output.weight))
    optimizer = nlp.create_optimizer()
    losses = [ner.update(examples, sgd=optimizer)["ner.distillation"] for _ in range(20)]
    assert losses[-1] < losses[0] - 0.01


def test_labels_come_before_the_teacher(tiny_encoder, annotated_docs):
    nlp, ner, examples, _ = make_pipeline("own", tiny_encoder, annotated_docs)
    ner.losses = {**ner.losses, "distillation": Distillation(domain=None)}
    ner.teacher = make_teacher(nlp, "ner", every=5)
    ner.add_label("field")
    with pytest.raises(CrossnerError, match=r"\[C042\]"):
        ner.update(examples)


@pytest.mark.parametrize("mode", [{}, {"every": 2, "decay": 0.9}, {"every": -1}, {"decay": 1.0}])
def test_modes_without_a_meaning_are_errors(mode, tiny_encoder, annotated_docs):
    _, ner, _, _ = make_pipeline("own", tiny_encoder, annotated_docs)
    with pytest.raises(CrossnerError, match=r"\[C039\]"):
        Teacher(copy.deepcopy(ner.model), [], **mode)
