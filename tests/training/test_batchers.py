import random
from collections import Counter
from itertools import pairwise

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example

from spacy_crossner.annotations.domains import get_domain, set_domain, without_annotation
from spacy_crossner.errors import CrossnerError
from spacy_crossner.training.batchers import PaddedBatcher

VOCAB = spacy.blank("en").vocab
lengths_of_docs = st.lists(st.integers(0, 12), max_size=40)


def make_examples(lengths, domains=None):
    examples = []
    for i, length in enumerate(lengths):
        doc = Doc(VOCAB, words=["w"] * length)
        set_domain(doc, domains[i] if domains else None)
        examples.append(Example(doc, doc))
    return examples


def ids(batches):
    return [[id(example) for example in batch] for batch in batches]


@settings(deadline=None)
@given(lengths_of_docs, st.integers(1, 7), st.integers(0, 30), st.integers(1, 4))
def test_every_example_comes_once_within_the_limits(lengths, size, max_padded, pool):
    examples = make_examples(lengths)
    batches = list(PaddedBatcher(size, max_padded=max_padded, pool=pool)(examples))
    assert Counter(i for batch in ids(batches) for i in batch) == Counter(map(id, examples))
    for batch in batches:
        assert 1 <= len(batch) <= size
        padded = len(batch) * max(len(example) for example in batch)
        # A doc that is over the limit by itself is a batch by itself.
        assert not max_padded or padded <= max_padded or len(batch) == 1


@settings(deadline=None)
@given(lengths_of_docs, st.integers(1, 7))
def test_batches_of_a_pool_waste_no_padding(lengths, size):
    examples = make_examples(lengths)
    batches = list(PaddedBatcher(size)(examples))
    # As few as there can be, and none reaches into the lengths of another.
    assert len(batches) == -(-len(examples) // size)
    spans = sorted((min(map(len, batch)), max(map(len, batch))) for batch in batches)
    assert all(longest <= shortest for (_, longest), (shortest, _) in pairwise(spans))


def test_one_long_doc_is_alone():
    batches = list(PaddedBatcher(8, max_padded=10)(make_examples([2, 2, 50, 3])))
    assert sorted(sorted(map(len, batch)) for batch in batches) == [[2, 2, 3], [50]]


@settings(deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=40), st.integers(1, 7))
def test_batches_hold_as_many_tokens_where_that_is_asked_for(lengths, size):
    examples = make_examples(lengths)
    batches = list(PaddedBatcher(size, equal_tokens=True)(examples))
    assert Counter(i for batch in ids(batches) for i in batch) == Counter(map(id, examples))
    most = -(-len(examples) // size)
    assert len(batches) <= most
    # No further from its share than half a doc at each border.
    assert all(sum(map(len, batch)) <= sum(lengths) / most + max(lengths) for batch in batches)


def test_as_many_short_docs_come_together_as_have_the_tokens_of_long_ones():
    examples = make_examples([2] * 12 + [12] * 2)
    assert sorted(len(batch) for batch in PaddedBatcher(7, equal_tokens=True)(examples)) == [2, 12]
    assert sorted(len(batch) for batch in PaddedBatcher(7)(examples)) == [7, 7]
    limited = PaddedBatcher(7, max_padded=16, equal_tokens=True)(examples)
    assert sorted(len(batch) for batch in limited) == [1, 1, 4, 8]


def test_examples_are_taken_a_pool_at_a_time():
    examples = make_examples([5, 1, 4, 2, 3, 6, 9, 8, 7])
    batches = list(PaddedBatcher(2, pool=2)(examples))
    assert sorted(len(example) for batch in batches[:2] for example in batch) == [1, 2, 4, 5]
    assert sorted(len(example) for batch in batches[2:4] for example in batch) == [3, 6, 8, 9]
    assert [len(example) for example in batches[4]] == [7]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from(["a", "b", "c"])), min_size=1, max_size=40), st.data())
