import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_crossner.dapt.masking import MaskCollator, MaskedBlocks, Masking
from spacy_crossner.errors import CrossnerError

# [PAD], [UNK], [CLS], [SEP], [MASK] of a vocabulary of 1,000.
PAD, UNK, CLS, SEP, MASK = range(5)

VOCAB = 1000


def collator(seed=0, **masking):
    return MaskCollator(Masking(**masking), mask_id=MASK, special_ids=range(5), vocab_size=VOCAB, seed=seed)


def make_blocks(n_blocks, size, seed=0, special=0.05):
    """Give random blocks, with special tokens at their ends and in between, and random words of 1.5 pieces or so."""
    random = np.random.default_rng(seed)
    ids = random.integers(5, VOCAB, (n_blocks, size))
    ids[random.random(ids.shape) < special] = SEP
    ids[:, 0], ids[:, -1] = CLS, SEP
    starts = random.random(ids.shape) < 0.7
    return ids, starts


def marked(masked, shape):
    flags = np.zeros(shape, dtype=bool)
    flags.ravel()[masked.positions] = True
    return flags


@pytest.mark.parametrize("whole_words", [False, True])
@pytest.mark.parametrize("level", ["token", "span"])
@pytest.mark.parametrize("share", [0.15, 0.2])
def test_the_share_is_as_set_over_a_million_tokens(level, share, whole_words):
    ids, starts = make_blocks(9000, 128)
    n_maskable = (ids >= 5).sum()
    assert n_maskable > 1_000_000
    masked = collator(level=level, select_fraction=share, whole_words=whole_words)(ids, starts, 0)
    assert abs(len(masked.positions) / n_maskable - share) < 0.002


@pytest.mark.parametrize("share", [0.15, 0.2])
def test_the_mean_run_at_span_level(share):
    ids, starts = make_blocks(8000, 128, special=0.0)
    runs = {}
    for level in ("token", "span"):
        flags = marked(collator(level=level, select_fraction=share)(ids, starts, 0), ids.shape)
        # Each run begins where the one before is not masked; the first token of a block is special.
        runs[level] = flags.sum() / (flags[:, 1:] & ~flags[:, :-1]).sum()
    assert runs["token"] == pytest.approx(1 / (1 - share), abs=0.02)
    assert 2.1 < runs["span"] < 2.3


@pytest.mark.parametrize("level", ["token", "span"])
@pytest.mark.parametrize("whole_words", [False, True])
def test_special_tokens_are_never_masked(level, whole_words):
    ids, starts = make_blocks(300, 64, special=0.3)
    ids[100:200, 40:] = PAD
    ids[200:, 10:20] = UNK
    before = ids.copy()
    masked = collator(level=level, select_fraction=0.6, whole_words=whole_words)(ids, starts, 0)
    assert (ids == before).all()
    assert (masked.targets >= 5).all()
    assert (masked.ids[ids < 5] == ids[ids < 5]).all()
    assert len(masked.targets) > 1000


def test_most_are_hidden_some_are_swapped_some_are_left():
    ids, starts = make_blocks(4000, 128)
    masked = collator(mask_fraction=0.7, random_fraction=0.2)(ids, starts, 0)
    put_in = masked.ids.ravel()[masked.positions]
    n = len(put_in)
    assert n > 50_000
    is_mask, is_kept = put_in == MASK, put_in == masked.targets
    assert abs(is_mask.mean() - 0.7) < 0.01
    # One in 995 random ones is the same.
    assert abs(is_kept.mean() - 0.1) < 0.01
    others = put_in[~is_mask & ~is_kept]
    assert abs(len(others) / n - 0.2) < 0.01
    # Random tokens are spread evenly over all that are not special.
    assert others.min() == 5
    assert others.max() == VOCAB - 1
    assert np.abs(np.histogram(others, bins=5, range=(5, VOCAB))[0] / len(others) - 0.2).max() < 0.02
    elsewhere = np.setdiff1d(np.arange(ids.size), masked.positions)
    assert (masked.ids.ravel()[elsewhere] == ids.ravel()[elsewhere]).all()
    assert (masked.targets == ids.ravel()[masked.positions]).all()


