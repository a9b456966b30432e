"""New labels that begin from the encoder's vectors: their rows, what stays as it is, and when nothing is done."""

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_crossner.core.bridge import get_module
from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.data.subsets import draw_subset
from spacy_crossner.errors import CrossnerError
from spacy_crossner.training import label_rows
from spacy_crossner.training.callbacks import create_add_labels, create_init_label_rows
from spacy_crossner.training.label_rows import label_words

TOK2VEC = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 16, "depth": 1, "embed_size": 100, "window_size": 1}
TOK2VEC.update(maxout_pieces=2, subword_features=True, pretrained_vectors=None)
OLD, NEW = ["person", "place"], ["thing", "HomePlanet", "single"]
N_OLD = 1 + 2 * len(OLD)
KINDS = {
    "crf": ("crf_ner", {}),
    "softmax": ("crf_ner", {"use_crf": False}),
    "laner": ("label_aware_ner", {"label_width": 6}),
    "encoder": ("crf_ner", {}),
}


@pytest.fixture(scope="module")
def target(tmp_path_factory, annotated_docs):
    """Give a DocBin in which thing has B and I, single only B, HomePlanet nothing; a blank token and an empty doc."""
    vocab = spacy.blank("xx")
    docs = [*annotated_docs(vocab), Doc(vocab.vocab)]
    docs += [Doc(vocab.vocab, words=["Ada", "\n", "saw", "Z1"], ents=["B-person", "O", "O", "B-single"])]
    docs += [Doc(vocab.vocab, words=["Odd", "Lisp", "Machine"], ents=["", "B-thing", "I-thing"])]
    path = tmp_path_factory.mktemp("target") / "train.spacy"
    write_docbin(docs, path)
    return path


@pytest.fixture(scope="module", params=KINDS)
def source(request, annotated_docs, tiny_encoder):
    """Give the bytes of a trained component without the new labels, and a function that makes one to load them."""
    factory, model = KINDS[request.param]
    encoder = {"@architectures": "spacy_crossner.Encoder.v1", "name": str(tiny_encoder)}
    config = {"model": {**model, "tok2vec": encoder if request.param == "encoder" else TOK2VEC}}

    def make():
        nlp = spacy.blank("xx")
        nlp.add_pipe(factory, name="ner", config=config)
        return nlp

    fix_random_seed(0)
    nlp = make()
    docs = annotated_docs(nlp)
    for doc in docs:
        doc.set_ents([ent for ent in doc.ents if ent.label_ in OLD], default="outside")
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(3):
        nlp.update(examples, sgd=optimizer)
    return nlp.to_bytes(), make


def grown(source):
    """Return a pipeline with the new labels, which begin at random."""
    fix_random_seed(1)
    data, make = source
    nlp = make().from_bytes(data)
    create_add_labels("ner", NEW)(nlp)
    return nlp


def begin(nlp, target, *, block_limit=None, **settings):
    block = {"path": str(target), **({} if block_limit is None else {"limit": block_limit})}
    create_init_label_rows("ner", {"target": block}, **settings)(nlp)
    return nlp


def state(nlp):
    return {name: value.clone() for name, value in get_module(nlp.get_pipe("ner").model).state_dict().items()}


def expected_rows(nlp, docs, name_share):
    """Return the weights (of the token vector) and the biases of the new tags, by loops."""
    ner = nlp.get_pipe("ner")
    tok2vec, head = ner.model.get_ref("tok2vec"), get_module(ner.model)

    def vectors_of(words):
        return np.asarray(tok2vec.predict([Doc(nlp.vocab, words=words)])[0], dtype=np.float64)

    everything, of_tag = [], {}
    for doc in docs:
        tokens = [token for token in doc if not token.is_space]
        for token, vector in zip(tokens, vectors_of([token.text for token in tokens]) if tokens else [], strict=True):
            everything.append(vector)
            if token.ent_type_:
                of_tag.setdefault((token.ent_iob_, token.ent_type_), []).append(vector)
    mean = np.mean(everything, axis=0)
    names = {label: vectors_of(label_words(label)).mean(axis=0) for label in ner.labels}
    mean_name = np.mean([names[label] for label in OLD + NEW], axis=0)
    weight = head.output.weight[:, : len(mean)].detach().numpy().astype(np.float64)
    bias = head.output.bias.detach().numpy().astype(np.float64)
    rows, biases = [], []
    for label in NEW:
        for tag in "BI":
            old = [1 + 2 * i + (tag == "I") for i in range(len(OLD))]
            words = of_tag.get((tag, label)) or of_tag.get(("B", label))
            name = names[label] - mean_name
            name = name / np.linalg.norm(name)
            mention = 0.0 if words is None else np.mean(words, axis=0) - mean
            share = 1.0 if words is None else name_share
            direction = (1 - share) * mention / max(np.linalg.norm(mention), 1e-12) + share * name
            row = direction / np.linalg.norm(direction) * np.mean([np.linalg.norm(weight[k]) for k in old])
            rows.append(row)
            biases.append(np.mean([weight[k] @ mean + bias[k] for k in old]) - row @ mean)
    return torch.tensor(np.array(rows)), torch.tensor(biases), torch.tensor(mean)


