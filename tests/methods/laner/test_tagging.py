from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from spacy_crossner.core.head import Decoding
from spacy_crossner.methods.laner import greedy, prefixes
from spacy_crossner.methods.laner.beam import search_beam
from spacy_crossner.methods.laner.greedy import tag_greedily, tag_in_full_rounds
from spacy_crossner.tuning import LANER_ROUNDS_A_CHECK

from .oracles import TOLERANCE, VARIANTS, make_batch, make_head, rows_of, slow_greedy, slow_scores, tagging_cases


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


@given(tagging_cases())
def test_tagging_is_that_of_the_slow_loop(case):
    head, flat, mask, decoding = case
    found = tag_greedily(head, head(flat, mask), decoding, 4).tags
    for row, tokens in enumerate(rows_of(flat, mask)):
        allowed = None if decoding.allowed is None else decoding.allowed[row]
        assert found[row, : len(tokens)].tolist() == slow_greedy(head, tokens, decoding.constrained, allowed)[0]


@given(tagging_cases())
def test_tagging_in_full_rounds_is_that_of_the_slow_loop(case):
    head, flat, mask, decoding = case
    output = head(flat, mask)
    found, expected = tag_in_full_rounds(head, output, decoding), tag_greedily(head, output, decoding, 1)
    assert torch.equal(found.tags[mask], expected.tags[mask])
    assert torch.equal(found.labels[mask], expected.labels[mask])
    assert torch.allclose(found.scores[mask], expected.scores[mask], atol=1e-9)
    for row, tokens in enumerate(rows_of(flat, mask)):
        allowed = None if decoding.allowed is None else decoding.allowed[row]
        assert found.tags[row, : len(tokens)].tolist() == slow_greedy(head, tokens, decoding.constrained, allowed)[0]


class Waits(TorchDispatchMode):
    """Count the operations for which the host would have to wait for a GPU: their results decide shapes or branches."""

    WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "_unique2", "repeat_interleave.Tensor")

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function).removeprefix("aten.")
        by_mask = name.startswith("index") and any(
            isinstance(index, torch.Tensor) and index.dtype == torch.bool
            for index in (args[1] if isinstance(args[1], (list, tuple)) else [])
        )
        if by_mask or name.startswith(self.WAITING):
            self.seen.append(name)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("variant", VARIANTS)
def test_in_full_rounds_the_host_waits_only_to_see_if_all_tags_are_final(variant, monkeypatch):
    monkeypatch.setattr(prefixes, "LANER_SHARED_PREFIXES", 10_000)
    head = make_head(scale=3.0, **VARIANTS[variant])
    flat, mask = make_batch([9, 4, 7])
    output = head(flat, mask)
    # The guess belongs to the CRF.
    monkeypatch.setattr(head.crf, "best_paths", lambda scores, *_: scores.argmax(dim=2))
    with Waits() as waits:
        tagging = tag_in_full_rounds(head, output, Decoding())
    checks = int(tagging.rounds[0]) // LANER_ROUNDS_A_CHECK
    assert checks
    assert len(waits.seen) == checks
    with Waits() as waits:
        tag_greedily(head, output, Decoding(), 4)
    assert len(waits.seen) > checks


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
