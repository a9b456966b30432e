from dataclasses import replace
from itertools import product

import pytest
import torch
import torchcrf

from spacy_crossner.annotations.tags import allowed_starts, allowed_transitions, label_tags, tags_to_spans
from spacy_crossner.core.head import Decoding, HeadOutput, SequenceHead, pad_tokens
from spacy_crossner.core.linear import LinearTagger

WIDTH = 4
# Three docs; the second is without annotation, the third has a gap.
LENGTHS = [3, 2, 4]
TAGS = torch.tensor([[1, 2, 0, -1], [-1, -1, -1, -1], [0, -1, 3, 4]])
N_TAGS = 5


def constraints(n_labels):
    tags = label_tags([f"l{i}" for i in range(n_labels)])
    return torch.from_numpy(allowed_starts(tags)), torch.from_numpy(allowed_transitions(tags))


def make_mask(lengths):
    mask = torch.zeros(len(lengths), max(lengths), dtype=torch.bool)
    for i, length in enumerate(lengths):
        mask[i, :length] = True
    return mask


@pytest.fixture(params=[True, False], ids=["crf", "softmax"])
def tagger(request):
    torch.manual_seed(0)
    return LinearTagger(WIDTH, *constraints(2), use_crf=request.param).double()


@pytest.fixture
def tokens():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(sum(LENGTHS), WIDTH, generator=generator, dtype=torch.float64, requires_grad=True)


def direct_nll(tagger, rows, tags):
    """Return the negative log-likelihood of each row's known tags: pytorch-crf's of all completions, or softmax."""
    losses = []
    for tokens, gold in zip(rows, tags, strict=True):
        gold = gold[: len(tokens)]
        emissions = tokens @ tagger.output.weight.T + tagger.output.bias
        if not tagger.use_crf:
            chosen = emissions.log_softmax(dim=1)[torch.arange(len(gold)), gold]
            losses.append(-chosen[gold >= 0].sum())
            continue
        crf = torchcrf.CRF(N_TAGS, batch_first=True).double()
        crf.load_state_dict(tagger.crf.state_dict())
        options = [range(N_TAGS) if tag < 0 else [tag] for tag in gold.tolist()]
        completions = torch.tensor(list(product(*options)))
        copies = emissions.expand(len(completions), -1, -1)
        mask = torch.ones_like(completions, dtype=torch.bool)
        likelihoods = crf(copies, completions, mask=mask, reduction="none")
        losses.append(-likelihoods.logsumexp(0))
    return torch.stack(losses)


def gradients(loss, tagger, tokens):
    trained = [parameter for parameter in tagger.parameters() if parameter.requires_grad]
    return torch.autograd.grad(loss, [tokens, *trained], materialize_grads=True)


def test_pad_tokens_lays_rows_out():
    flat = torch.arange(1.0, 10.0).view(9, 1)
    padded = pad_tokens(flat, make_mask(LENGTHS))
    assert padded.squeeze(2).tolist() == [[1, 2, 3, 0], [4, 5, 0, 0], [6, 7, 8, 9]]


def test_forward_scores_each_token(tagger, tokens):
    mask = make_mask(LENGTHS)
    output = tagger(tokens, mask)
    expected = tokens @ tagger.output.weight.T + tagger.output.bias
    torch.testing.assert_close(output.emissions[mask], expected)
    assert torch.equal(output.tokens[mask], tokens)
    assert torch.equal(output.mask, mask)


def test_nll_is_the_mean_over_annotated_tokens(tagger, tokens):
    found = tagger.nll(tagger(tokens, make_mask(LENGTHS)), TAGS)
    expected = direct_nll(tagger, tokens.split(LENGTHS), TAGS).sum() / (TAGS >= 0).sum()
    torch.testing.assert_close(found, expected)


def test_row_without_annotation_gives_no_gradient(tagger, tokens):
    loss = tagger.nll(tagger(tokens, make_mask(LENGTHS)), TAGS)
    found = gradients(loss, tagger, tokens)
    # The same as with the row left out, exactly 0 at its tokens and at the one in the gap.
    first, silent, third = tokens.split(LENGTHS)
    loss = tagger.nll(tagger(torch.cat([first, third]), make_mask([3, 4])), TAGS[[0, 2]])
    torch.testing.assert_close(found, gradients(loss, tagger, tokens), rtol=1e-10, atol=1e-12)
    of_first, of_silent, of_third = found[0].split(LENGTHS)
    assert silent.shape == of_silent.shape
    assert (of_silent == 0).all()
    assert (of_third[1] == 0).all()
    assert (of_first != 0).all()
    assert (of_third[[0, 2, 3]] != 0).all()


