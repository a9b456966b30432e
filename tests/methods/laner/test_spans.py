from itertools import product

import pytest
import torch

from spacy_crossner.core.head import Decoding

from .oracles import VARIANTS, enumerate_paths, make_batch, make_head, rows_of, slow_chain, slow_greedy, slow_scores


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
