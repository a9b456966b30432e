from itertools import product

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
            # A softmax keeps the transitions of its output layer at 0.
            if weights.requires_grad:
                weights.copy_(torch.randn_like(weights))
    return head


def make_tokens():
    torch.manual_seed(1)
    return torch.randn(int(MASK.sum()), 5, dtype=torch.float64)


def enumerate_row(crf, emissions):
    """Return all paths over one unpadded row and their scores."""
    paths = torch.tensor(list(product(range(len(TAGS)), repeat=len(emissions))))
    scores = crf.start_transitions[paths[:, 0]] + crf.end_transitions[paths[:, -1]]
    for i in range(len(emissions)):
        scores = scores + emissions[i, paths[:, i]]
        if i:
            scores = scores + crf.transitions[paths[:, i - 1], paths[:, i]]
    return paths, scores


def is_legal(paths, allowed):
    """Return which paths are legal BIO and take allowed tags only."""
    starts, transitions = torch.from_numpy(allowed_starts(TAGS)), torch.from_numpy(allowed_transitions(TAGS))
    legal = starts[paths[:, 0]] & transitions[paths[:, :-1], paths[:, 1:]].all(dim=1)
    return legal & torch.stack([allowed[i, paths[:, i]] for i in range(len(allowed))]).all(dim=0)


def span_chances(paths, chances):
    """Return the probability of all spans of a row: B-X, I-X up to the end, and not I-X there."""
    n_tokens, found = paths.shape[1], {}
    for start, end, label in product(range(n_tokens), range(1, n_tokens + 1), range(len(TAGS) // 2)):
        if start < end:
            holds = (paths[:, start] == 1 + 2 * label) & (paths[:, start + 1 : end] == 2 + 2 * label).all(dim=1)
            if end < n_tokens:
                holds = holds & (paths[:, end] != 2 + 2 * label)
            found[start, end, label] = chances[holds].sum().item()
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
def test_a_mixed_batch_is_decoded_by_the_output_layer_of_each_row(share_output, use_crf):
    head, tokens = make_head(share_output=share_output, use_crf=use_crf), make_tokens()
    output = head(tokens, MASK, domains=DOMAIN_OF)
    assert (output.extras[TASKS] == NER).all()
    some = torch.rand(*MASK.shape, len(TAGS), generator=torch.Generator().manual_seed(3)) < 0.7
    some[:, :, 0] = True
    for decoding in (Decoding(), Decoding(allowed=some)):
        decoded = head.decode(output, decoding)
        spans, scores = head.candidates(output, 0.01, decoding)
        torch.testing.assert_close(head.span_probabilities(output, spans, decoding), scores.double())
        candidates = {tuple(span): score for span, score in zip(spans.tolist(), scores.tolist(), strict=True)}
        expected = {}
        for row, length in enumerate(MASK.sum(dim=1).tolist()):
            crf = head.outputs[0 if share_output else int(DOMAIN_OF[row])].crf
            paths, path_scores = enumerate_row(crf, output.emissions[row, :length])
            allowed = torch.ones_like(some) if decoding.allowed is None else some
            path_scores = path_scores.masked_fill(~is_legal(paths, allowed[row, :length]), -torch.inf)
            assert decoded[row, :length].tolist() == paths[path_scores.argmax()].tolist()
            chances = span_chances(paths, path_scores.softmax(dim=0))
            expected |= {(row, *span): chance for span, chance in chances.items() if chance >= 0.01}
        assert candidates == {span: pytest.approx(chance, abs=1e-9) for span, chance in expected.items()}
    log_probabilities = head.log_probabilities(output)
    for row, length in enumerate(MASK.sum(dim=1).tolist()):
        crf = head.outputs[0 if share_output else int(DOMAIN_OF[row])].crf
        paths, path_scores = enumerate_row(crf, output.emissions[row, :length])
        chances = path_scores.softmax(dim=0)
        for i, tag in product(range(length), range(len(TAGS))):
            expected_chance = chances[paths[:, i] == tag].sum().item()
            assert log_probabilities[row, i, tag].exp().item() == pytest.approx(expected_chance, abs=1e-9)


@pytest.mark.parametrize("share_output", [True, False])
def test_losses_are_the_means_over_known_tags_and_over_words(share_output):
    head, tokens = make_head(share_output=share_output), make_tokens()
    output = head(tokens, MASK, GOLD, domains=DOMAIN_OF, words=WORD_OF)
    slow = torch.zeros(())
    for row, length in enumerate(MASK.sum(dim=1).tolist()):
        crf = head.outputs[0 if share_output else int(DOMAIN_OF[row])].crf
        paths, scores = enumerate_row(crf, output.emissions[row, :length])
        gold = GOLD[row, :length]
        agrees = ((paths == gold) | (gold < 0)).all(dim=1)
        slow = slow + scores.logsumexp(dim=0) - scores[agrees].logsumexp(dim=0)
    # Known tags: four in row 0, two in row 2, four in row 3.
    torch.testing.assert_close(head.nll(output, GOLD), slow / 10, rtol=0, atol=1e-10)
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
