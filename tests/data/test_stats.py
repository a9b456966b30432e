import re
import unicodedata
from functools import cache

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_crossner.annotations.domains import set_domain
from spacy_crossner.data.convert import convert
from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.data.faults import EMPTY_TOKEN
from spacy_crossner.data.split_files import SPLITS
from spacy_crossner.data.stats import SplitStats, find_sets, stats
from spacy_crossner.errors import DataError

TRAIN = "Ada B-PER\nmet O\nNew B-LOC\nYork I-LOC\n\nIt O\nrained O\n\nIt O\nrained O\n"
TEST = "It O\nrained O\n\nBob I-PER\nleft O\nBob B-PER\nCy I-LOC\n O\n"


@pytest.fixture
def folder(tmp_path):
    for domain, splits in {"news": {"train": TRAIN, "test": TEST}, "ai": {"dev": "Nets B-field\nlearn O\n"}}.items():
        (tmp_path / domain).mkdir()
        for split, text in splits.items():
            (tmp_path / domain / f"{split}.txt").write_text(text, encoding="utf8")
    return tmp_path


def test_counts_by_hand(folder):
    result = stats([folder / "news"])
    train, test = result.sets["news"].values()
    assert train == SplitStats(
        sentences=3,
        tokens=8,
        entities=2,
        entity_tokens=3,
        longest=4,
        without_entity=2,
        duplicates=1,
        per_type={"PER": 1, "LOC": 1},
    )
    assert test == SplitStats(
        sentences=2,
        tokens=6,
        entities=3,
        entity_tokens=3,
        longest=4,
        without_entity=1,
        illegal=2,
        per_type={"PER": 2, "LOC": 1},
        repairs={EMPTY_TOKEN.repair: 1},
        shared={"train": 1},
        shared_any=1,
    )


def test_shared_sentences_of_three_splits(tmp_path):
    # dev shares b with train; test shares a with train, c with dev, and b, twice, with both.
    for split, words in {"test": "abbcx", "dev": "bc", "train": "aab"}.items():
        text = "".join(f"{word} O\n\n" for word in words)
        (tmp_path / f"{split}.txt").write_text(text, encoding="utf8")
    train, dev, test = stats([tmp_path]).sets[tmp_path.name].values()
    assert (train.shared, train.shared_any) == ({}, 0)
    assert (dev.shared, dev.shared_any) == ({"train": 1}, 1)
    assert (test.shared, test.shared_any) == ({"train": 3, "dev": 3}, 4)


def test_docbins_give_the_same_counts(folder):
    convert(folder / "news", folder / "packed", "news", repair=True)
    text = stats([folder / "news"]).sets["news"]
    packed = stats([folder / "packed"]).sets["packed"]
    for split in ("train", "test"):
        text[split].illegal, text[split].repairs = 0, {}  # gone in a DocBin
    assert packed == text


def test_unlabelled_sentences_are_told_from_those_without_entity(tmp_path):
    (tmp_path / "raw.txt").write_text("Nets learn from a great many examples.\nYes.\n", encoding="utf8")
    convert(tmp_path / "raw.txt", tmp_path / "packed.spacy", "ai", raw=True)
    result = stats([tmp_path]).sets[tmp_path.name]
    assert [result[name] for name in ("packed", "raw")] == [
        SplitStats(sentences=2, tokens=10, longest=8, unlabelled=2),
        SplitStats(sentences=2, tokens=10, longest=8, unlabelled=2, shared={"packed": 2}, shared_any=2),
    ]


def test_overlap_goes_by_domain_marks(tmp_path):
    docs = []
    for words, domain in [(["nets", "learn"], "ai"), (["nets", "fish"], "sea"), (["learn"], None)]:
        doc = Doc(Vocab(), words=words)
        set_domain(doc, domain)
        docs.append(doc)
    write_docbin(docs, tmp_path / "mixed.spacy")
    assert stats([tmp_path / "mixed.spacy"]).overlap == {
        ("ai", "sea"): 50.0,
        ("ai", tmp_path.name): 100.0,
        ("sea", tmp_path.name): 0.0,
    }


def test_json_form(folder):
    form = stats([folder]).to_json()
    assert form["vocabulary_overlap"] == [{"domains": ("ai", "news"), "percent": 0.0}]
    assert form["sets"]["news"]["test"]["per_type"] == {"PER": 2, "LOC": 1}


