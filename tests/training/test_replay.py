import random

import numpy as np
import pytest
import torch

from spacy_crossner.training.replay import Batches, Generators


class Owner:
    """Has a generator of its own, as our reader and batcher do."""

    def __init__(self):
        self.random = random.Random(0)


@pytest.fixture(autouse=True)
def _seed():
    """Leave the generators of other tests as they are."""
    generators = Generators()
    states = generators.get()
    yield
    generators.set(states)


def draw_some(owner, chooser):
    """Draw from some of the generators, and return what was drawn."""
    drawn = []
    for draw in (random.random, np.random.random, lambda: torch.rand(1).item(), owner.random.random):
        drawn += [draw() for _ in range(chooser.choice([0, 0, 1, 700]))]
    return drawn


def stream(owner, length, seed):
    """Yield batches that are shaped by what they draw, some of them by nothing."""
    chooser = random.Random(seed)
    for i in range(length):
        yield i // 4, draw_some(owner, chooser)


@pytest.mark.parametrize("seed", range(20))
def test_batches_come_again_whatever_else_draws(seed):
    length = 12
    random.seed(seed)
    owner, others = Owner(), random.Random(100 + seed)
    batches = Batches(stream(owner, length, seed), Generators(owner=owner))
    found, points = [], []
    for batch in batches:
        found.append(batch)
        draw_some(owner, others)
        points.append((batches.drawn, dict(batches.starts), batches.generators.get(), others.getstate()))
    assert len(found) == length
    for drawn, starts, states, others_state in points:
        # Another process: the generators stand anywhere, nothing else draws while batches are drawn again.
        random.seed()
        owner = Owner()
        again = Batches(stream(owner, length, seed), Generators(owner=owner))
        again.replay(drawn, starts)
        again.generators.set(states)
        others.setstate(others_state)
        rest = []
        for batch in again:
            rest.append(batch)
            draw_some(owner, others)
        assert rest == found[drawn:]
        # And may be replayed in its turn.
        assert again.starts == batches.starts


def test_all_states_are_put_back():
    owner = Owner()
    generators = Generators(owner=owner, other=object())
    # Python's and numpy's keep the second of a pair.
    random.gauss(0, 1)
    np.random.standard_normal()  # noqa: NPY002
    states = generators.get()
    chooser = random.Random(3)
    first = [*draw_some(owner, chooser), random.gauss(0, 1), np.random.standard_normal()]  # noqa: NPY002
    generators.set(states)
    chooser.seed(3)
    assert [*draw_some(owner, chooser), random.gauss(0, 1), np.random.standard_normal()] == first  # noqa: NPY002


def test_a_stage_without_a_foreign_draw_keeps_one_state():
    owner = Owner()
    batches = Batches(((0, [owner.random.random()]) for _ in range(9)), Generators(owner=owner))
    for _ in batches:
        random.random()
    assert list(batches.starts) == [0]
    assert list(batches.starts[0]) == ["owner"]
