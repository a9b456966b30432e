import pytest
import torch

from spacy_crossner.annotations.tags import allowed_starts, allowed_transitions, label_tags
from spacy_crossner.core.head import Decoding
from spacy_crossner.methods.cross_lm.generator import LANGUAGE_MODEL, NER
from spacy_crossner.methods.cross_lm.head import DOMAINS, STATES, TASKS, GeneratedTagger

TAGS = label_tags(["person", "place"])
MASK = torch.tensor([[True] * 4, [True] * 4, [True, True, False, False], [True] * 4, [True, False, False, False]])
DOMAIN_OF = torch.tensor([1, 0, 1, 0, 1])
GOLD = torch.tensor([[1, 2, 0, 0], [-1] * 4, [0, 3, -1, -1], [0, 0, 1, 0], [-1] * 4])
WORD_OF = torch.tensor([[0, 1, 2, 3], [3, 2, -1, 0], [1, 1, 0, 0], [0, 0, 0, 0], [2, 0, 0, 0]])


def make_head(**settings):
    torch.manual_seed(0)
    constraints = torch.from_numpy(allowed_starts(TAGS)), torch.from_numpy(allowed_transitions(TAGS))
    defaults = {"n_domains": 2, "n_words": 4, "hidden": 3, "vector_width": 2, "spread": 1.0, "use_domains": True}
    defaults |= {"use_tasks": True, "share_output": False, "use_crf": True}
    head = GeneratedTagger(5, *constraints, **{**defaults, **settings}).double()
    with torch.no_grad():
        for weights in head.parameters():
            weights.copy_(torch.randn_like(weights))
    return head


def make_tokens():
    torch.manual_seed(1)
    return torch.randn(int(MASK.sum()), 5, dtype=torch.float64)


def row_by_row(head, tokens, gold=None):
    """Return the outputs of all rows, each run by itself."""
    found, start = [], 0
    for row, length in enumerate(MASK.sum(dim=1).tolist()):
        own = tokens[start : start + length]
        start += length
        mask = torch.ones(1, length, dtype=torch.bool)
        settings = {"domains": DOMAIN_OF[row : row + 1]}
        if gold is not None:
            settings |= {"tags": gold[row : row + 1, :length], "words": WORD_OF[row : row + 1, :length]}
        found.append(head(own, mask, **settings))
    return found


@pytest.mark.parametrize("share_output", [True, False])
def test_each_row_gets_the_weights_of_its_domain_and_task(share_output):
    head, tokens = make_head(share_output=share_output), make_tokens()
    output = head(tokens, MASK, GOLD, domains=DOMAIN_OF, words=WORD_OF)
    assert output.extras[TASKS].tolist() == [NER, LANGUAGE_MODEL, NER, NER, LANGUAGE_MODEL]
    start = 0
    for row, length in enumerate(MASK.sum(dim=1).tolist()):
        domain, task = int(DOMAIN_OF[row]), int(output.extras[TASKS][row])
        weights = head.encoder.weights_of([(domain, task)])[0]
        states = head.encoder(tokens[start : start + length].unsqueeze(0), torch.tensor([length]), weights)
        torch.testing.assert_close(output.extras[STATES][row, :length], states[0], rtol=0, atol=1e-12)
        emissions = head.outputs[0 if share_output else domain].output(states[0])
        torch.testing.assert_close(output.emissions[row, :length], emissions, rtol=0, atol=1e-12)
        start += length


