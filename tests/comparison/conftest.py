"""Fixtures for the tests of the comparison: lines as a grid leaves them."""

import pytest


def build_run(setting, method, seed, f, *, domain="ai", sentences=0, variant="", right=None, source_seconds=100.0):
    return {
        "setting": setting,
        "method": method,
        "domain": domain,
        "seed": seed,
        "sentences": sentences,
        "variant": variant,
        "test": {"f": f, "per_type": {"place": f, "a|b": f / 2}, "words_per_second": 50.0},
        "dev_f": f - 0.01,
        "counts": None if right is None else ([[right, 4, 4], [right - 1, 4, 4]] * 216)[1:],
        "stages": {
            "source": {"seconds": source_seconds, "megabytes": 900},
            "target": {"seconds": 10.0 * seed, "megabytes": 700},
        },
    }


@pytest.fixture
def make_run():
    """Give a function that makes a run."""
    return build_run


@pytest.fixture
def runs():
    """Give three runs of two rows on ai, and one on music."""
    return [
        *(build_run("direct", "tagger", seed, 0.50 + seed / 100, right=2) for seed in (1, 2, 3)),
        *(build_run("no-dapt", "laner", seed, 0.56 + seed / 100, right=4) for seed in (1, 2, 3)),
        build_run("no-dapt", "laner", 1, 0.6, domain="music"),
    ]