@pytest.mark.parametrize(("mask_fraction", "random_fraction"), [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
def test_one_kind_of_replacement_alone(mask_fraction, random_fraction):
    ids, starts = make_blocks(100, 128)
    masked = collator(mask_fraction=mask_fraction, random_fraction=random_fraction)(ids, starts, 0)
    put_in = masked.ids.ravel()[masked.positions]
    assert (put_in == MASK).all() == (mask_fraction == 1)
    assert ((put_in == masked.targets).mean() > 0.9) == (mask_fraction == random_fraction == 0)


@given(st.integers(0, 1000), st.sampled_from(["token", "span"]), st.integers(3, 40))
def test_whole_words_are_masked_or_not(seed, level, size):
    ids, starts = make_blocks(4, size, seed, special=0.1)
    flags = marked(collator(seed, level=level, select_fraction=0.3, whole_words=True)(ids, starts, 0), ids.shape)
    for row, row_starts, row_flags in zip(ids.tolist(), starts.tolist(), flags.tolist(), strict=True):
        for i in range(1, size):
            is_piece_of_last = not row_starts[i] and row[i] >= 5 and row[i - 1] >= 5
            if is_piece_of_last:
                assert row_flags[i] == row_flags[i - 1]


def test_isolated_words_are_joined_at_span_level():
    ids, starts = make_blocks(4000, 128, special=0.0)
    flags = marked(collator(level="span", whole_words=True)(ids, starts, 0), ids.shape)
    starts[:, 1] = starts[:, -1] = True
    # A masked word begins a run where the token before its first one is not masked.
    words = (flags & starts).sum()
    runs = (flags[:, 1:] & ~flags[:, :-1]).sum()
    assert 2.1 < words / runs < 2.4


@given(st.integers(0, 30), st.integers(1, 6), st.integers(5, 33), st.integers(0, 3))
def test_masks_depend_on_seed_and_place_alone(first, n_blocks, size, seed):
    ids, starts = make_blocks(40, size, special=0.0)
    collate = collator(seed, select_fraction=0.4)
    everything = collate(ids, starts, 0)
    part = slice(first, first + n_blocks)
    found, expected = collate(ids[part], starts[part], first), everything.rows(part.start, min(part.stop, 40))
    assert (found.ids == expected.ids).all()
    assert found.positions.tolist() == expected.positions.tolist()
    assert found.targets.tolist() == expected.targets.tolist()


def test_other_seeds_and_places_have_other_masks():
    ids, starts = make_blocks(50, 128)
    kinds = [collator(0)(ids, starts, 0), collator(1)(ids, starts, 0), collator(0)(ids, starts, 50)]
    for i, one in enumerate(kinds):
        for other in kinds[:i]:
            shared = len(np.intersect1d(one.positions, other.positions))
            assert shared / len(one.positions) < 0.25


def test_rows_of_masked_blocks():
    ids = np.arange(12).reshape(3, 4)
    masked = MaskedBlocks(ids, np.array([1, 4, 7, 11]), np.array([10, 40, 70, 110]))
    found = masked.rows(1, 3)
    assert found.ids.tolist() == [[4, 5, 6, 7], [8, 9, 10, 11]]
    assert found.positions.tolist() == [0, 3, 7]
    assert found.targets.tolist() == [40, 70, 110]
    assert masked.rows(0, 1).targets.tolist() == [10]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("level", "spans"),
        ("select_fraction", 0.0),
        ("select_fraction", 1.0),
        ("mask_fraction", -0.1),
        ("mask_fraction", 0.95),
    ],
)
def test_settings_that_make_no_sense(setting, value):
    with pytest.raises(CrossnerError, match="C420") as caught:
        Masking(**{setting: value})
    assert setting in str(caught.value)
    assert str(value) in str(caught.value)
