import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_crossner.annotations.tags import allowed_starts, allowed_transitions, label_tags
from spacy_crossner.core import scan as scan_module
from spacy_crossner.core.crf import BioCRF
from spacy_crossner.core.scan import scan


@st.composite
def batches(draw):
    """Draw a CRF, emissions with NaN at padding, a mask and allowed tags (or None)."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    tags = label_tags([str(i) for i in range(draw(st.integers(1, 3)))])
    crf = BioCRF(torch.from_numpy(allowed_starts(tags)), torch.from_numpy(allowed_transitions(tags))).double()
    scale = draw(st.sampled_from([0.1, 3.0, 300.0]))
    with torch.no_grad():
        for scores in crf.parameters():
            scores.copy_(min(scale, 30.0) * torch.randn(scores.shape, generator=generator, dtype=torch.float64))
    lengths = torch.tensor(draw(st.lists(st.integers(1, 13), min_size=1, max_size=4)))
    shape = (len(lengths), int(lengths.max()) + draw(st.integers(0, 2)), len(tags))
    mask = torch.arange(shape[1]) < lengths.unsqueeze(1)
    emissions = scale * torch.randn(shape, generator=generator, dtype=torch.float64)
    if draw(st.booleans()):
        # Ties: every sum is a whole number, exact in any order.
        emissions = emissions.sign()
        with torch.no_grad():
            for scores in crf.parameters():
                scores.copy_(scores.sign())
    emissions[~mask] = torch.nan
    allowed = None
    if draw(st.booleans()):
        allowed = torch.rand(shape, generator=generator) < draw(st.sampled_from([0.4, 0.9]))
    return crf, emissions, mask, allowed


@given(st.integers(0, 20))
def test_scan_gives_the_results_of_all_steps(n_steps):
    steps = torch.arange(1, n_steps + 1).expand(2, -1)
    # Affine functions x -> 2x + step do not commute: a pair is (factor, summand).
    pairs = torch.stack([torch.full_like(steps, 2), steps], dim=2) % 7
    found = scan(
        torch.tensor([3, 4]),
        pairs,
        lambda values, affine: (affine[..., 0] * values + affine[..., 1]) % 101,
        lambda a, b: torch.stack([b[..., 0] * a[..., 0] % 101, (b[..., 0] * a[..., 1] + b[..., 1]) % 101], dim=2),
    )
    for row, value in zip(found.tolist(), (3, 4), strict=True):
        expected = [value]
        for step in range(1, n_steps + 1):
            expected.append((2 * expected[-1] + step % 7) % 101)
        assert row == expected


@given(batches(), st.booleans(), st.sampled_from([1, 2000, 2**26]))
def test_paths_are_those_of_the_loop(drawn, constrained, elements):
    crf, emissions, mask, allowed = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan_module, "CRF_SCAN_ELEMENTS", elements)
        found = crf.scan_paths(emissions, mask, constrained, allowed)
    assert torch.equal(found, crf.best_paths(emissions, mask, constrained, allowed))


@given(batches(), st.booleans(), st.sampled_from([0.5, 1.0, 3.0]))
@settings(deadline=None)
def test_probabilities_are_those_of_the_loop_or_not_a_number(drawn, constrained, temperature):
    crf, emissions, mask, allowed = drawn
    keywords = {"constrained": constrained, "temperature": temperature, "allowed": allowed}
    paths, expected = crf.best_spans(emissions, mask, **keywords)
    again, found = crf.scan_spans(emissions, mask, **keywords)
    assert torch.equal(again, paths)
    missing = found.isnan()
    torch.testing.assert_close(found[~missing], expected[~missing], rtol=1e-9, atol=1e-9)
    # Only scores beyond the range of float64 leave a row out.
    if emissions[mask].abs().max() < 20 and allowed is None:
        assert not missing.any()


def test_a_row_with_an_underflow_is_not_a_number_and_leaves_the_others_alone():
    tags = label_tags(["a"])
    crf = BioCRF(torch.from_numpy(allowed_starts(tags)), torch.from_numpy(allowed_transitions(tags))).double()
    emissions = torch.zeros(2, 30, 3, dtype=torch.float64)
    emissions[:, :, 0] = 5.0
    emissions[:, 0, 1] = 10.0
    emissions[0, 15, 0] = 1000.0
    mask = torch.ones(2, 30, dtype=torch.bool)
    paths, found = crf.scan_spans(emissions, mask)
    assert (paths[:, 0] == 1).all()
    assert found[0, 0].isnan()
    assert not found[0, paths[0] == 0].isnan().any()
    _, expected = crf.best_spans(emissions, mask)
    torch.testing.assert_close(found[1], expected[1])
    assert found[1, 0] > 0.5
