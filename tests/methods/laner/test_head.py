from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from thinc.api import Model
from torch import nn

from spacy_crossner.annotations.tags import allowed_starts, allowed_transitions, label_tags
from spacy_crossner.core.head import Decoding
from spacy_crossner.core.linear import LinearTagger
from spacy_crossner.methods.laner import greedy, prefixes
from spacy_crossner.methods.laner.beam import search_beam
from spacy_crossner.methods.laner.greedy import tag_greedily
from spacy_crossner.methods.laner.head import LabelAwareTagger
from spacy_crossner.methods.laner.model import build_label_aware_model

# Scores that differ by less than this are equal.
TOLERANCE = 1e-4

VARIANTS = {
    "full": {},
    "no context": {"use_context": False},
    "no background": {"use_background": False},
    "crf": {"use_crf": True},
}


def constraints(n_labels):
    tags = label_tags([f"l{i}" for i in range(n_labels)])
    return torch.from_numpy(allowed_starts(tags)), torch.from_numpy(allowed_transitions(tags))


def make_head(n_labels=2, width=5, label_width=3, seed=0, scale=1.0, **settings):
    torch.manual_seed(seed)
    head = LabelAwareTagger(width, *constraints(n_labels), label_width=label_width, **settings).double()
    with torch.no_grad():
        for weights in head.parameters():
            weights.mul_(scale)
    return head.eval()


def make_batch(lengths, width=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    return torch.randn(sum(lengths), width, dtype=torch.float64, generator=generator), mask


def slow_scores(head, tokens, prefix):
    """Return the scores of the token after a prefix of tag indices, straight from Eqs. 3 to 10 of the paper.

    tokens: the vectors of one sentence, shape (n_tokens, d1). RETURNS: shape (n_tags,).
    """
    encoder = head.prefixes
    both = nn.LSTM(encoder.width, encoder.width, bidirectional=True).double()
    # Not copies: the gradient reaches the head's own weights.
    weights = {f"{name}": value for name, value in encoder.forward_lstm.named_parameters()}
    weights |= {f"{name}_reverse": value for name, value in encoder.backward_lstm.named_parameters()}
    labels = torch.stack([encoder.begin, *(encoder.table.weight[tag] for tag in prefix)])
    e = torch.func.functional_call(both, weights, labels)[0]
    i = len(prefix)
    h, z = tokens[i], []
    query = h
    if head.use_background:
        e_last = head.background_query.weight @ e[-1] + head.background_query.bias
        a_b = torch.softmax(torch.stack([e_last @ h_k for h_k in tokens]), dim=0)
        h_b = sum(a * h_k for a, h_k in zip(a_b, tokens, strict=True))
        query = torch.cat([h, h_b])
        z.append(h_b)
    if head.use_context:
        h_prime = head.context_query.weight @ query + head.context_query.bias
        a_c = torch.softmax(torch.stack([h_prime @ e_k for e_k in e]), dim=0)
        z.append(sum(a * e_k for a, e_k in zip(a_c, e, strict=True)))
    return head.output.weight @ torch.cat([h, *z]) + head.output.bias


def slow_greedy(head, tokens, constrained, allowed=None):
    """Tag one sentence one token after the other; of equally good tags the first.

    RETURNS: the tags, and the smallest difference between the best and the second score of a token.
    """
    starts, transitions = head.crf.forbidden_starts == 0, head.crf.forbidden_transitions == 0
    tags, margin = [], torch.inf
    for i in range(len(tokens)):
        scores = slow_scores(head, tokens, tags)
        if head.use_crf:
            scores = scores + (head.crf.transitions[tags[-1]] if tags else head.crf.start_transitions)
        legal = (transitions[tags[-1]] if tags else starts) | (not constrained)
        kept = torch.ones_like(legal) if allowed is None else allowed[i]
        broken = (~legal).int() + (~kept).int()
        scores = scores.masked_fill(broken > broken.min(), -torch.inf)
        best, second = scores.topk(2).values
        margin = min(margin, (best - second).item())
        tags.append(int((scores >= best - TOLERANCE).nonzero()[0]))
    return tags, margin


def rows_of(flat, mask):
    return flat.split(mask.sum(dim=1).tolist())


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("max_cells", [1, 7, 10_000])
@pytest.mark.parametrize("shared_from", [1, 10_000])
def test_scores_and_gradients_are_those_of_the_equations(variant, max_cells, shared_from, monkeypatch):
    monkeypatch.setattr(prefixes, "LANER_SHARED_PREFIXES", shared_from)
    head = make_head(max_cells=max_cells, **VARIANTS[variant])
    flat, mask = make_batch([4, 1, 6, 3])
    tags = torch.tensor([[1, 2, 0, 3, -1, -1], [0, -1, -1, -1, -1, -1], [0, 0, 1, 2, 2, 0], [1, 2, 0, -1, -1, -1]])
    flat.requires_grad_()
    output = head(flat, mask, tags)
    noise = torch.randn(output.emissions.shape, dtype=torch.float64)
    noise[~mask] = 0
    wanted = [flat, *(value for name, value in head.named_parameters() if not name.startswith("crf"))]
    grads = torch.autograd.grad((output.emissions * noise).sum(), wanted, allow_unused=True)
    expected = torch.zeros(())
    for row, tokens in enumerate(rows_of(flat, mask)):
        for i in range(len(tokens)):
            scores = slow_scores(head, tokens, tags[row, :i].tolist())
            assert torch.allclose(output.emissions[row, i], scores, atol=1e-10, rtol=0)
            expected = expected + (scores * noise[row, i]).sum()
    slow_grads = torch.autograd.grad(expected, wanted, allow_unused=True)
    for weights, fast, slow in zip(wanted, grads, slow_grads, strict=True):
        # Without label context the backward half reads one label, and its recurrent weights have nothing to do.
        fast, slow = (torch.zeros_like(weights) if grad is None else grad for grad in (fast, slow))
        assert torch.allclose(fast, slow, atol=1e-8, rtol=0)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(1, 100))
