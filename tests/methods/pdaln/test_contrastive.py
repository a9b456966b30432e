import pytest
import spacy
import torch
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_crossner.annotations.domains import set_pair, without_annotation
from spacy_crossner.core.alignment import find_partners
from spacy_crossner.errors import CrossnerError
from spacy_crossner.methods.pdaln.contrastive import Contrastive, contrastive_loss


def slow_loss(vectors, partners, temperature, normalize):
    """Return the mean of Eq. 7 over all sentences with a partner, one softmax after the other."""
    if normalize:
        vectors = vectors / vectors.norm(dim=1, keepdim=True)
    losses = []
    for i, partner in enumerate(partners):
        if partner < 0:
            continue
        others = [j for j in range(len(vectors)) if j != i]
        chances = torch.stack([torch.exp(vectors[i] @ vectors[j] / temperature) for j in others])
        losses.append(-torch.log(torch.exp(vectors[i] @ vectors[partner] / temperature) / chances.sum()))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("normalize", [True, False])
def test_it_is_a_softmax_over_all_other_sentences(normalize):
    vectors = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    partners = [3, -1, 4, 0, 2]
    fast = contrastive_loss(vectors, torch.tensor(partners), temperature=0.5, normalize=normalize)
    slow = slow_loss(vectors, partners, 0.5, normalize)
    torch.testing.assert_close(fast, slow, rtol=0, atol=1e-12)
    torch.testing.assert_close(torch.autograd.grad(fast, vectors), torch.autograd.grad(slow, vectors))


def test_without_twins_it_is_nothing():
    vectors = torch.randn(3, 2).requires_grad_()
    loss = contrastive_loss(vectors, torch.tensor([-1, -1, -1]), temperature=0.05, normalize=True)
    loss.backward()
    assert loss.item() == 0
    assert not vectors.grad.any()


def test_partners_are_the_places_of_the_same_number():
    assert find_partners([0, None, 5, 0, 5, 7]).tolist() == [3, -1, 4, 0, 2, -1]
    assert find_partners([]).tolist() == []


@pytest.fixture
def trained(annotated_docs):
    """Give a function that makes a component with the term, and its batch: docs and their twins."""

    def make():
        fix_random_seed(0)
        nlp = spacy.blank("en")
        ner = nlp.add_pipe("crf_ner", name="ner")
        docs = annotated_docs(nlp)[:6]
        examples = [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs]
        optimizer = nlp.initialize(lambda: examples)
        ner.losses = {"contrastive": Contrastive(width=8)}
        twins = [nlp.make_doc(doc[:-1].text) for doc in docs]
        batch = [*examples, *(Example(doc, without_annotation(doc, nlp.vocab)) for doc in twins)]
        for place, example in enumerate(batch):
            set_pair(example.predicted, place % len(docs))
        return nlp, ner, batch, optimizer

    return make


def test_the_map_learns_and_is_in_checkpoints_but_in_no_saved_pipeline(trained):
    nlp, ner, batch, optimizer = trained()
    assert ner.losses["contrastive"].state_to_bytes() == b""
    losses = [nlp.update(batch, sgd=optimizer)["ner.contrastive"] for _ in range(6)]
    assert losses[-1] < losses[0]
    state, saved = ner.training_state_to_bytes(), nlp.to_bytes()
    expected = [nlp.update(batch, sgd=optimizer)["ner.contrastive"] for _ in range(3)]
    maps = ner.losses["contrastive"].module.weight.detach().clone()

    again, other, batch, optimizer = trained()
    for _ in range(6):
        again.update(batch, sgd=optimizer)
    other.losses["contrastive"].module = other.losses["contrastive"].optimizer = None
    other.training_state_from_bytes(state)
    assert [again.update(batch, sgd=optimizer)["ner.contrastive"] for _ in range(3)] == expected
    torch.testing.assert_close(other.losses["contrastive"].module.weight.detach(), maps, rtol=0, atol=0)

    plain = spacy.blank("en")
    plain.add_pipe("crf_ner", name="ner")
    plain.from_bytes(saved)
    assert plain("Ada met Grace.").text == "Ada met Grace."


@pytest.mark.parametrize("settings", [{"temperature": 0}, {"width": 0}, {"rate": 0}])
def test_settings_that_make_no_sense(settings):
    with pytest.raises(CrossnerError, match="C038"):
        Contrastive(**settings)
