import warnings

import pytest
import torch

from spacy_crossner.core.head import HeadOutput
from spacy_crossner.core.losses import LossInputs
from spacy_crossner.errors import CrossnerError
from spacy_crossner.methods.pdaln.mmd import SentenceMMD, WordMMD, squared_mmd

# Squared bandwidths over the median squared distance.
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)


def sample(n, seed, shift=0.0, width=4):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, width, generator=generator, dtype=torch.float64) + shift


def slow_mmd(source, target, unbiased=False):
    """Return the double sums of Eq. 4 with a mean of Gaussian kernels, term by term.

    Without bias they leave out the pairs of a vector and itself (Gretton et al., 2012, Eq. 3).
    """
    both = [*source, *target]
    squares = [((a - b) ** 2).sum().item() for i, a in enumerate(both) for j, b in enumerate(both) if i != j]
    median = sorted(squares)[(len(squares) - 1) // 2]

    def kernel(a, b):
        distance = ((a - b) ** 2).sum()
        return sum(torch.exp(-distance / (2 * factor * median)) for factor in FACTORS) / 5

    def mean_within(rows):
        pairs = [(a, b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j or not unbiased]
        return sum(kernel(a, b) for a, b in pairs) / len(pairs)

    across = sum(kernel(a, b) for a in source for b in target) / (len(source) * len(target))
    return mean_within(source) + mean_within(target) - 2 * across


@pytest.mark.parametrize(("n_source", "n_target", "shift"), [(3, 5, 0.0), (4, 4, 2.0), (1, 6, 1.0), (1, 1, 0.5)])
def test_it_is_the_double_sum_of_the_paper(n_source, n_target, shift):
    source, target = sample(n_source, 0), sample(n_target, 1, shift)
    torch.testing.assert_close(squared_mmd(source, target), slow_mmd(source, target), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("n_source", "n_target", "shift"), [(3, 5, 0.0), (4, 4, 2.0), (2, 6, 1.0), (2, 2, 0.5)])
def test_without_bias_it_is_the_sum_over_pairs(n_source, n_target, shift):
    source, target = sample(n_source, 0), sample(n_target, 1, shift)
    found = squared_mmd(source, target, unbiased=True)
    torch.testing.assert_close(found, slow_mmd(source, target, unbiased=True), rtol=0, atol=1e-12)


def test_small_samples_of_one_distribution_differ_by_bias_alone():
    pairs = [(sample(3, seed), sample(4, 1000 + seed)) for seed in range(300)]
    biased, unbiased = (
        sum(squared_mmd(*pair, unbiased=unbiased).item() for pair in pairs) / len(pairs) for unbiased in (False, True)
    )
    assert biased > 0.15
    assert abs(unbiased) < 0.01


def test_one_vector_has_no_pair():
    source = sample(1, 0).requires_grad_()
    found = squared_mmd(source, sample(4, 1, 3.0), unbiased=True)
    found.backward()
    assert found.item() == 0
    assert not source.grad.any()


def test_a_sample_has_no_discrepancy_with_itself():
    rows = sample(6, 0)
    assert squared_mmd(rows, rows).item() == pytest.approx(0, abs=1e-12)
    # Nor have samples of one and the same vector.
    assert squared_mmd(rows[:1].expand(3, -1), rows[:1].expand(2, -1)).item() == 0


def test_it_grows_with_the_distance_of_the_domains():
    found = [squared_mmd(sample(50, 0), sample(50, 1, shift)).item() for shift in (0.0, 0.5, 1.0, 3.0)]
    assert found == sorted(found)
    assert found[0] < 0.05 < found[-1]


def test_gradients_are_right():
    source, target = sample(4, 0).requires_grad_(), sample(5, 1, 1.0).requires_grad_()
    # The bandwidth takes no gradient: it is held where it is.
    both = torch.cat([source, target]).detach()
    distances = torch.cdist(both, both).square()
    median = distances[~torch.eye(len(both), dtype=torch.bool)].median()

    def with_fixed_bandwidth(source, target):
        both = torch.cat([source, target])
        kernel = sum(torch.exp(-torch.cdist(both, both).square() / (2 * b * median)) for b in FACTORS) / 5
        weights = torch.cat([torch.full((4,), 1 / 4), torch.full((5,), -1 / 5)]).double()
        return weights @ kernel @ weights

    slow = torch.autograd.grad(with_fixed_bandwidth(source, target), [source, target])
    fast = torch.autograd.grad(squared_mmd(source, target), [source, target])
    torch.testing.assert_close(fast, slow, rtol=0, atol=1e-9)


def test_vectors_that_have_collapsed_give_no_huge_gradient():
    rows = (10 + 1e-9 * sample(8, 0)).float().requires_grad_()
    squared_mmd(rows[:4], rows[4:]).backward()
    assert rows.grad.isfinite().all()
    assert rows.grad.abs().max() < 10


def inputs(domains, tags, width=4):
    tokens = sample(len(domains) * 3, 3, width=width).reshape(len(domains), 3, width).requires_grad_()
    output = HeadOutput(emissions=tokens, mask=torch.ones(len(domains), 3, dtype=torch.bool), vectors=tokens)
    output.sentences = sample(len(domains), 4).requires_grad_()
    alone = torch.full((len(domains),), -1)
    return LossInputs(head=torch.nn.Identity(), output=output, tags=torch.tensor(tags), domains=domains, partners=alone)


DOMAINS = ["news", "ai", "news", "ai", "adaptive"]
TAGS = [[0, 1, 2], [1, 0, 0], [3, -1, 0], [0, 0, -1], [1, 1, 2]]


@pytest.mark.parametrize("unbiased", [False, True])
def test_sentences_of_the_target_against_all_others(unbiased):
    given = inputs(DOMAINS, TAGS)
    rows = given.output.sentences
    expected = slow_mmd(rows[[0, 2, 4]], rows[[1, 3]], unbiased)
    torch.testing.assert_close(SentenceMMD("ai", unbiased=unbiased)(given), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("unbiased", [False, True])
def test_words_tag_by_tag(unbiased):
    given = inputs(DOMAINS, TAGS)
    tokens = given.output.tokens
    total = torch.zeros((), dtype=torch.float64)
    for tag in range(4):
        sides = {True: [], False: []}
        for i, row in enumerate(TAGS):
            sides[DOMAINS[i] == "ai"] += [tokens[i, j] for j, found in enumerate(row) if found == tag]
        if min(map(len, sides.values())) > unbiased:
            total = total + 0.25 * slow_mmd(torch.stack(sides[False]), torch.stack(sides[True]), unbiased)
    found = WordMMD("ai", unbiased=unbiased)(given)
    torch.testing.assert_close(found, total, rtol=0, atol=1e-12)
    (gradient,) = torch.autograd.grad(found, tokens)
    # Without annotation, or with a tag that one side lacks, a token takes no part.
    assert not gradient[2, 1].any()
    assert not gradient[3, 2].any()
    assert not gradient[2, 0].any()
    assert gradient[1, 1].any()


def test_memory_is_bounded_by_thinning():
    given = inputs(DOMAINS, [[0] * 3] * 5)
    tokens = given.output.tokens
    target, source = tokens[[1, 3]].flatten(0, 1), tokens[[0, 2, 4]].flatten(0, 1)
    expected = slow_mmd(source[[0, 4, 8]], target[[0, 2, 5]])
    torch.testing.assert_close(WordMMD("ai", mu=1.0, most=3)(given), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("term", [SentenceMMD("ai"), WordMMD("ai")])
def test_a_batch_of_one_side_adds_nothing_and_is_counted(term):
    given = inputs(["news"] * 5, TAGS)
    with pytest.warns(UserWarning, match=r"W002.*news.*MMD"):
        assert term(given).item() == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss = term(given)
    loss.backward()
    assert term.batches_of_one_side == 2
    assert term(inputs(DOMAINS, TAGS)).item() > 0
    assert term.batches_of_one_side == 2


def test_docs_without_a_domain_are_an_error():
    with pytest.raises(CrossnerError, match="C035"):
        SentenceMMD("ai")(inputs(["ai", None, "news", "ai", "ai"], TAGS))
