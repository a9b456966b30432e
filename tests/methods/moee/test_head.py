"""The mixture of entity experts against the paper's equations, token by token, and against enumeration of all paths."""

from itertools import product

import pytest
import torch
import torchcrf

from spacy_crossner.annotations.tags import allowed_starts, allowed_transitions, label_tags
from spacy_crossner.core.head import Decoding
from spacy_crossner.core.linear import LinearTagger
from spacy_crossner.methods.moee.head import DETECTION, GATE, MixtureTagger

WIDTH, EXPERT_WIDTH = 5, 4
LABELS = ["place", "person", "thing"]
# Three docs; the last has a gap, the second no annotation.
LENGTHS = [3, 2, 4]
TAGS = torch.tensor([[1, 2, 0, -1], [-1, -1, -1, -1], [0, 5, -1, 4]])


def constraints(labels):
    tags = label_tags(labels)
    return torch.from_numpy(allowed_starts(tags)), torch.from_numpy(allowed_transitions(tags))


def make_head(labels=LABELS, **settings):
    torch.manual_seed(0)
    return MixtureTagger(WIDTH, *constraints(labels), expert_width=EXPERT_WIDTH, **settings).double()


@pytest.fixture
def tokens():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(sum(LENGTHS), WIDTH, generator=generator, dtype=torch.float64, requires_grad=True)


@pytest.fixture
def mask():
    return torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS).unsqueeze(1)


def slow_mixture(head, token):
    """Return gate and meta-expert feature of one token, Eqs. 1 to 3."""
    n_experts = 1 + len(LABELS)
    confidences = torch.softmax(head.gate.weight @ token + head.gate.bias, dim=0)
    feature = torch.zeros(EXPERT_WIDTH, dtype=token.dtype)
    for a in range(n_experts):
        rows = slice(a * EXPERT_WIDTH, (a + 1) * EXPERT_WIDTH)
        feature = feature + confidences[a] * (head.experts.weight[rows] @ token + head.experts.bias[rows])
    return confidences, feature


def slow_crf_nll(crf, emissions, tags):
    """Return the negative log-likelihood of known tags from the scores of all paths."""
    mine = torchcrf.CRF(crf.num_tags, batch_first=True).double()
    mine.load_state_dict(crf.state_dict())
    paths = torch.tensor(list(product(range(crf.num_tags), repeat=len(emissions))))
    scores = mine.start_transitions[paths[:, 0]] + mine.end_transitions[paths[:, -1]]
    for i in range(len(emissions)):
        scores = scores + emissions[i, paths[:, i]]
        if i:
            scores = scores + mine.transitions[paths[:, i - 1], paths[:, i]]
    fits = ((tags < 0) | (paths == tags)).all(dim=1)
    return scores.logsumexp(0) - scores[fits].logsumexp(0)


@pytest.mark.parametrize("training", [True, False])
def test_the_mixture_is_that_of_the_equations(tokens, mask, training):
    head = make_head().train(training)
    output = head(tokens, mask)
    pairs = [slow_mixture(head, token) for token in tokens]
    gate = torch.stack([confidences for confidences, _ in pairs])
    emissions = torch.stack([head.output.weight @ feature + head.output.bias for _, feature in pairs])
    torch.testing.assert_close(output.extras[GATE][mask].softmax(dim=1), gate, rtol=0, atol=1e-12)
    torch.testing.assert_close(output.emissions[mask], emissions, rtol=0, atol=1e-12)
    torch.testing.assert_close(gate.sum(dim=1), torch.ones(len(tokens), dtype=torch.float64))
    # The gradient of the fast way is that of the slow one.
    weights = [head.gate.weight, head.experts.weight, tokens]
    fast = torch.autograd.grad(output.emissions[mask].pow(2).sum(), weights)
    slow = torch.autograd.grad(emissions.pow(2).sum(), weights)
    torch.testing.assert_close(fast, slow, rtol=0, atol=1e-10)