@pytest.mark.parametrize("name_share", [0.0, 0.3, 1.0])
def test_the_rows_of_new_labels_are_those_of_a_slow_loop(source, target, name_share):
    nlp = grown(source)
    docs = list(spacy.tokens.DocBin().from_disk(target).get_docs(nlp.vocab))
    weights, biases, mean = expected_rows(nlp, docs, name_share)
    before = state(nlp)
    after = state(begin(nlp, target, name_share=name_share))
    width = weights.shape[1]
    found, found_biases = after["output.weight"].double(), after["output.bias"].double()
    torch.testing.assert_close(found[N_OLD:, :width], weights, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found_biases[N_OLD:], biases, atol=1e-5, rtol=1e-4)
    # The scale of the old rows, and the score of a mean word.
    scores = found[:, :width] @ mean + found_biases
    for first in (1, 2):
        norms = found[first::2, :width].norm(dim=1)
        for old, new in ((norms[:2], norms[2:]), (scores[first::2][:2], scores[first::2][2:])):
            torch.testing.assert_close(new, old.mean().expand(3), atol=1e-4, rtol=1e-4)
    # All else is as it was: the old labels, and the features of a wider layer.
    for name, value in before.items():
        if not name.startswith("crf."):
            changed = (after[name] != value).nonzero()
            assert name.startswith("output.") or not len(changed), name
            assert (changed[:, 0] >= N_OLD).all()
            assert changed.shape[1] == 1 or (changed[:, 1] < width).all()


def test_old_labels_are_scored_as_before_and_new_transitions_are_their_means(source, target):
    nlp = grown(source)
    before = state(nlp)
    doc = nlp.make_doc("Ada met Grace in Oslo .")
    emissions = nlp.get_pipe("ner").model.predict([doc]).emissions
    after = state(begin(nlp, target))
    same = nlp.get_pipe("ner").model.predict([doc]).emissions
    torch.testing.assert_close(same[..., :N_OLD], emissions[..., :N_OLD], atol=1e-5, rtol=1e-5)
    old = slice(None, N_OLD)
    assert torch.equal(after["crf.transitions"][old, old], before["crf.transitions"][old, old])
    transitions = after["crf.transitions"]
    torch.testing.assert_close(transitions[0, N_OLD], before["crf.transitions"][0, [1, 3]].mean())
    assert torch.equal(transitions, state(begin(grown(source), target))["crf.transitions"])
    kept = state(begin(grown(source), target, transitions=False))
    assert all(torch.equal(kept[name], value) for name, value in before.items() if name.startswith("crf."))


def test_a_second_run_gives_the_same_and_draws_nothing(source, target):
    first, second = grown(source), grown(source)
    drawn = torch.get_rng_state()
    first, second = state(begin(first, target)), state(begin(second, target))
    assert all(torch.equal(second[name], value) for name, value in first.items())
    assert torch.equal(torch.get_rng_state(), drawn)


def test_without_a_switch_or_a_new_label_nothing_is_done(source, target, tmp_path):
    nlp = grown(source)
    before = state(nlp)
    # Not even the data is read.
    begin(nlp, tmp_path / "missing.spacy", enabled=False)
    nlp.get_pipe("ner").untrained.clear()
    begin(nlp, tmp_path / "missing.spacy")
    assert all(torch.equal(value, before[name]) for name, value in state(nlp).items())