def test_no_part_has_more_places_than_fit(lengths, max_cells):
    lengths.sort(reverse=True)
    sizes = prefixes.part_sizes(lengths, max_cells)
    assert sum(sizes) == len(lengths)
    start = 0
    for size in sizes:
        assert size == 1 or size * lengths[start] <= max_cells
        start += size
    groups = prefixes.group_sizes(lengths)
    assert sum(groups) == len(lengths)
    assert min(groups) >= 1


@st.composite
def tagging_cases(draw):
    lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    variant = draw(st.sampled_from(sorted(VARIANTS)))
    n_labels = draw(st.integers(1, 3))
    head = make_head(
        n_labels, seed=draw(st.integers(0, 2**31)), scale=draw(st.sampled_from([1.0, 3.0, 8.0])), **VARIANTS[variant]
    )
    if draw(st.booleans()):
        # Ties: all tags, or pairs of tags, always have the same score.
        with torch.no_grad():
            if draw(st.booleans()):
                head.output.weight.zero_()
                head.output.bias.zero_()
            else:
                head.output.weight[1:] = head.output.weight[1]
                head.output.bias[1:] = head.output.bias[1]
    flat, mask = make_batch(lengths, seed=draw(st.integers(0, 2**31)))
    allowed = None
    if draw(st.booleans()):
        generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
        allowed = torch.rand((*mask.shape, 1 + 2 * n_labels), generator=generator) < 0.7
    return head, flat, mask, Decoding(constrained=draw(st.booleans()), allowed=allowed)