def test_the_loss_of_the_gate_is_the_cross_entropy_with_gold_types(tokens, mask):
    head = make_head()
    output = head(tokens, mask)
    # O has expert 0; B and I of each label share one.
    experts = {0: 0, 1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3}
    losses = []
    for token, tag in zip(tokens, TAGS[mask].tolist(), strict=True):
        if tag >= 0:
            losses.append(-slow_mixture(head, token)[0][experts[tag]].log())
    torch.testing.assert_close(head.gate_nll(output, TAGS), torch.stack(losses).mean(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("use_crf", [True, False], ids=["crf", "softmax"])
def test_the_losses_of_both_tasks_share_their_divisor_and_are_exact(tokens, mask, use_crf):
    head = make_head(use_crf=use_crf)
    output = head(tokens, mask)
    detection = {-1: -1, 0: 0, 1: 1, 2: 2, 3: 1, 4: 2, 5: 1, 6: 2}
    # Entity or not is told from the token vectors, before the mixture.
    detector = head.detector.output
    task1 = [rows @ detector.weight.T + detector.bias for rows in tokens.split(LENGTHS)]
    task2 = [output.emissions[i, :n] for i, n in enumerate(LENGTHS)]
    for scores, crf, mapping, found in [
        (task1, head.detector.crf, detection, head.detection_nll(output, TAGS)),
        (task2, head.crf, dict(zip(range(-1, 7), range(-1, 7), strict=True)), head.nll(output, TAGS)),
    ]:
        total = 0.0
        for row, n, emissions in zip(TAGS, LENGTHS, scores, strict=True):
            gold = torch.tensor([mapping[tag] for tag in row[:n].tolist()])
            if use_crf:
                # Emissions of unknown tokens count as constants, which changes no value.
                total = total + slow_crf_nll(crf, emissions, gold)
            else:
                chosen = emissions.log_softmax(dim=1)[torch.arange(n), gold]
                total = total - chosen[gold >= 0].sum()
        torch.testing.assert_close(found, total / (TAGS >= 0).sum(), rtol=0, atol=1e-10)


def test_tokens_without_annotation_give_no_gradient(tokens, mask):
    head = make_head()
    output = head(tokens, mask)
    loss = head.nll(output, TAGS) + head.detection_nll(output, TAGS) + head.gate_nll(output, TAGS)
    (gradient,) = torch.autograd.grad(loss, tokens)
    unknown = TAGS[mask] < 0
    assert not gradient[unknown].any()
    assert gradient[~unknown].any(dim=1).all()


@pytest.mark.parametrize("use_crf", [True, False])
def test_without_both_parts_it_is_the_plain_tagger(tokens, mask, use_crf):
    head = make_head(use_experts=False, use_multi_task=False, use_crf=use_crf)
    torch.manual_seed(0)
    plain = LinearTagger(WIDTH, *constraints(LABELS), use_crf=use_crf).double()
    assert set(head.state_dict()) == set(plain.state_dict())
    plain.load_state_dict(head.state_dict())
    output = head(tokens, mask)
    torch.testing.assert_close(output.emissions[mask], plain(tokens, mask).emissions[mask])
    assert head.detection_nll(output, TAGS) == head.gate_nll(output, TAGS) == 0
    assert not output.extras


@pytest.mark.parametrize(
    ("settings", "extras"),
    [({"use_experts": False}, {DETECTION}), ({"use_multi_task": False}, {GATE}), ({}, {DETECTION, GATE})],
)
def test_each_part_can_be_left_out(tokens, mask, settings, extras):
    head = make_head(**settings)
    output = head(tokens, mask)
    assert set(output.extras) == extras
    assert bool(head.gate_nll(output, TAGS)) == (GATE in extras)
    assert bool(head.detection_nll(output, TAGS)) == (DETECTION in extras)


def test_padding_and_other_docs_change_nothing(tokens, mask):
    head = make_head()
    whole = head(tokens, mask)
    for i, (rows, n) in enumerate(zip(tokens.split(LENGTHS), LENGTHS, strict=True)):
        alone = head(rows, torch.ones(1, n, dtype=torch.bool))
        torch.testing.assert_close(whole.emissions[i, :n], alone.emissions[0])
        torch.testing.assert_close(whole.extras[GATE][i, :n], alone.extras[GATE][0])


def test_new_labels_bring_experts_and_leave_the_old_ones(tokens, mask):
    head = make_head()
    before = head(tokens, mask)
    head.grow(*constraints([*LABELS, "event", "work"]))
    after = head(tokens, mask)
    assert after.emissions.shape[2] == 11
    assert after.extras[GATE].shape[2] == 6
    torch.testing.assert_close(after.extras[GATE][..., :4], before.extras[GATE])
    torch.testing.assert_close(head.detector.output(tokens), before.extras[DETECTION][mask])
    n_old = 4 * EXPERT_WIDTH
    torch.testing.assert_close(head.experts.weight[:n_old], make_head().experts.weight)
    # With a gate that keeps the new experts out, the old tags score as before.
    with torch.no_grad():
        head.gate.weight[4:] = 0
        head.gate.bias[4:] = -1e4
    torch.testing.assert_close(head(tokens, mask).emissions[..., :7], before.emissions)
    assert head.decode(after, Decoding()).shape == mask.shape