def test_balanced_batches_hold_like_shares_and_lose_nothing(drawn, data):
    size = data.draw(st.integers(3, 9))
    lengths, domains = [length for length, _ in drawn], [domain for _, domain in drawn]
    examples = make_examples(lengths, domains)
    max_padded = data.draw(st.sampled_from([0, 40]))
    batches = list(PaddedBatcher(size, max_padded=max_padded, balance=True, pool=40)(examples))
    seen = Counter(i for batch in ids(batches) for i in batch)
    assert set(seen) == set(map(id, examples))
    for batch in batches:
        shares = Counter(get_domain(example.predicted) for example in batch)
        counts = [shares[domain] for domain in set(domains)]
        assert max(counts) - min(counts) <= 1
        assert len(batch) <= size
    # The largest domain comes once, the docs of another about equally often.
    by_domain = Counter(domains)
    for domain, n in by_domain.items():
        times = [seen[id(e)] for e in examples if get_domain(e.predicted) == domain]
        assert sum(times) == max(by_domain.values())
        assert max(times) - min(times) <= 1, n


def test_balanced_batches_hold_docs_of_like_length():
    # A small domain with the same range of lengths as a large one.
    examples = make_examples([*range(1, 41), *range(2, 41, 2)], ["large"] * 40 + ["small"] * 20)
    random.Random(0).shuffle(examples)
    for batch in PaddedBatcher(8, balance=True)(examples):
        assert max(map(len, batch)) - min(map(len, batch)) <= 16


@pytest.mark.parametrize("n_small", [8, 21, 100])
def test_a_balanced_batch_has_no_example_twice_while_there_are_others(n_small):
    rng = random.Random(0)
    lengths = [rng.randint(1, 30) for _ in range(800 + n_small)]
    examples = make_examples(lengths, ["large"] * 800 + ["small"] * n_small)
    rng.shuffle(examples)
    for batch in PaddedBatcher(16, balance=True)(examples):
        assert len(set(map(id, batch))) == len(batch)


@pytest.mark.parametrize("balance", [False, True])
def test_the_order_follows_the_seed(balance):
    examples = make_examples(list(range(1, 41)), ["a", "b"] * 20)

    def passes(seed):
        batcher = PaddedBatcher(4, balance=balance, seed=seed)
        return [ids(batcher(examples)) for _ in range(2)]

    first = passes(1)
    assert first == passes(1)
    assert first != passes(2)
    # Another order in the second pass, of the same batches.
    assert first[0] != first[1]
    assert sorted(first[0]) == sorted(first[1])


def test_nothing_gives_nothing():
    assert list(PaddedBatcher(4)([])) == []
    assert list(PaddedBatcher(4, balance=True)([])) == []


@pytest.mark.parametrize("setting", [{"size": 0}, {"size": 4, "pool": 0}, {"size": 4, "max_padded": -1}])
def test_numbers_out_of_range_are_refused(setting):
    with pytest.raises(CrossnerError, match="C015"):
        PaddedBatcher(**setting)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_a_balanced_batch_holds_every_domain_whatever_its_size(size):
    examples = make_examples([5] * 12, ["a", "b"] * 6)
    for batch in PaddedBatcher(size, balance=True)(examples):
        assert {get_domain(example.predicted) for example in batch} == {"a", "b"}


def test_balance_finds_the_domain_where_spacys_own_reader_leaves_it():
    examples = make_examples([5] * 12, ["a", "b", "b"] * 4)
    for example in examples:
        example.predicted = Doc(VOCAB, words=["w"] * 5)
    for batch in PaddedBatcher(4, balance=True)(examples):
        assert Counter(get_domain(example.reference) for example in batch) == {"a": 2, "b": 2}


def test_tasks_are_balanced_like_domains_where_that_is_asked_for(annotated_docs):
    nlp = spacy.blank("en")
    examples = []
    for i, doc in enumerate(annotated_docs(nlp)):
        set_domain(doc, "ai" if i % 2 else "news")
        reference = doc if i < 6 else without_annotation(doc, nlp.vocab)
        examples.append(Example(without_annotation(doc, nlp.vocab), reference))

    def groups(batch):
        return Counter((get_domain(e.predicted), e.reference.has_annotation("ENT_IOB")) for e in batch)

    batches = list(PaddedBatcher(8, balance=True, by_task=True)(examples))
    assert all(len(set(groups(batch).values())) == 1 and len(groups(batch)) == 4 for batch in batches)
    assert {id(example) for batch in batches for example in batch} == set(map(id, examples))
    # By domain alone annotated docs are what they happen to be.
    assert any(len(set(groups(batch).values())) > 1 for batch in PaddedBatcher(8, balance=True)(examples))