@settings(deadline=None, max_examples=1000)
@given(tagging_cases(), st.integers(2, 5))
def test_tagging_in_rounds_is_tagging_one_after_the_other(case, block):
    head, flat, mask, decoding = case
    output = head(flat, mask)
    one = tag_greedily(head, output, decoding, 1)
    n_tokens = mask.shape[1]
    assert one.rounds.tolist() == mask.sum(dim=1).tolist()
    for size in (block, n_tokens):
        found = tag_greedily(head, output, decoding, size)
        assert torch.equal(found.tags[mask], one.tags[mask])
        assert torch.allclose(found.scores[mask], one.scores[mask], atol=1e-9)
        assert (found.rounds <= one.rounds).all()


@settings(deadline=None, max_examples=30)
@given(tagging_cases(), st.integers(1, 3))
def test_tagging_in_groups_is_tagging_all_at_once(case, size):
    head, flat, mask, decoding = case
    output = head(flat, mask)
    expected = tag_greedily(head, output, decoding, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(greedy, "LANER_GROUP_DOCS", size)
        found = greedy.tag_in_groups(head, output, decoding, 3)
    for name in ("tags", "labels", "scores"):
        assert torch.allclose(getattr(found, name)[mask].double(), getattr(expected, name)[mask].double(), atol=1e-9)
    assert torch.equal(found.rounds, expected.rounds)


@settings(deadline=None, max_examples=60)
@given(tagging_cases())
def test_tagging_is_that_of_the_slow_loop(case):
    head, flat, mask, decoding = case
    found = tag_greedily(head, head(flat, mask), decoding, 4).tags
    for row, tokens in enumerate(rows_of(flat, mask)):
        allowed = None if decoding.allowed is None else decoding.allowed[row]
        assert found[row, : len(tokens)].tolist() == slow_greedy(head, tokens, decoding.constrained, allowed)[0]


@pytest.mark.parametrize(("difference", "first"), [(0.0, 1), (5e-5, 1), (2e-4, 3), (-2e-4, 1)])
def test_scores_within_the_tolerance_tie_and_the_first_tag_is_taken(difference, first):
    head = make_head()
    with torch.no_grad():
        head.output.weight.zero_()
        head.output.bias.copy_(torch.tensor([0.0, 1.0, 5.0, 1.0 + difference, 0.0]))
    flat, mask = make_batch([3])
    output = head(flat, mask)
    # Constrained, no I- may begin. After B-l0 the best tag is I-l0; after B-l1 it may not come.
    assert head.decode(output, Decoding()).tolist() == [[1, 2, 2] if first == 1 else [3, 3, 3]]
    assert head.decode(output, Decoding(constrained=False)).tolist() == [[2, 2, 2]]


def slow_chain(head, tokens, before, start, end, label, constrained, temperature):
    """Return the probability of a span after some tags: the product of what the slow loop gives for its tags."""
    starts, transitions = head.crf.forbidden_starts == 0, head.crf.forbidden_transitions == 0
    tags, probability = list(before[:start]), 1.0
    for i in range(start, min(end + 1, len(tokens))):
        scores = slow_scores(head, tokens, tags) / temperature
        legal = (transitions[tags[-1]] if tags else starts) | (not constrained)
        tag = 1 + 2 * label + (i > start)
        chance = torch.softmax(scores.masked_fill(~legal, -torch.inf), dim=0)[tag].item()
        probability *= 1 - chance if i == end else chance
        tags.append(tag)
    return probability


@pytest.mark.parametrize("variant", ["full", "no context", "no background"])
@pytest.mark.parametrize("constrained", [True, False])
def test_span_probabilities_and_candidates_are_chains_of_token_probabilities(variant, constrained):
    head = make_head(scale=2.0, **VARIANTS[variant])
    flat, mask = make_batch([5, 2])
    output = head(flat, mask)
    decoding = Decoding(constrained=constrained, temperature=1.5)
    tags = head.decode(output, decoding)
    spans, expected = [], []
    for row, tokens in enumerate(rows_of(flat, mask)):
        for start, length, label in product(range(len(tokens)), range(1, 6), range(2)):
            if start + length <= len(tokens):
                spans.append((row, start, start + length, label))
                before = tags[row].tolist()
                expected.append(slow_chain(head, tokens, before, *spans[-1][1:], constrained, 1.5))
    found = head.span_probabilities(output, torch.tensor(spans), decoding)
    assert torch.allclose(found, torch.tensor(expected, dtype=torch.float64), atol=1e-9)
    floor = sorted(expected)[len(expected) // 2] - 1e-9
    kept, scores = head.candidates(output, floor, decoding)
    wanted = {span: value for span, value in zip(spans, expected, strict=True) if value >= floor}
    assert {tuple(span) for span in kept.tolist()} == set(wanted)
    assert len(kept) == len(wanted)
    assert scores.tolist() == pytest.approx([wanted[tuple(span)] for span in kept.tolist()])
    assert head.span_probabilities(output, torch.zeros(0, 4, dtype=torch.long), decoding).shape == (0,)


def test_no_span_is_probable_where_no_tag_is_allowed():
    head = make_head()
    flat, mask = make_batch([3])
    output = head(flat, mask)
    allowed = torch.ones_like(output.emissions, dtype=torch.bool)
    allowed[0, 1] = False
    spans = torch.tensor([[0, 0, 2, 0], [0, 1, 2, 1], [0, 2, 3, 0]])
    found = head.span_probabilities(output, spans, Decoding(allowed=allowed))
    assert found[:2].tolist() == [0, 0]
    assert found[2] > 0


def enumerate_paths(head, emissions):
    """Return all paths over one sentence, their scores under the CRF, and which of them are legal BIO."""
    starts, transitions = constraints(2)
    paths = torch.tensor(list(product(range(5), repeat=len(emissions))))
    scores = head.crf.start_transitions[paths[:, 0]] + head.crf.end_transitions[paths[:, -1]]
    legal = starts[paths[:, 0]]
    for i in range(len(emissions)):
        scores = scores + emissions[i, paths[:, i]]
        if i:
            scores = scores + head.crf.transitions[paths[:, i - 1], paths[:, i]]
            legal = legal & transitions[paths[:, i - 1], paths[:, i]]
    return paths, scores, legal


def test_a_crf_on_top_decodes_the_scores_given_the_greedy_tags():
    head = make_head(use_crf=True, scale=2.0)
    flat, mask = make_batch([5, 3])
    output = head(flat, mask)
    decoded = head.decode(output, Decoding())
    spans = torch.tensor([[0, 0, 1, 0], [0, 1, 4, 1], [1, 1, 3, 1], [1, 2, 3, 0]])
    probabilities = head.span_probabilities(output, spans, Decoding())
    candidates = head.candidates(output, 0.0, Decoding())
    of_candidate = {tuple(span): value for span, value in zip(candidates[0].tolist(), candidates[1], strict=True)}
    for row, tokens in enumerate(rows_of(flat, mask)):
        greedy_tags, _ = slow_greedy(head, tokens, True)
        emissions = torch.stack([slow_scores(head, tokens, greedy_tags[:i]) for i in range(len(tokens))])
        paths, scores, legal = enumerate_paths(head, emissions)
        paths, scores = paths[legal], scores[legal]
        assert decoded[row, : len(tokens)].tolist() == paths[scores.argmax()].tolist()
        chances = scores.softmax(dim=0)
        for span, found in zip(spans.tolist(), probabilities, strict=True):
            _, start, end, label = span
            if span[0] == row:
                holds = (paths[:, start] == 1 + 2 * label) & (paths[:, start + 1 : end] == 2 + 2 * label).all(dim=1)
                if end < len(tokens):
                    holds &= paths[:, end] != 2 + 2 * label
                torch.testing.assert_close(found, chances[holds].sum(), rtol=0, atol=1e-9)
                torch.testing.assert_close(of_candidate[tuple(span)], found)
    # Spans of both labels in all places of the rows.
    assert len(of_candidate) == 2 * (5 * 6 // 2 + 3 * 4 // 2)


def test_with_a_crf_on_top_the_likelihood_is_that_of_the_scores_given_the_gold_tags():
    head = make_head(use_crf=True, scale=2.0)
    flat, mask = make_batch([5, 3])
    tags = torch.tensor([[1, 2, 0, 3, 4], [0, 1, 2, -1, -1]])
    expected = 0.0
    for row, tokens in zip(tags.tolist(), rows_of(flat, mask), strict=True):
        gold = row[: len(tokens)]
        emissions = torch.stack([slow_scores(head, tokens, gold[:i]) for i in range(len(tokens))])
        paths, scores, _ = enumerate_paths(head, emissions)
        is_gold = (paths == torch.tensor(gold)).all(dim=1)
        expected = expected + scores.logsumexp(dim=0) - scores[is_gold].squeeze()
    torch.testing.assert_close(head.nll(head(flat, mask, tags), tags), expected / 8)


@pytest.mark.parametrize("use_crf", [True, False])
def test_without_both_parts_the_model_has_the_plain_tagger(use_crf):
    tok2vec = Model("tok2vec", lambda model, docs, is_train: (docs, None))
    model = build_label_aware_model(tok2vec, use_background=False, use_context=False, use_crf=use_crf)
    head = model.attrs["make_head"](5, *constraints(2))
    assert type(head) is LinearTagger
    assert head.use_crf == use_crf
    # A pipeline saved with this head holds these weights only.
    assert {name.split(".")[0] for name in head.state_dict()} == {"output", "crf"}
    assert type(build_label_aware_model(tok2vec).attrs["make_head"](5, *constraints(2))) is LabelAwareTagger
    with pytest.raises(ValueError, match="LinearTagger"):
        LabelAwareTagger(5, *constraints(2), use_background=False, use_context=False)


@settings(deadline=None, max_examples=25)
@given(tagging_cases())
def test_a_beam_of_one_is_greedy(case):
    head, flat, mask, decoding = case
    found = search_beam(head, head(flat, mask), decoding, 1)
    for row, tokens in enumerate(rows_of(flat, mask)):
        allowed = None if decoding.allowed is None else decoding.allowed[row]
        expected, margin = slow_greedy(head, tokens, decoding.constrained, allowed)
        # A beam keeps any of equally good tags.
        if margin > 2 * TOLERANCE:
            assert found.tags[row, : len(tokens)].tolist() == expected
            scores = torch.stack([slow_scores(head, tokens, expected[:i]) for i in range(len(tokens))])
            torch.testing.assert_close(found.scores[row, : len(tokens)], scores, rtol=0, atol=1e-9)


@pytest.mark.parametrize("constrained", [True, False])
@pytest.mark.parametrize("use_crf", [True, False])
def test_a_wide_beam_finds_the_most_probable_tags_of_all(constrained, use_crf):
    head = make_head(n_labels=1, scale=3.0, beam=27, use_crf=use_crf, seed=3)
    flat, mask = make_batch([3, 2], seed=4)
    output = head(flat, mask)
    found = head.tagging(output, Decoding(constrained=constrained))
    starts, transitions = head.crf.forbidden_starts == 0, head.crf.forbidden_transitions == 0
    for row, tokens in enumerate(rows_of(flat, mask)):
        best, highest = None, -torch.inf
        for path in product(range(3), repeat=len(tokens)):
            total = 0.0
            for i, tag in enumerate(path):
                scores = slow_scores(head, tokens, path[:i])
                if use_crf:
                    scores = scores + (head.crf.transitions[path[i - 1]] if i else head.crf.start_transitions)
                legal = (transitions[path[i - 1]] if i else starts) | (not constrained)
                total += scores.masked_fill(~legal, -torch.inf).log_softmax(0)[tag].item()
            if total > highest:
                best, highest = path, total
        assert tuple(found.tags[row, : len(tokens)].tolist()) == best


def test_a_token_without_annotation_enters_the_prefix_with_the_models_own_tag():
    head = make_head(scale=2.0)
    flat, mask = make_batch([5, 3])
    tags = torch.tensor([[1, -1, -1, 3, 4], [-1, -1, -1, -1, -1]])
    allowed = torch.zeros(2, 5, 5, dtype=torch.bool)
    allowed[tags < 0] = True
    allowed[0, [0, 3, 4], [1, 3, 4]] = True
    filled = torch.stack(
        [
            torch.tensor(slow_greedy(head, tokens, True, row_allowed)[0] + [-1] * (5 - len(tokens)))
            for tokens, row_allowed in zip(rows_of(flat, mask), allowed, strict=True)
        ]
    )
    assert torch.equal(torch.where(tags < 0, filled, tags)[0], filled[0])
    output, expected = head(flat, mask, tags), head(flat, mask, filled)
    assert torch.allclose(output.emissions[mask], expected.emissions[mask])
    assert head.nll(output, tags).item() == pytest.approx(
        -expected.emissions[0, [0, 3, 4]].log_softmax(1)[[0, 1, 2], [1, 3, 4]].mean().item()
    )


def test_a_frozen_crf_takes_part_as_before():
    head = make_head(use_crf=True)
    with torch.no_grad():
        head.crf.transitions.normal_(std=3.0)
    tokens, mask = make_batch([6, 3, 8])
    expected = head.tagging(head(tokens, mask), Decoding())
    for weights in head.parameters():
        weights.requires_grad_(False)
    found = head.tagging(head(tokens, mask), Decoding())
    assert torch.equal(found.tags[mask], expected.tags[mask])
    torch.testing.assert_close(found.scores[mask], expected.scores[mask])
    # The CRF is what they hang on here.
    with torch.no_grad():
        for weights in head.crf.parameters():
            weights.zero_()
    assert not torch.equal(head.tagging(head(tokens, mask), Decoding()).tags[mask], expected.tags[mask])


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_scheduled_sampling_puts_the_models_own_tags_into_prefixes(rate):
    head = make_head(scheduled_sampling=rate)
    flat, mask = make_batch([40] * 25)
    tags = torch.zeros(mask.shape, dtype=torch.long)
    with torch.no_grad():
        head.output.weight.zero_()
        head.output.bias.copy_(torch.tensor([0.0, 0.0, 0.0, 9.0, 0.0]))
    output = head(flat, mask)
    assert torch.equal(head._prefix_tags(output, tags), tags)
    head.train()
    drawn = head._prefix_tags(output, tags)
    assert set(drawn.unique().tolist()) == ({0, 3} if rate == 0.5 else {3 if rate else 0})
    assert (drawn == 3).double().mean().item() == pytest.approx(rate, abs=0.06)


def test_new_tags_are_appended_and_the_old_ones_keep_their_scores():
    head = make_head()
    flat, mask = make_batch([5, 2])
    tags = torch.tensor([[1, 2, 0, 3, 4], [0, 1, -1, -1, -1]])
    before = head(flat, mask, tags).emissions
    head.grow(*constraints(3))
    after = head(flat, mask, tags).emissions
    assert after.shape[2] == 7
    assert torch.allclose(after[..., :5][mask], before[mask])


def test_padding_and_neighbours_change_nothing():
    head = make_head()
    flat, mask = make_batch([6, 2])
    tags = torch.tensor([[1, 2, 0, 3, 4, 0], [3, 4, -1, -1, -1, -1]])
    together = head(flat, mask, tags).emissions
    alone = head(flat[6:], torch.ones(1, 2, dtype=torch.bool), tags[1:, :2]).emissions
    assert torch.allclose(together[1, :2], alone[0])
