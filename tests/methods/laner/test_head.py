import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import Model

from spacy_crossner.core.head import Decoding
from spacy_crossner.core.linear import LinearTagger
from spacy_crossner.methods.laner import prefixes
from spacy_crossner.methods.laner.head import LabelAwareTagger
from spacy_crossner.methods.laner.model import build_label_aware_model

from .oracles import VARIANTS, constraints, make_batch, make_head, rows_of, slow_greedy, slow_scores


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