@pytest.mark.parametrize("share_output", [True, False])
@pytest.mark.parametrize("use_crf", [True, False])
def test_a_mixed_batch_gives_what_its_rows_give(share_output, use_crf):
    head, tokens = make_head(share_output=share_output, use_crf=use_crf), make_tokens()
    output = head(tokens, MASK, domains=DOMAIN_OF)
    assert (output.extras[TASKS] == NER).all()
    alone = row_by_row(head, tokens)
    allowed = torch.rand(*MASK.shape, len(TAGS), generator=torch.Generator().manual_seed(3)) < 0.7
    allowed[:, :, 0] = True
    for decoding in (Decoding(), Decoding(allowed=allowed)):
        paths = head.decode(output, decoding)
        spans, scores = head.candidates(output, 0.01, decoding)
        torch.testing.assert_close(head.span_probabilities(output, spans, decoding), scores.double())
        assert set(spans[:, 0].tolist()) == set(range(5))
        for row, own in enumerate(alone):
            length = own.mask.shape[1]
            rules = Decoding(allowed=None if decoding.allowed is None else allowed[row : row + 1, :length])
            assert torch.equal(paths[row, :length], head.decode(own, rules)[0])
            own_spans, own_scores = head.candidates(own, 0.01, rules)
            here = spans[:, 0] == row
            order = torch.argsort(spans[here, 1] * 100 + spans[here, 2] * 10 + spans[here, 3])
            own_order = torch.argsort(own_spans[:, 1] * 100 + own_spans[:, 2] * 10 + own_spans[:, 3])
            assert torch.equal(spans[here][order, 1:], own_spans[own_order, 1:])
            torch.testing.assert_close(scores[here][order], own_scores[own_order])
    log_probabilities = head.log_probabilities(output)
    for row, own in enumerate(alone):
        torch.testing.assert_close(log_probabilities[row, : own.mask.shape[1]], head.log_probabilities(own)[0])


@pytest.mark.parametrize("share_output", [True, False])
def test_losses_are_the_means_over_rows(share_output):
    head, tokens = make_head(share_output=share_output), make_tokens()
    output = head(tokens, MASK, GOLD, domains=DOMAIN_OF, words=WORD_OF)
    alone = row_by_row(head, tokens, GOLD)
    counts = (GOLD >= 0).sum(dim=1).tolist()
    slow = sum(
        head.nll(own, GOLD[row : row + 1, : own.mask.shape[1]]) * counts[row]
        for row, own in enumerate(alone)
        if counts[row]
    ) / sum(counts)
    torch.testing.assert_close(head.nll(output, GOLD), slow, rtol=0, atol=1e-12)
    # Two words are found in each direction of row 1, but for the unknown third: 3, 2, ?, 0. Row 4 has one word only.
    words, states = [3, 2, -1, 0], output.extras[STATES][1]
    pairs = [(states[0, :3], 2), (states[2, :3], 0), (states[1, 3:], 3), (states[2, 3:], 2)]
    losses = [-(head.words.vectors @ state + head.words.bias).log_softmax(dim=0)[word] for state, word in pairs]
    assert WORD_OF[1].tolist() == words
    every = torch.ones(5, dtype=torch.bool)
    found = head.language_model_nll(output, every, None, correct=True)
    torch.testing.assert_close(found, torch.stack(losses).mean(), rtol=0, atol=1e-12)
    # The language model of the other domain has one word and nothing to find.
    assert head.language_model_nll(output, DOMAIN_OF == 1, None, correct=True).item() == 0


def test_one_step_reaches_all_that_algorithm_1_names():
    head, tokens = make_head(), make_tokens()
    output = head(tokens, MASK, GOLD, domains=DOMAIN_OF, words=WORD_OF)
    every = torch.ones(5, dtype=torch.bool)
    (head.nll(output, GOLD) + head.language_model_nll(output, every, 3, correct=True)).backward()
    for name, weights in head.named_parameters():
        assert weights.grad is not None, name
    assert (head.encoder.domains.grad.abs().sum(dim=1) > 0).all()
    assert (head.encoder.tasks.grad.abs().sum(dim=1) > 0).all()


def test_rows_are_run_again_in_their_places():
    head, tokens = make_head(), make_tokens()
    output = head(tokens, MASK, GOLD, domains=DOMAIN_OF, words=WORD_OF)
    again = head.rerun(output, tokens, GOLD)
    assert torch.equal(again.emissions, output.emissions)
    assert not torch.equal(head.rerun(output, tokens + 1, GOLD).emissions, output.emissions)
    assert torch.equal(output.emissions, again.emissions)


def test_domains_grow():
    head, tokens = make_head(), make_tokens()
    before = head(tokens, MASK, domains=DOMAIN_OF).emissions
    head.grow_domains(3)
    assert torch.equal(head(tokens, MASK, domains=DOMAIN_OF).emissions, before)
    assert len(head.outputs) == 3
    assert head(tokens, MASK, domains=torch.full((5,), 2)).extras[DOMAINS].tolist() == [2] * 5
    assert torch.equal(head.outputs[2].output.weight, head.outputs[0].output.weight)
