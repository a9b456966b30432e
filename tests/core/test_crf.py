from itertools import pairwise, product

import pytest
import torch
import torchcrf
from hypothesis import given
from hypothesis import strategies as st

from spacy_crossner.annotations.tags import allowed_starts, allowed_transitions, label_tags
from spacy_crossner.core import viterbi as viterbi_module
from spacy_crossner.core.crf import BioCRF
from spacy_crossner.core.rows import pack_rows
from spacy_crossner.core.viterbi import viterbi


def constraints(n_labels):
    tags = label_tags([f"l{i}" for i in range(n_labels)])
    return torch.from_numpy(allowed_starts(tags)), torch.from_numpy(allowed_transitions(tags))


def make_crf(n_labels, generator, scale=1.0):
    crf = BioCRF(*constraints(n_labels)).double()
    with torch.no_grad():
        for scores in crf.parameters():
            scores.copy_(scale * torch.randn(scores.shape, generator=generator, dtype=torch.float64))
    return crf


@st.composite
def batches(draw, missing=False):
    """Draw a CRF, emissions with garbage at padding, tags (-1 at padding and, if wanted, elsewhere) and a mask."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    n_labels = draw(st.integers(1, 2))
    scale = draw(st.sampled_from([0.1, 1.0, 30.0]))
    lengths = torch.tensor(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    crf = make_crf(n_labels, generator, scale)
    shape = (len(lengths), int(lengths.max()) + draw(st.integers(0, 2)))
    mask = torch.arange(shape[1]) < lengths.unsqueeze(1)
    emissions = scale * torch.randn((*shape, crf.num_tags), generator=generator, dtype=torch.float64)
    emissions[~mask] = 1000.0 * torch.randn((*shape, crf.num_tags), generator=generator, dtype=torch.float64)[~mask]
    tags = torch.randint(crf.num_tags, shape, generator=generator)
    tags[~mask] = -1
    if missing:
        tags[torch.rand(shape, generator=generator) < draw(st.sampled_from([0.3, 0.7]))] = -1
    return crf, emissions, tags, mask


def paths_and_scores(crf, emissions):
    """Return every path over one unpadded row, shape (n_paths, n_tokens), and its score, shape (n_paths,)."""
    n_tokens, n_tags = emissions.shape
    paths = torch.tensor(list(product(range(n_tags), repeat=n_tokens)))
    scores = crf.start_transitions[paths[:, 0]] + crf.end_transitions[paths[:, -1]]
    for i in range(n_tokens):
        scores = scores + emissions[i, paths[:, i]]
        if i:
            scores = scores + crf.transitions[paths[:, i - 1], paths[:, i]]
    return paths, scores


def unpadded(mask, *batch):
    """Return for each row what tensors of a batch hold at its tokens."""
    return [[values[i, :n] for values in batch] for i, n in enumerate(mask.sum(dim=1).tolist())]


def is_legal(path, starts, transitions):
    return bool(starts[path[0]]) and all(transitions[a, b] for a, b in pairwise(path))


def enumerated_likelihood(crf, emissions, tags):
    """Return the log of the share of all paths that agree with the known tags of one unpadded row."""
    paths, scores = paths_and_scores(crf, emissions)
    agrees = ((paths == tags) | (tags < 0)).all(dim=1)
    return scores[agrees].logsumexp(0) - scores.logsumexp(0)


@given(batches(), st.booleans())
def test_best_paths_are_the_best_of_all(drawn, constrained):
    crf, emissions, _, mask = drawn
    starts, transitions = constraints((crf.num_tags - 1) // 2)
    found = crf.best_paths(emissions, mask, constrained)
    assert found.shape == mask.shape
    for row, best in unpadded(mask, emissions, found):
        paths, scores = paths_and_scores(crf, row)
        if constrained:
            legal = torch.tensor([is_legal(path, starts, transitions) for path in paths.tolist()])
            paths, scores = paths[legal], scores[legal]
        assert best.tolist() == paths[scores.argmax()].tolist()
    assert not found[~mask].any()


@given(batches())
def test_unconstrained_paths_are_those_of_pytorch_crf(drawn):
    crf, emissions, _, mask = drawn
    found = crf.best_paths(emissions, mask, constrained=False)
    assert [path.tolist() for (path,) in unpadded(mask, found)] == crf.decode(emissions, mask)
    scores = (crf.start_transitions, crf.transitions, crf.end_transitions)
    rows = pack_rows(emissions, mask)
    assert torch.equal(rows.restore(viterbi(rows, *scores), mask.shape[1]), found)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_paths_over_many_tags_and_lengths_are_those_of_pytorch_crf_with_penalties(dtype):
    generator = torch.Generator().manual_seed(0)
    crf = make_crf(14, generator, scale=2.0).to(dtype)
    lengths = torch.randint(1, 60, (50,), generator=generator)
    mask = torch.arange(62) < lengths.unsqueeze(1)
    emissions = 3.0 * torch.randn(50, 62, 29, generator=generator).to(dtype)
    penalized = torchcrf.CRF(29, batch_first=True).to(dtype)
    penalized.load_state_dict(crf.state_dict())
    with torch.no_grad():
        penalized.start_transitions += crf.forbidden_starts
        penalized.transitions += crf.forbidden_transitions
    found = crf.best_paths(emissions, mask)
    assert [path.tolist() for (path,) in unpadded(mask, found)] == penalized.decode(emissions, mask)


@given(batches(), st.booleans(), st.sampled_from([0.3, 0.6, 0.9]), st.integers(0, 2**31))
def test_best_paths_take_allowed_tags_or_break_the_fewest_rules(drawn, constrained, share, seed):
    crf, emissions, _, mask = drawn
    starts, transitions = constraints((crf.num_tags - 1) // 2)
    allowed = torch.rand(emissions.shape, generator=torch.Generator().manual_seed(seed)) < share
    found = crf.best_paths(emissions, mask, constrained, allowed)
    for row, row_allowed, best in unpadded(mask, emissions, allowed, found):
        paths, scores = paths_and_scores(crf, row)
        broken = torch.stack([~row_allowed[i, paths[:, i]] for i in range(len(row))]).sum(dim=0)
        if constrained:
            illegal = [[not starts[path[0]], *(not transitions[pair] for pair in pairwise(path))] for path in paths]
            broken = broken + torch.tensor(illegal).sum(dim=1)
        fewest = broken == broken.min()
        assert best.tolist() == paths[fewest][scores[fewest].argmax()].tolist()


@given(batches(), st.booleans())
def test_of_equally_good_paths_the_one_with_the_first_tags_from_the_end_is_taken(drawn, constrained):
    crf, emissions, _, mask = drawn
    starts, transitions = constraints((crf.num_tags - 1) // 2)
    with torch.no_grad():
        for scores in crf.parameters():
            scores.copy_(scores.sign())
    for row, best in unpadded(mask, emissions.sign(), crf.best_paths(emissions.sign(), mask, constrained)):
        paths, scores = paths_and_scores(crf, row)
        if constrained:
            legal = torch.tensor([is_legal(path, starts, transitions) for path in paths.tolist()])
            paths, scores = paths[legal], scores[legal]
        assert best.tolist() == min(paths[scores == scores.max()].tolist(), key=lambda path: path[::-1])


@given(batches(), st.booleans(), st.sampled_from([1, 10, 40, 32768]))
def test_threads_and_blocks_change_no_path(drawn, ties, threaded_from):
    crf, emissions, _, mask = drawn
    emissions = emissions.sign() if ties else emissions
    emissions[~mask] = torch.nan
    with torch.no_grad():
        for scores in crf.parameters():
            scores.copy_(scores.sign() if ties else scores)
    found = {}
    for threads in (1, 2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "get_num_threads", lambda n=threads: n)
            patch.setattr(viterbi_module, "CRF_THREADED_ELEMENTS", threaded_from)
            found[threads] = crf.best_paths(emissions, mask)
    assert torch.equal(found[1], found[2])
    # A broken model (not a number at a token too) gets some path.
    emissions[0, 0] = torch.nan
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "get_num_threads", lambda: 2)
        assert (crf.best_paths(emissions, mask) < crf.num_tags).all()


@pytest.mark.parametrize("n_docs", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_best_paths_leave_the_emissions_as_they_are(n_docs, dtype):
    generator = torch.Generator().manual_seed(0)
    crf = make_crf(2, generator)
    emissions = torch.randn(n_docs, 4, 5, generator=generator, dtype=torch.float64).to(dtype)
    before, mask = emissions.clone(), torch.ones(n_docs, 4, dtype=torch.bool)
    found = crf.best_paths(emissions, mask, constrained=False)
    assert torch.equal(emissions, before)
    # Scores of a wider type than the emissions are not rounded.
    assert found.tolist() == crf.decode(emissions.double(), mask)


def test_constrained_paths_are_legal_where_every_score_favours_illegal_ones():
    crf = make_crf(2, torch.Generator().manual_seed(0)).float()
    emissions = torch.zeros(1, 6, 5)
    # Inside tags of two labels in turn, by a margin that no other test reaches.
    emissions[0, ::2, 2] = emissions[0, 1::2, 4] = 1e4
    mask = torch.ones(1, 6, dtype=torch.bool)
    assert crf.best_paths(emissions, mask, constrained=False).tolist() == [[2, 4, 2, 4, 2, 4]]
    starts, transitions = constraints(2)
    (path,) = crf.best_paths(emissions, mask).tolist()
    assert is_legal(path, starts, transitions)
    # At best every second token has the tag that it wants.
    assert emissions[0, range(6), path].sum() == 3e4


@given(batches())
def test_likelihood_of_full_annotation_is_that_of_pytorch_crf(drawn):
    crf, emissions, tags, mask = drawn
    found = crf.log_likelihood(emissions, tags, mask)
    plain = torchcrf.CRF(crf.num_tags, batch_first=True).double()
    plain.load_state_dict(crf.state_dict())
    expected = plain(emissions, tags.clamp(min=0), mask=mask, reduction="none")
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-10)
    slow = [enumerated_likelihood(crf, *row) for row in unpadded(mask, emissions, tags)]
    torch.testing.assert_close(found, torch.stack(slow), rtol=1e-9, atol=1e-9)


@given(batches(missing=True))
def test_likelihood_of_partial_annotation_sums_over_all_completions(drawn):
    crf, emissions, tags, mask = drawn
    inputs = [emissions.requires_grad_(), *crf.parameters()]
    found = crf.log_likelihood(emissions, tags, mask)
    gradients = torch.autograd.grad(found.sum(), inputs, materialize_grads=True)
    # Emissions without annotation are constants.
    fixed = torch.where((tags < 0).unsqueeze(2), emissions.detach(), emissions)
    slow = [enumerated_likelihood(crf, *row) for row in unpadded(mask, fixed, tags)]
    torch.testing.assert_close(found, torch.stack(slow), rtol=1e-9, atol=1e-9)
    expected = torch.autograd.grad(torch.stack(slow).sum(), inputs, materialize_grads=True)
    torch.testing.assert_close(gradients, expected, rtol=1e-7, atol=1e-9)
    assert (gradients[0][tags < 0] == 0).all()


@given(batches(missing=True), st.integers(1, 4))
def test_more_padding_changes_nothing(drawn, more):
    crf, emissions, tags, mask = drawn
    padding = (0, 0, 0, more)
    wide = torch.nn.functional.pad(emissions, padding, value=123.0)
    wide_tags = torch.nn.functional.pad(tags, (0, more), value=-1)
    wide_mask = torch.nn.functional.pad(mask, (0, more), value=False)
    assert torch.equal(crf.log_likelihood(emissions, tags, mask), crf.log_likelihood(wide, wide_tags, wide_mask))
    for constrained in (True, False):
        narrow = crf.best_paths(emissions, mask, constrained)
        assert torch.equal(narrow[mask], crf.best_paths(wide, wide_mask, constrained)[wide_mask])


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 5), (3, 3)])
def test_grown_keeps_the_scores_between_old_tags(before, after):
    crf = make_crf(before, torch.Generator().manual_seed(0))
    grown = crf.grown(*constraints(after))
    n = crf.num_tags
    assert grown.num_tags == 2 * after + 1
    assert grown.transitions.shape == (grown.num_tags, grown.num_tags)
    # The dtype too: in float32 the old scores would lose bits.
    assert grown.transitions.dtype == torch.float64
    assert torch.equal(grown.start_transitions[:n], crf.start_transitions)
    assert torch.equal(grown.end_transitions[:n], crf.end_transitions)
    assert torch.equal(grown.transitions[:n, :n], crf.transitions)


def test_grown_allows_what_the_new_labels_allow():
    crf = make_crf(1, torch.Generator().manual_seed(0)).float().grown(*constraints(2))
    # The new label's inside tag, 4, opened by its own begin tag, 3, is what these emissions ask for.
    emissions = 50.0 * torch.nn.functional.one_hot(torch.tensor([[4, 4, 0], [3, 4, 4]]), 5)
    mask = torch.ones(2, 3, dtype=torch.bool)
    first, second = crf.best_paths(emissions, mask).tolist()
    assert second == [3, 4, 4]
    assert is_legal(first, *constraints(2))


def test_likelihood_of_a_long_row_in_float32():
    generator = torch.Generator().manual_seed(0)
    crf = make_crf(6, generator)
    emissions = 5.0 * torch.randn(2, 300, crf.num_tags, generator=generator, dtype=torch.float64)
    tags = torch.randint(-1, crf.num_tags, (2, 300), generator=generator)
    mask = torch.ones(2, 300, dtype=torch.bool)
    expected = crf.log_likelihood(emissions, tags, mask)
    found = crf.float().log_likelihood(emissions.float(), tags, mask)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=0.0)


@given(batches())
def test_log_marginals_are_the_sums_over_all_paths(batch):
    crf, emissions, _, mask = batch
    found = crf.log_marginals(emissions, mask)
    for row, log_marginals in unpadded(mask, emissions, found):
        paths, scores = paths_and_scores(crf, row)
        chances = (scores - scores.logsumexp(dim=0)).exp()
        slow = torch.stack([(chances.unsqueeze(1) * (paths == tag)).sum(dim=0) for tag in range(crf.num_tags)], dim=1)
        torch.testing.assert_close(log_marginals.exp(), slow, rtol=0, atol=1e-9)


def test_log_marginals_have_the_gradient_of_the_sums_over_all_paths():
    generator = torch.Generator().manual_seed(0)
    crf = make_crf(1, generator)
    emissions = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    weights = torch.rand(2, 4, 3, generator=generator, dtype=torch.float64)
    weights[~mask] = 0

    def slow():
        total = emissions.new_zeros(())
        for row, weight in [(emissions[0], weights[0]), (emissions[1, :2], weights[1, :2])]:
            paths, scores = paths_and_scores(crf, row)
            scores = scores - scores.logsumexp(dim=0)
            for i, tag in product(range(len(row)), range(3)):
                total = total + weight[i, tag] * scores[paths[:, i] == tag].logsumexp(dim=0)
        return total

    wanted = torch.autograd.grad(slow(), [emissions, *crf.parameters()])
    found = torch.autograd.grad((crf.log_marginals(emissions, mask) * weights).sum(), [emissions, *crf.parameters()])
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 4), (3, 5)])
def test_new_tags_start_with_the_mean_scores_of_their_kind(before, after):
    old = make_crf(before, torch.Generator().manual_seed(0))
    crf, drawn = (old.grown(*constraints(after)) for _ in range(2))
    drawn.load_state_dict(crf.state_dict())
    crf.start_new_tags(old.num_tags)
    tags = [tag.partition("-") for tag in label_tags([f"l{i}" for i in range(after)])]

    def kind(*path):
        return [prefix for prefix, _, _ in path], len({label for _, _, label in path})

    def check(found, before, paths):
        scores = {path: before[path].item() for path in paths}
        for path in paths:
            known = [
                score
                for other, score in scores.items()
                if max(other) < old.num_tags and kind(*(tags[i] for i in other)) == kind(*(tags[i] for i in path))
            ]
            expected = sum(known) / len(known) if known and max(path) >= old.num_tags else scores[path]
            assert found[path].item() == pytest.approx(expected, abs=1e-12), path

    check(crf.transitions, drawn.transitions, list(product(range(len(tags)), repeat=2)))
    check(crf.start_transitions, drawn.start_transitions, [(i,) for i in range(len(tags))])
    check(crf.end_transitions, drawn.end_transitions, [(i,) for i in range(len(tags))])
    assert torch.equal(crf.transitions[: old.num_tags, : old.num_tags], old.transitions)