def test_batch_without_annotation_has_loss_0_connected_to_the_tokens(tagger, tokens):
    loss = tagger.nll(tagger(tokens, make_mask(LENGTHS)), torch.full_like(TAGS, -1))
    assert loss.item() == 0.0
    loss.backward()
    assert (tokens.grad == 0).all()
    assert (tagger.output.weight.grad == 0).all()
    assert all(parameter.grad is None or (parameter.grad == 0).all() for parameter in tagger.parameters())


@pytest.mark.parametrize("constrained", [True, False])
def test_softmax_decodes_each_token_by_itself_but_for_the_constraints(constrained):
    starts, transitions = constraints(2)
    tagger = LinearTagger(WIDTH, starts, transitions, use_crf=False)
    emissions = torch.randn(20, 4, N_TAGS, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(20, 4, dtype=torch.bool)
    found = tagger.decode(HeadOutput(emissions, mask, emissions), Decoding(constrained=constrained))
    if not constrained:
        assert torch.equal(found, emissions.argmax(dim=2))
        return
    paths = torch.tensor(list(product(range(N_TAGS), repeat=4)))
    legal = starts[paths[:, 0]] & transitions[paths[:, :-1], paths[:, 1:]].all(dim=1)
    # shape: (n_docs, n_paths)
    scores = torch.stack([row[torch.arange(4), paths].sum(dim=1) for row in emissions.log_softmax(dim=2)])
    assert torch.equal(found, paths[scores.masked_fill(~legal, -torch.inf).argmax(dim=1)])
    # Some of the rows needed the constraint.
    assert not torch.equal(found, emissions.argmax(dim=2))


class ShiftedTagger(LinearTagger):
    """A head whose CRF reads other emissions than those of its output, as with emissions that depend on the tags."""

    def lattice_output(self, output, decoding):
        return replace(output, emissions=2.0 * output.emissions + 1.0)


@pytest.mark.parametrize("head", [LinearTagger, ShiftedTagger])
@pytest.mark.parametrize("use_crf", [True, False])
@pytest.mark.parametrize("constrained", [True, False])
def test_tags_and_spans_are_those_of_all_paths_over_the_emissions_of_the_lattice(head, use_crf, constrained, tokens):
    torch.manual_seed(0)
    starts, transitions = constraints(2)
    tagger = head(WIDTH, starts, transitions, use_crf=use_crf).double()
    mask, temperature = make_mask(LENGTHS), 2.0
    output = tagger(tokens.detach(), mask)
    decoding = Decoding(constrained=constrained, temperature=temperature)
    found = tagger.decode(output, decoding)
    spans, probabilities = tagger.candidates(output, 0.05, decoding)
    expected = {}
    for row, (own_tokens, length) in enumerate(zip(tokens.detach().split(LENGTHS), LENGTHS, strict=True)):
        emissions = own_tokens @ tagger.output.weight.T + tagger.output.bias
        if head is ShiftedTagger:
            emissions = 2.0 * emissions + 1.0
        paths = torch.tensor(list(product(range(N_TAGS), repeat=length)))
        scores = emissions[torch.arange(length), paths].sum(dim=1)
        scores = scores + tagger.crf.start_transitions[paths[:, 0]] + tagger.crf.end_transitions[paths[:, -1]]
        scores = scores + tagger.crf.transitions[paths[:, :-1], paths[:, 1:]].sum(dim=1)
        if constrained:
            legal = starts[paths[:, 0]] & transitions[paths[:, :-1], paths[:, 1:]].all(dim=1)
            scores = scores.masked_fill(~legal, -torch.inf)
        assert found[row, :length].tolist() == paths[scores.argmax()].tolist()
        chances = (scores / temperature).softmax(dim=0)
        for start, end, label in product(range(length), range(1, length + 1), range(2)):
            if start < end:
                holds = (paths[:, start] == 1 + 2 * label) & (paths[:, start + 1 : end] == 2 + 2 * label).all(dim=1)
                if end < length:
                    holds = holds & (paths[:, end] != 2 + 2 * label)
                expected[row, start, end, label] = chances[holds].sum().item()
    every = tagger.span_probabilities(output, torch.tensor(list(expected)), decoding)
    assert every.tolist() == pytest.approx(list(expected.values()), abs=1e-9)
    # Some rows only, in any order.
    some = torch.tensor([[2, 1, 3, 1], [0, 0, 1, 0]])
    of_some = [expected[tuple(span)] for span in some.tolist()]
    assert tagger.span_probabilities(output, some, decoding).tolist() == pytest.approx(of_some, abs=1e-9)
    likely = {span: pytest.approx(chance, abs=1e-9) for span, chance in expected.items() if chance >= 0.05}
    assert {tuple(span): value for span, value in zip(spans.tolist(), probabilities.tolist(), strict=True)} == likely
    assert likely


def test_grow_keeps_the_scores_of_old_tags(tagger, tokens):
    mask = make_mask(LENGTHS)
    before = tagger(tokens, mask).emissions
    weight, bias, transitions = tagger.output.weight, tagger.output.bias, tagger.crf.transitions
    tagger.grow(*constraints(4))
    after = tagger(tokens, mask)
    assert after.emissions.shape == (3, 4, 9)
    assert torch.equal(tagger.output.weight[:N_TAGS], weight)
    assert torch.equal(tagger.output.bias[:N_TAGS], bias)
    torch.testing.assert_close(after.emissions[:, :, :N_TAGS], before)
    torch.testing.assert_close(tagger.crf.transitions[:N_TAGS, :N_TAGS].double(), transitions, rtol=1e-6, atol=1e-7)
    # New rows are not all alike, or they would be learned alike.
    assert tagger.output.weight[N_TAGS:].unique(dim=0).shape[0] == 4


@pytest.mark.parametrize("grow", [False, True])
@pytest.mark.parametrize("use_crf", [True, False])
def test_only_a_crf_trains_transitions(use_crf, grow):
    tagger = LinearTagger(WIDTH, *constraints(1), use_crf=use_crf)
    if grow:
        tagger.grow(*constraints(2))
    assert all(parameter.requires_grad == use_crf for parameter in tagger.crf.parameters())
    if not use_crf:
        assert all((parameter == 0).all() for parameter in tagger.crf.parameters())
    assert tagger.output.weight.requires_grad


def test_a_grown_tagger_learns_its_new_tags(tagger, tokens):
    tagger.grow(*constraints(3))
    tagger.double()
    tags = torch.full_like(TAGS, -1)
    tags[0, :3] = torch.tensor([5, 6, 0])
    optimizer = torch.optim.Adam((p for p in tagger.parameters() if p.requires_grad), lr=0.1)
    mask = make_mask(LENGTHS)
    for _ in range(50):
        optimizer.zero_grad()
        tagger.nll(tagger(tokens.detach(), mask), tags).backward()
        optimizer.step()
    assert tagger.decode(tagger(tokens, mask), Decoding())[0, :3].tolist() == [5, 6, 0]


@pytest.mark.parametrize("head", [LinearTagger, ShiftedTagger])
@pytest.mark.parametrize("constrained", [True, False])
def test_tags_and_probabilities_at_once_are_those_of_the_single_calls(head, constrained, tokens):
    torch.manual_seed(0)
    tagger = head(WIDTH, *constraints(2)).double()
    output = tagger(5.0 * tokens.detach(), make_mask(LENGTHS))
    allowed = torch.rand(output.emissions.shape, generator=torch.Generator().manual_seed(3)) < 0.8
    for rules in (None, allowed):
        decoding = Decoding(constrained=constrained, temperature=2.0, allowed=rules)
        paths, scores = tagger.decode_spans(output, decoding)
        expected_paths, expected = SequenceHead.decode_spans(tagger, output, decoding)
        assert torch.equal(paths, tagger.decode(output, decoding))
        assert torch.equal(paths, expected_paths)
        torch.testing.assert_close(scores, expected)
        spans = tags_to_spans(paths.numpy(), output.mask.sum(dim=1).numpy())
        assert len(spans)
        single = tagger.span_probabilities(output, torch.from_numpy(spans), decoding)
        assert scores[spans[:, 0], spans[:, 1]].tolist() == pytest.approx(single.tolist(), abs=1e-9)
        assert (scores > 0).sum() <= len(spans)
