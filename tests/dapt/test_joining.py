from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_crossner.dapt.masking import join_isolated


def runs_of(flags):
    """Return the runs of True as (start, end), end exclusive."""
    found, place = [], 0
    for flag, group in groupby(flags):
        length = len(list(group))
        if flag:
            found.append((place, place + length))
        place += length
    return found


def join_slowly(masked, maskable):
    """The rule, index by index: see the docstring of `join_isolated`."""
    size = len(masked)
    now = {i for i in range(size) if masked[i]}
    isolated = [i for i in sorted(now) if i - 1 not in now and i + 1 not in now]

    def may(i):
        return 0 <= i < size and maskable[i]

    while len(isolated) >= 2:
        a, b = isolated.pop(0), isolated.pop(0)
        if may(b - 1):
            now = now - {a} | {b - 1}
        elif may(b + 1):
            now = now - {a} | {b + 1}
        elif may(a + 1):
            now = now - {b} | {a + 1}
    if isolated:
        (z,) = isolated
        in_run = {i for i in now if i - 1 in now or i + 1 in now}
        places = [i for i in range(size) if may(i) and i not in now and (i - 1 in in_run or i + 1 in in_run)]
        if z not in in_run and places:
            now = now - {z} | {min(places, key=lambda i: (abs(i - z), i))}
    return [i in now for i in range(size)]


@st.composite
def masks(draw):
    shape = draw(st.tuples(st.integers(1, 30), st.integers(1, 24)))
    # Drawn whole, as an index by itself costs more than the test.
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    maskable = random.random(shape) < draw(st.sampled_from([0.5, 0.8, 1.0]))
    return (random.random(shape) < draw(st.sampled_from([0.15, 0.3, 0.5]))) & maskable, maskable


# x masked, . not masked, | special. A block's first and last token are special.
@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Pairs: the first stands before the second.
        ("|.x.....x.|", "|......xx.|"),
        ("|x.x.|", "|.xx.|"),
        ("|x...x..x....x|", "|...xx......xx|"),
        # A run between the two of a pair stays where it is.
        ("|x..xx....x..|", "|...xx...xx..|"),
        ("|x..xxx.x...|", "|...xxxxx...|"),
        # The place before the second cannot be masked: behind it; behind the first; nowhere.
        ("|.x....|x...|", "|......|xx..|"),
        ("|.x....|x|", "|.xx...|.|"),
        ("|x|x|", "|x|x|"),
        ("|x|..|x|", "|x|..|x|"),
        # One left over: to the nearest run, on the left if both are as near.
        ("|x....xx..|", "|....xxx..|"),
        ("|xx....x..xx|", "|xx......xxx|"),
        ("|xx...x...xx|", "|xxx......xx|"),
        ("|x...x....x..|", "|...xxx......|"),
        ("|xx|....x|", "|xx|....x|"),
        (".xx|....x|", "xxx|.....|"),
        ("|x|xx....|", "|.|xxx...|"),
        # A pair has come to stand beside it.
        ("|x..|x.x..|", "|...|xxx..|"),
        # No run.
        ("|...x...|", "|...x...|"),
        # Nothing isolated, nothing masked.
        ("|.xxx.xx.|", "|.xxx.xx.|"),
        ("|......|", "|......|"),
    ],
)
def test_isolated_indices_are_joined(before, after):
    masked, maskable = (np.array([[f(c) for c in before]]) for f in (lambda c: c == "x", lambda c: c != "|"))
    (found,) = join_isolated(masked, maskable)
    assert "".join("x" if m else "." if f else "|" for m, f in zip(found, maskable[0], strict=True)) == after


@given(masks())
def test_joining_follows_the_written_rule(drawn):
    masked, maskable = drawn
    found = join_isolated(masked, maskable)
    expected = [join_slowly(*row) for row in zip(masked.tolist(), maskable.tolist(), strict=True)]
    assert found.tolist() == expected


@given(masks())
def test_joining_keeps_share_runs_and_special_tokens(drawn):
    masked, maskable = drawn
    found = join_isolated(masked, maskable)
    assert found.sum(axis=1).tolist() == masked.sum(axis=1).tolist()
    assert not (found & ~maskable).any()
    for before, after in zip(masked, found, strict=True):
        for start, end in runs_of(before.tolist()):
            assert end - start == 1 or after[start:end].all()
        # Nothing new stands alone.
        isolated = {start for start, end in runs_of(before.tolist()) if end - start == 1}
        assert {start for start, end in runs_of(after.tolist()) if end - start == 1} <= isolated
