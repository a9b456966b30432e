"""Slow oracles of LANER, written from its equations, and heads and batches to compare with them."""

from itertools import product

import torch
from hypothesis import strategies as st
from torch import nn

from spacy_crossner.annotations.tags import allowed_starts, allowed_transitions, label_tags
from spacy_crossner.core.head import Decoding
from spacy_crossner.methods.laner.head import LabelAwareTagger

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
