"""The sample data: what its README line promises, and that it is our own."""

import re
from pathlib import Path

import pytest

from spacy_crossner.data.stats import stats

SAMPLE = Path(__file__).parents[1] / "assets" / "sample"
NEWS = {"person", "organisation", "location", "misc"}
AI = NEWS | {"algorithm", "conference", "country", "field", "metrics", "product", "programlang", "researcher", "task"}
AI |= {"university"}


@pytest.fixture(scope="module")
def counts():
    return stats([SAMPLE / "news", SAMPLE / "ai"]).sets


@pytest.mark.parametrize(
    ("domain", "sentences", "labels"),
    [("news", {"train": 220, "dev": 40, "test": 40}, NEWS), ("ai", {"train": 100, "dev": 60, "test": 80}, AI)],
)
def test_sizes_and_labels(counts, domain, sentences, labels):
    splits = counts[domain]
    assert {name: split.sentences for name, split in splits.items()} == sentences
    for split in splits.values():
        assert set(split.per_type) == labels
        assert not split.repairs
        assert split.duplicates == split.shared_any == 0


def test_raw_text_and_entity_list():
    lines = (SAMPLE / "ai_raw.txt").read_text(encoding="utf8").splitlines()
    assert len(lines) == len(set(lines)) == 300
    names = [line.split("\t") for line in (SAMPLE / "ai_entities.tsv").read_text(encoding="utf8").splitlines()]
    assert {label for _, label in names} == AI
    assert len(names) == len({name for name, _ in names})


def letters(text):
    return "".join(text.split()).lower()


def test_no_sentence_is_from_the_real_data(crossner_data):
    lines = [line for path in SAMPLE.rglob("*.txt") for line in path.read_text(encoding="utf8").split("\n")]
    sample = {letters(re.sub(r"\[([^]]+)\]\([a-z]+\)", r"\1", line)) for line in lines if line}
    real = set()
    for path in crossner_data.glob("crossner/*/*.txt"):
        for sentence in path.read_text(encoding="utf8").split("\n\n"):
            real.add(letters("".join(line.split("\t")[0] for line in sentence.split("\n"))))
    assert len(sample) == 840
    assert len(real) > 20000
    assert not real & sample