def test_sets_and_splits(folder):
    for name in ("news/dev_small.jsonl", "news/train.spacy", "news/notes.md", "one/train.txt", "two/one/test.txt"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    news = folder / "news"
    assert find_sets([news]) == {
        "news": {
            "train.spacy": news / "train.spacy",
            "train.txt": news / "train.txt",
            "dev_small": news / "dev_small.jsonl",
            "test": news / "test.txt",
        }
    }
    assert list(find_sets([news])["news"]) == ["train.spacy", "train.txt", "dev_small", "test"]
    assert find_sets([news / "test.txt", news / "train.txt", news / "test.txt"]) == {
        "news": {"train": news / "train.txt", "test": news / "test.txt"}
    }
    assert list(find_sets([folder])) == ["ai", "news", "one"]
    assert list(find_sets([folder / "one", folder / "two"])) == [str(folder / "one"), str(folder / "two" / "one")]


def test_nothing_to_count(tmp_path):
    with pytest.raises(DataError, match=r"C120.*no data file"):
        stats([tmp_path])
    with pytest.raises(DataError, match=r"C101.*none.txt"):
        stats([tmp_path / "none.txt"])
    (tmp_path / "empty.txt").touch()
    with pytest.raises(DataError, match=r"C103.*empty.txt"):
        stats([tmp_path])


def number(cell):
    return int(cell.replace(",", ""))


CROSSNER = [f"crossner/{name}" for name in ("conll2003", "politics", "science", "music", "ai")]
REAL_SETS = [*CROSSNER, "conll2003", "wnut16", "mit_movie", "bionlp13pc", "scitech", "webpage"]
# Where README.md says how many sentences of train, dev and test are repetitions, word by word.
REPETITIONS = {
    "crossner/conll2003": r"conll2003 ([\d,]+) / ([\d,]+) / ([\d,]+), politics",
    "crossner/science": r"science (\d+) / (\d+) / (\d+), music",
    "crossner/music": r"music (\d+) / (\d+) / (\d+), ai test",
}
# And where it says how many of test stand in train or dev: in this order.
LEAKS = r"science (\d+) \(.*?music (\d+) \(.*?\n?\s+ai (\d+), politics (\d+);"
LEAKED = ["crossner/science", "crossner/music", "crossner/ai", "crossner/politics"]


@pytest.fixture(scope="module")
def count(crossner_data):
    """Give a function that counts a real set, once."""

    @cache
    def counted(name):
        (splits,) = stats([crossner_data / name]).sets.values()
        return splits

    return counted


@pytest.fixture(scope="module")
def readme(crossner_data):
    return (crossner_data / "README.md").read_text(encoding="utf8")


def told(readme, pattern):
    """Return the numbers that README.md says at the one place that fits."""
    (match,) = re.findall(pattern, readme)
    return [number(count) for count in match]


def rows_of(readme):
    """Return the cells of the table of counts by set and split."""
    rows = re.findall(r"^\| (\S+)/(\w+) \|(.+)\|$", readme.split("### Entities per type")[0], re.MULTILINE)
    return {(name, split): cells.split("|") for name, split, cells in rows}


def types_of(readme):
    """Return the cells of the table of types by set: train, dev and test."""
    table = readme.split("### Entities per type")[1].split("## Sources")[0]
    lines = re.findall(r"^\| (\S+) \| (.+) \| (.+) \| (.+) \|$", table, re.MULTILINE)
    return {name: cells for name, *cells in lines if name != "set"}


def test_the_tables_beside_real_data_name_the_same_sets(readme):
    rows = rows_of(readme)
    assert len(rows) > 25
    assert sorted({name for name, _ in rows}) == sorted(types_of(readme)) == sorted(REAL_SETS)


@pytest.mark.parametrize("name", REAL_SETS)
def test_real_data_equals_the_tables_beside_it(count, readme, name):
    found = count(name)
    expected = {split: cells for (other, split), cells in rows_of(readme).items() if other == name}
    assert set(found) == set(expected)
    for split, cells in expected.items():
        counted = found[split]
        # The second number is that of the source, which some lack.
        del cells[1]
        sentences, tokens, entities, types, entity_tokens, longest, without_entity, illegal = map(number, cells)
        assert counted.sentences == sentences, split
        assert counted.tokens == tokens, split
        assert counted.entities == entities, split
        assert len(counted.per_type) == types, split
        assert counted.entity_tokens == entity_tokens, split
        assert counted.longest == longest, split
        assert counted.without_entity == without_entity, split
        assert counted.illegal == illegal, split
        assert counted.repairs == {}, split
    for split, cell in zip(SPLITS, types_of(readme)[name], strict=True):
        counts = {label: int(count) for label, count in re.findall(r"([\w-]+) (\d+)", cell)}
        if counts:
            counted = next(value for key, value in found.items() if key.startswith(split))
            assert counted.per_type == counts, split


@pytest.mark.parametrize("name", CROSSNER)
def test_repetitions_in_real_data(count, crossner_data, readme, name):
    """README.md counts sentences that are the same word by word; some more are so in another spelling."""
    texts = [read_words(crossner_data / name / f"{split}.txt") for split in SPLITS]
    keys = [list(map(slow_key, rows)) for rows in texts]
    train, dev, test = count(name).values()
    assert [train.duplicates, dev.duplicates, test.duplicates] == repetitions(keys)
    assert [test.shared["train"], test.shared["dev"], test.shared_any] == leaks(keys)
    if name in REPETITIONS:
        assert repetitions(texts) == told(readme, REPETITIONS[name])
    if name in LEAKED:
        assert leaks(texts)[2] == told(readme, LEAKS)[LEAKED.index(name)]
    if name == "crossner/conll2003":
        assert leaks(texts)[:2] == told(readme, r"conll2003 test shares (\d+) with train and (\d+) with dev")


def repetitions(splits):
    return [len(rows) - len(set(rows)) for rows in splits]


def leaks(splits):
    """Return how many sentences of test stand in train, in dev, in any of them."""
    train, dev, test = splits
    return [sum(row in known for row in test) for known in (set(train), set(dev), {*train, *dev})]


def read_words(path):
    """Return the words of each sentence of a file in columns."""
    blocks = path.read_text(encoding="utf8").split("\n\n")
    rows = [[line.split("\t")[0] for line in block.splitlines() if line.strip()] for block in blocks]
    return [tuple(words) for words in rows if words]


def slow_key(words):
    """Return the normal form of a sentence, as far as these texts need it."""
    text = unicodedata.normalize("NFKC", "".join(words).casefold()).replace('"', "''").replace("`", "'")
    return re.sub("-+", "-", re.sub("[\u2013\u2014]", "-", text))


def test_other_spellings_of_a_sentence_are_repetitions(tmp_path):
    (tmp_path / "train.txt").write_text("Zürich O\nruft O\n. O\n\nZu\u0308rich O\nruft. O\n", encoding="utf8")
    (tmp_path / "test.txt").write_text("Zü\u00adrich\tO\nRuft\tO\n.\tO\n\nBern\tO\nruft\tO\n", encoding="utf8")
    train, test = stats([tmp_path]).sets[tmp_path.name].values()
    assert (train.duplicates, test.shared, test.shared_any) == (1, {"train": 1}, 1)


def test_entities_that_no_token_fits(tmp_path):
    vocab = Vocab()
    docs = [
        Doc(vocab, words=["Wahl", "2030", "."], spaces=[False] * 3, ents=["B-x", "O", "O"]),
        Doc(vocab, words=["Wahl", "2030", "."], ents=["B-x", "O", "O"]),
    ]
    write_docbin(docs, tmp_path / "train.spacy")
    (counted,) = stats([tmp_path]).sets[tmp_path.name].values()
    assert (counted.entities, counted.misfits, counted.misfit_examples) == (2, 1, ["'Wahl' in the tokens 'Wahl2030'"])


def test_docbins_are_of_the_language_of_their_marks(tmp_path):
    # "die" is a stop word of German, "the" of English.
    (tmp_path / "de.txt").write_text("die the O\n", encoding="utf8")
    convert(tmp_path / "de.txt", tmp_path / "de.spacy", "de", raw=True, lang="de")
    convert(tmp_path / "de.txt", tmp_path / "en.spacy", "en", raw=True)
    assert stats([tmp_path / "de.spacy", tmp_path / "en.spacy"]).overlap == {("de", "en"): 50.0}
