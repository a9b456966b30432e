import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_crossner.annotations.tags import tags_to_spans
from spacy_crossner.core import path_spans as path_spans_module
from spacy_crossner.core.path_spans import spans_of_paths
from tests.core.test_lattice import batches, make_crf, uniform


def span_scores(crf, emissions, mask, keywords, paths):
    """Return the probability of each entity of paths at its first token, by the lattice over all tags."""
    spans = torch.from_numpy(tags_to_spans(paths.numpy(), mask.sum(dim=1).numpy()))
    scores = torch.zeros(mask.shape, dtype=torch.float64)
    scores[spans[:, 0], spans[:, 1]] = crf.lattice(emissions, mask, **keywords).span_probabilities(spans)
    return scores


@given(st.integers(0, 2**31), st.integers(1, 5), st.integers(1, 8))
def test_spans_of_paths_are_those_of_the_tags(seed, n_docs, n_tokens):
    generator = np.random.default_rng(seed)
    paths, lengths = generator.integers(0, 5, (n_docs, n_tokens)), generator.integers(1, n_tokens + 1, n_docs)
    mask = torch.arange(n_tokens) < torch.from_numpy(lengths).unsqueeze(1)
    found = spans_of_paths(torch.from_numpy(paths), mask)
    assert found.tolist() == tags_to_spans(paths, lengths).tolist()


@given(batches())
def test_probabilities_are_those_of_the_lattice(drawn):
    crf, emissions, mask, keywords = drawn
    paths, found = crf.best_spans(emissions, mask, **keywords)
    assert torch.equal(paths, crf.best_paths(emissions, mask, keywords["constrained"], keywords["allowed"]))
    expected = span_scores(crf, emissions, mask, keywords, paths)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)


@given(batches())
def test_probabilities_of_float32_emissions_are_exact_to_a_millionth(drawn):
    crf, emissions, mask, keywords = drawn
    crf, emissions = crf.float(), emissions.float()
    paths, found = crf.best_spans(emissions, mask, **keywords)
    assert found.dtype == torch.float64
    expected = span_scores(crf, emissions, mask, keywords, paths)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("scale", "dtype"), [(3.0, torch.float32), (30.0, torch.float64)])
def test_float32_sums_only_scores_of_its_range(scale, dtype, monkeypatch):
    used = []
    plain = path_spans_module.shift_scores
    monkeypatch.setattr(
        path_spans_module, "shift_scores", lambda *arguments: used.append(arguments[-1]) or plain(*arguments)
    )
    generator = torch.Generator().manual_seed(0)
    crf = make_crf(14, generator).float()
    emissions = scale * uniform((20, 300, 29), generator).float()
    # Inside tags that go on, for long entities.
    emissions[:, :, 4] += 2 * scale
    mask = torch.ones(20, 300, dtype=torch.bool)
    paths, found = crf.best_spans(emissions, mask)
    assert used == [dtype]
    expected = span_scores(crf, emissions, mask, {}, paths)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert (expected > 0).sum() > 20