def test_a_component_that_was_initialized_just_now_stays_as_it_is(annotated_docs, tmp_path):
    nlp = spacy.blank("xx")
    nlp.add_pipe("crf_ner", name="ner", config={"model": {"tok2vec": TOK2VEC}})
    nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc) for doc in annotated_docs(nlp)])
    before = state(nlp)
    begin(nlp, tmp_path / "missing.spacy")
    assert all(torch.equal(value, before[name]) for name, value in state(nlp).items())


@pytest.mark.parametrize("factory", ["moee_ner", "param_gen_ner"])
def test_a_component_without_one_row_for_a_tag_is_refused(factory, annotated_docs, target):
    nlp = spacy.blank("xx")
    model = {"moee_ner": {"expert_width": 4, "tok2vec": TOK2VEC}, "param_gen_ner": {"hidden": 4}}[factory]
    nlp.add_pipe(factory, name="ner", config={"model": model})
    nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc) for doc in annotated_docs(nlp)])
    begin(nlp, target)
    create_add_labels("ner", ["planet"])(nlp)
    with pytest.raises(CrossnerError, match=rf"C522.*'ner'.*{type(nlp.get_pipe('ner')).__name__}.*enabled = false"):
        begin(nlp, target)
    begin(nlp, target, enabled=False)


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_is_from_0_to_1(share):
    with pytest.raises(CrossnerError, match=rf"C523.*{share}"):
        create_init_label_rows("ner", {}, name_share=share)


def test_a_component_that_is_not_there_is_named(target):
    with pytest.raises(CrossnerError, match=r"C008.*'ner'"):
        begin(spacy.blank("xx"), target)


def test_a_component_on_a_shared_encoder_gets_the_rows_of_one_with_its_own(annotated_docs, tmp_path):
    nlp = spacy.blank("xx")
    # Without blank tokens, which only a shared encoder takes in.
    target = tmp_path / "train.spacy"
    write_docbin([*annotated_docs(nlp), Doc(nlp.vocab, words=["A", "Z1"], ents=["O", "B-single"])], target)
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16, "upstream": "tok2vec"}
    nlp.add_pipe("crf_ner", name="ner", config={"model": {"tok2vec": listener}})
    nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc) for doc in annotated_docs(nlp)])
    create_add_labels("ner", ["single"])(nlp)
    random, shared = state(nlp), state(begin(nlp, target))
    nlp.replace_listeners("tok2vec", "ner", ["model.tok2vec"])
    inline = state(begin(nlp, target))
    assert not torch.equal(shared["output.weight"], random["output.weight"])
    torch.testing.assert_close(inline["output.weight"], shared["output.weight"], atol=1e-5, rtol=1e-4)


def test_of_many_docs_some_of_each_type_are_read(source, target, monkeypatch):
    monkeypatch.setattr(label_rows, "MOST_DOCS", 8)
    nlp = grown(source)
    docs = list(spacy.tokens.DocBin().from_disk(target).get_docs(nlp.vocab))
    some = draw_subset(docs, [{ent.label_ for ent in doc.ents} for doc in docs], 8, 3)
    weights, _, _ = expected_rows(nlp, some, 0.3)
    found = state(begin(nlp, target, seed=3))["output.weight"][N_OLD:, : weights.shape[1]].double()
    torch.testing.assert_close(found, weights, atol=1e-5, rtol=1e-4)
    # As of a training corpus with a limit.
    for settings in ({"limit": 8}, {"block_limit": 8}):
        limited = state(begin(grown(source), target, seed=3, **settings))["output.weight"]
        torch.testing.assert_close(limited[N_OLD:, : weights.shape[1]].double(), weights, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("programlang", ["programlang"]),
        ("programming_language", ["programming", "language"]),
        ("programming-language", ["programming", "language"]),
        ("TaskName", ["task", "name"]),
        ("GPEType", ["gpe", "type"]),
        ("PERSON", ["person"]),
        ("year2Date", ["year2", "date"]),
        ("-", ["-"]),
    ],
)
def test_the_words_of_a_label(label, words):
    assert label_words(label) == words
