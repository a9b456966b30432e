from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_crossner.annotations.tags import allowed_starts, allowed_transitions, label_tags
from spacy_crossner.core import lattice as lattice_module
from spacy_crossner.core import sums as sums_module
from spacy_crossner.core.crf import BioCRF

# What float64 leaves of a probability.
CLOSE = {"rtol": 1e-9, "atol": 1e-10}


def make_crf(n_labels, generator, scale=1.0):
    tags = label_tags([str(i) for i in range(n_labels)])
    crf = BioCRF(torch.from_numpy(allowed_starts(tags)), torch.from_numpy(allowed_transitions(tags))).double()
    with torch.no_grad():
        for scores in crf.parameters():
            scores.copy_(scale * uniform(scores.shape, generator))
    return crf


def uniform(shape, generator):
    return 2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1


@st.composite
def batches(draw):
    """Draw a CRF, emissions with NaN at padding, a mask and the keywords of `lattice`; scores up to +-200."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    crf = make_crf(draw(st.integers(1, 2)), generator, draw(st.sampled_from([0.1, 2.0, 200.0])))
    lengths = torch.tensor(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    shape = (len(lengths), int(lengths.max()) + draw(st.integers(0, 2)), crf.num_tags)
    mask = torch.arange(shape[1]) < lengths.unsqueeze(1)
    scales = torch.tensor([draw(st.sampled_from([0.1, 3.0, 200.0])) for _ in lengths], dtype=torch.float64)
    emissions = scales.view(-1, 1, 1) * uniform(shape, generator)
    emissions[~mask] = torch.nan
    allowed = None
    if draw(st.booleans()):
        allowed = torch.rand(shape, generator=generator) < draw(st.sampled_from([0.4, 0.8]))
    temperature = draw(st.sampled_from([0.5, 1.0, 3.0]))
    return crf, emissions, mask, {"constrained": draw(st.booleans()), "temperature": temperature, "allowed": allowed}


def enumerate_row(crf, emissions, allowed, constrained, temperature):
    """Return all paths over one unpadded row, shape (n_paths, n_tokens), and their scores, -inf if they may not be."""
    n_tokens, n_tags = emissions.shape
    paths = torch.tensor(list(product(range(n_tags), repeat=n_tokens)))
    legal = torch.ones(len(paths), dtype=torch.bool)
    scores = crf.start_transitions.detach()[paths[:, 0]] + crf.end_transitions.detach()[paths[:, -1]]
    for i in range(n_tokens):
        scores = scores + emissions[i, paths[:, i]]
        legal &= allowed is None or allowed[i, paths[:, i]]
        if i:
            scores = scores + crf.transitions.detach()[paths[:, i - 1], paths[:, i]]
        if constrained:
            before = paths[:, i - 1] if i else torch.zeros(len(paths), dtype=torch.long)
            is_inside = (paths[:, i] > 0) & (paths[:, i] % 2 == 0)
            legal &= ~is_inside | (before == paths[:, i]) | (before == paths[:, i] - 1)
    return paths, (scores / temperature).masked_fill(~legal, -torch.inf)


def all_spans(lengths, n_labels):
    """Return all spans within the rows, sorted."""
    return [
        (row, start, end, label)
        for row, length in enumerate(lengths)
        for start in range(length)
        for end in range(start + 1, length + 1)
        for label in range(n_labels)
    ]


def is_span(paths, start, end, label):
    """Return which paths hold this span, no longer and no shorter."""
    held = (paths[:, start] == 1 + 2 * label) & (paths[:, start + 1 : end] == 2 + 2 * label).all(dim=1)
    return held if end == paths.shape[1] else held & (paths[:, end] != 2 + 2 * label)


@given(batches(), st.sampled_from([1e-6, 0.05, 0.5]))
def test_lattice_equals_the_enumeration_of_all_paths(drawn, floor):
    crf, emissions, mask, keywords = drawn
    lattice = crf.lattice(emissions, mask, **keywords)
    lengths, n_labels = mask.sum(dim=1).tolist(), (crf.num_tags - 1) // 2
    spans = all_spans(lengths, n_labels)
    log_partition, marginals, expected = [], torch.zeros_like(emissions), []
    for row, length in enumerate(lengths):
        allowed = None if keywords["allowed"] is None else keywords["allowed"][row, :length]
        row_keywords = {**keywords, "allowed": allowed}
        paths, scores = enumerate_row(crf, emissions[row, :length], **row_keywords)
        log_partition.append(scores.logsumexp(0))
        # 0 everywhere if there is no path.
        probabilities = (scores - scores.max()).exp().nan_to_num()
        probabilities = probabilities / probabilities.sum().clamp(min=1.0)
        for i in range(length):
            marginals[row, i].index_add_(0, paths[:, i], probabilities)
        expected += [probabilities[is_span(paths, *span[1:])].sum() for span in spans if span[0] == row]
    expected = torch.stack(expected)
    torch.testing.assert_close(lattice.log_partition, torch.stack(log_partition), rtol=1e-11, atol=1e-10)
    torch.testing.assert_close(lattice.marginals(), marginals, **CLOSE)
    found = lattice.span_probabilities(torch.tensor(spans))
    torch.testing.assert_close(found, expected, **CLOSE)

    every, probabilities = lattice.candidates(0.0)
    assert [tuple(span) for span in every.tolist()] == spans
    torch.testing.assert_close(probabilities, expected, **CLOSE)
    some, probabilities = lattice.candidates(floor)
    index = [spans.index(tuple(span)) for span in some.tolist()]
    torch.testing.assert_close(probabilities, expected[index], **CLOSE)
    assert (probabilities >= floor).all()
    left_out = torch.ones(len(spans), dtype=torch.bool)
    left_out[index] = False
    assert (expected[left_out] < floor + 1e-10).all()


@given(batches())
def test_unconstrained_log_partition_and_its_gradient_are_those_of_pytorch_crf(drawn):
    crf, emissions, mask, _ = drawn
    lattice = crf.lattice(emissions, mask, constrained=False)
    emissions = emissions.nan_to_num().requires_grad_()
    expected = crf._compute_normalizer(emissions.transpose(0, 1), mask.T)
    torch.testing.assert_close(lattice.log_partition, expected.detach(), rtol=1e-11, atol=1e-10)
    # The gradient of the log-partition by the emissions: the marginals.
    (gradient,) = torch.autograd.grad(expected.sum(), emissions)
    torch.testing.assert_close(lattice.marginals(), gradient, **CLOSE)


@given(batches())
def test_log_space_and_probability_space_agree(drawn):
    crf, emissions, mask, keywords = drawn
    fast = crf.lattice(emissions, mask, **keywords)
    with pytest.MonkeyPatch.context() as patch:
        # Above every message: no row is taken from probability space that has a path.
        patch.setattr(lattice_module, "SMALLEST_MESSAGE", torch.inf)
        patch.setattr(sums_module, "SMALLEST_MESSAGE", torch.inf)
        slow = crf.lattice(emissions, mask, **keywords)
    torch.testing.assert_close(slow.log_partition, fast.log_partition, rtol=1e-12, atol=1e-10)
    torch.testing.assert_close(slow.marginals(), fast.marginals(), **CLOSE)
    # Given a tag that has probability 0, what comes next has no meaning.
    certain = fast.marginals() > 0
    for name, tag in (("after_begin", 1), ("after_inside", 2)):
        known = certain[:, :, tag::2]
        torch.testing.assert_close(getattr(slow, name)[known], getattr(fast, name)[known], **CLOSE)


def test_moderate_scores_stay_in_probability_space_and_only_far_ones_leave_it(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    crf = make_crf(3, generator, scale=5.0)
    emissions = 30.0 * uniform((3, 40, crf.num_tags), generator)
    emissions[1, 7, 0] += 1000.0
    mask = torch.ones(3, 40, dtype=torch.bool)
    summed = []
    slow = lattice_module._sum_in_log_space

    def count_rows(scores, rows, of_rows):
        summed.append(len(rows.lengths))
        return slow(scores, rows, of_rows)

    monkeypatch.setattr(lattice_module, "_sum_in_log_space", count_rows)
    together = crf.lattice(emissions, mask)
    assert summed == [1]
    assert together.marginals()[1, 7, 0] == 1
    for i in range(3):
        alone = crf.lattice(emissions[i : i + 1], mask[i : i + 1])
        torch.testing.assert_close(alone.log_partition, together.log_partition[i : i + 1], rtol=1e-13, atol=0.0)
        torch.testing.assert_close(alone.marginals()[0], together.marginals()[i], rtol=1e-11, atol=1e-14)
    assert summed == [1, 1]
    # Neither does a tag that leads nowhere, as what stands next must go on with another, nor a row without a path.
    allowed = torch.ones_like(emissions, dtype=torch.bool)
    allowed[0, 5] = torch.arange(crf.num_tags) == 2
    allowed[2, 0] = False
    lattice = crf.lattice(emissions[[0, 2]], mask[:2], allowed=allowed[[0, 2]])
    assert lattice.marginals()[0, 4, 1:3].sum().item() == pytest.approx(1.0)
    assert lattice.log_partition[1] == -torch.inf
    assert summed == [1, 1]


def test_a_path_far_behind_is_found_where_it_is_the_only_one():
    crf = make_crf(1, torch.Generator().manual_seed(0), scale=0.0)
    n = 30
    # All along the inside tags lose by 60 a token, but the last token allows nothing else, and no begin tag after
    # the first token: the one legal path is e^-1740 of the best one so far.
    emissions = torch.zeros(1, n, 3, dtype=torch.float64)
    emissions[0, 1:, 2] = -60.0
    allowed = torch.ones(1, n, 3, dtype=torch.bool)
    allowed[0, 1:, 1] = allowed[0, -1, 0] = False
    lattice = crf.lattice(emissions, torch.ones(1, n, dtype=torch.bool), allowed=allowed)
    assert lattice.log_partition.tolist() == pytest.approx([-60.0 * (n - 1)], abs=1e-9)
    assert lattice.marginals()[0, :, 1:].sum(dim=1).tolist() == pytest.approx([1.0] * n)
    assert lattice.span_probabilities(torch.tensor([[0, 0, n, 0]])).tolist() == pytest.approx([1.0])


def test_a_row_without_a_legal_path_has_probability_0_and_leaves_the_others_alone():
    generator = torch.Generator().manual_seed(0)
    crf = make_crf(2, generator)
    emissions = uniform((3, 6, 5), generator)
    mask = torch.ones(3, 6, dtype=torch.bool)
    allowed = torch.ones(3, 6, 5, dtype=torch.bool)
    # No tag at all in the first row; in the last one an inside tag that nothing opens.
    allowed[0, 3] = False
    allowed[2, 2, 1:], allowed[2, 3, [0, 1, 3]] = False, False
    lattice = crf.lattice(emissions, mask, allowed=allowed)
    alone = crf.lattice(emissions[1:2], mask[1:2])
    assert lattice.log_partition[[0, 2]].tolist() == [-torch.inf, -torch.inf]
    torch.testing.assert_close(lattice.log_partition[1:2], alone.log_partition)
    torch.testing.assert_close(lattice.marginals()[1:2], alone.marginals())
    assert (lattice.marginals()[[0, 2]] == 0).all()
    spans, probabilities = lattice.candidates(1e-9)
    assert spans[:, 0].unique().tolist() == [1]
    assert (lattice.span_probabilities(torch.tensor([[0, 0, 2, 0], [2, 0, 1, 1], [2, 4, 6, 0]])) == 0).all()
    assert torch.isfinite(probabilities).all()


def slow_sums(crf, emissions):
    """Return log forward and backward sums of one row under the constraints, each step a logsumexp over all pairs."""
    transitions = crf.transitions.detach() + torch.where(crf.forbidden_transitions < 0, -torch.inf, 0.0)
    forward = [crf.start_transitions.detach() + torch.where(crf.forbidden_starts < 0, -torch.inf, 0.0) + emissions[0]]
    for row in emissions[1:]:
        forward.append((forward[-1].unsqueeze(1) + transitions).logsumexp(0) + row)
    backward = [crf.end_transitions.detach()]
    for row in reversed(emissions[1:]):
        backward.append((transitions + row + backward[-1]).logsumexp(1))
    return transitions, torch.stack(forward), torch.stack(backward[::-1])


@pytest.mark.parametrize("scale", [2.0, 200.0])
def test_long_rows(scale):
    generator = torch.Generator().manual_seed(0)
    crf = make_crf(2, generator)
    n = 2000
    emissions = scale * uniform((2, n, 5), generator)
    # Inside tags that want to go on, for spans that are long and yet probable.
    emissions[0, :, 2] += 4.0 * scale
    mask = torch.ones(2, n, dtype=torch.bool)
    mask[1, 1500:] = False
    lattice = crf.lattice(emissions, mask)
    for row, length in enumerate((n, 1500)):
        transitions, forward, backward = slow_sums(crf, emissions[row, :length])
        log_partition = (forward[-1] + crf.end_transitions.detach()).logsumexp(0)
        torch.testing.assert_close(lattice.log_partition[row], log_partition, rtol=1e-12, atol=0.0)
        marginals = (forward + backward - log_partition).exp()
        torch.testing.assert_close(lattice.marginals()[row, :length], marginals, rtol=1e-7, atol=1e-8)
        torch.testing.assert_close(marginals.new_ones(length), lattice.marginals()[row, :length].sum(dim=1))
        spans, probabilities = lattice.candidates(1e-3)
        mine = spans[:, 0] == row
        for (_, start, end, label), found in zip(spans[mine].tolist(), probabilities[mine].tolist(), strict=True):
            inside = 2 + 2 * label
            score = forward[start, inside - 1]
            if end > start + 1:
                score = score + transitions[inside - 1, inside] + emissions[row, start + 1 : end, inside].sum()
                score = score + (end - start - 2) * transitions[inside, inside]
            last = inside if end > start + 1 else inside - 1
            stop = crf.end_transitions.detach()[last]
            if end < length:
                others = [tag for tag in range(5) if tag != inside]
                stop = (transitions[last, others] + emissions[row, end, others] + backward[end, others]).logsumexp(0)
            assert found == pytest.approx((score + stop - log_partition).exp().item(), rel=1e-6, abs=1e-8)
        assert (lattice.span_probabilities(spans) - probabilities).abs().max() < 1e-13
    assert (spans[:, 2] - spans[:, 1]).max() > 100


@given(batches(), st.integers(1, 3))
def test_more_padding_changes_nothing(drawn, more):
    crf, emissions, mask, keywords = drawn
    wide = torch.nn.functional.pad(emissions, (0, 0, 0, more), value=torch.inf)
    wide_mask = torch.nn.functional.pad(mask, (0, more), value=False)
    narrow = crf.lattice(emissions, mask, **keywords)
    if keywords["allowed"] is not None:
        keywords = {**keywords, "allowed": torch.nn.functional.pad(keywords["allowed"], (0, 0, 0, more), value=False)}
    lattice = crf.lattice(wide, wide_mask, **keywords)
    torch.testing.assert_close(lattice.log_partition, narrow.log_partition, rtol=1e-14, atol=1e-14)
    assert (lattice.marginals()[~wide_mask] == 0).all()
    torch.testing.assert_close(lattice.marginals()[:, : mask.shape[1]], narrow.marginals(), rtol=1e-12, atol=1e-14)


def test_spans_outside_their_row_have_probability_0():
    generator = torch.Generator().manual_seed(0)
    crf = make_crf(1, generator)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    lattice = crf.lattice(uniform((2, 3, 3), generator), mask)
    spans = [[0, 0, 2, 0], [0, 1, 3, 0], [0, 2, 3, 0], [1, 2, 2, 0], [1, 2, 1, 0], [1, -1, 2, 0], [1, 0, 9, 0]]
    found = lattice.span_probabilities(torch.tensor(spans))
    assert found[0] > 0
    assert found[1:].tolist() == [0.0] * 6
    assert lattice.span_probabilities(torch.zeros(0, 4, dtype=torch.long)).shape == (0,)
    for wrong in ([2, 0, 1, 0], [0, 0, 1, 1]):
        with pytest.raises(IndexError):
            lattice.span_probabilities(torch.tensor([wrong]))


@pytest.mark.parametrize("inference", [False, True])
def test_lattice_is_float64_without_a_gradient_and_leaves_the_emissions_as_they_are(inference):
    generator = torch.Generator().manual_seed(0)
    crf = make_crf(2, generator).float()
    with torch.inference_mode(inference):
        emissions = uniform((1, 4, 5), generator).float()
        before, mask = emissions.clone(), torch.ones(1, 4, dtype=torch.bool)
        lattice = crf.lattice(emissions, mask)
        spans, probabilities = lattice.candidates(0.0)
    assert torch.equal(emissions, before)
    exact = crf.double().lattice(before.double(), mask)
    torch.testing.assert_close(lattice.log_partition, exact.log_partition, rtol=1e-14, atol=0.0)
    for found in (lattice.log_partition, lattice.marginals(), probabilities, lattice.span_probabilities(spans)):
        assert found.dtype == torch.float64
        assert not found.requires_grad
