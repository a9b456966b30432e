"""The sentences to label next: which of a text they are, and which are never chosen."""

import random
from collections import Counter

import pytest
import spacy
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.errors import CrossnerError
from spacy_crossner.silver import candidates, uncertain
from spacy_crossner.silver.diversity import choose_diverse, types_of
from spacy_crossner.silver.uncertain import UncertainSettings, choose_uncertain
from spacy_crossner.silver.uncertainty import UncertainPipeline

NAMES = ["Ada", "Konrad", "London", "Berlin", "Colossus", "Z3", "Grace Hopper", "nobody", "a lamp", "New York"]
VERBS = ["wrote to", "came from", "showed", "met", "left", "fixed", "waits for", "was called"]
ENDS = ["in spring .", "at the old station .", "by hand !", "and stayed there .", "before it rained ."]


@pytest.fixture(scope="module")
def nlp(teachers):
    return spacy.load(teachers[0])


@pytest.fixture(scope="module")
def sentences():
    draw = random.Random(0)
    made = {f"{draw.choice(NAMES)} {draw.choice(VERBS)} {draw.choice(NAMES)} {draw.choice(ENDS)}" for _ in range(400)}
    return sorted(made)


@pytest.fixture(scope="module")
def raw(sentences, tmp_path_factory):
    path = tmp_path_factory.mktemp("raw") / "raw.txt"
    path.write_text("\n".join(sentences), encoding="utf8")
    return path


def texts(report):
    return [each.text for each in report.suggestions]


def choose(nlp, path, number, exclude=(), **settings):
    return choose_uncertain(nlp, [path], UncertainSettings(number, **settings), exclude)


def test_it_is_the_choice_among_all_sentences(nlp, raw):
    """Candidates by type, shares by whole numbers and blocks of text change nothing."""
    report = choose(nlp, raw, 40)
    assert report.n_read > 250
    near = uncertain.NearDuplicates()
    lines = raw.read_text(encoding="utf8").splitlines()
    docs = [nlp.make_doc(line) for line, new in zip(lines, near.first_seen(lines), strict=True) if new]
    assert report.n_repeated == len(lines) - len(docs)
    values = UncertainPipeline(nlp).annotate(docs)
    rows = [candidates.suggest(doc, value) for doc, value in zip(docs, values, strict=True)]
    names = {name for row in rows for name in types_of(row)}
    shares = {name: sum(row.uncertainty for row in rows if name in types_of(row)) / sum(values) for name in names}
    ranked = sorted(rows, key=lambda row: (-row.uncertainty, candidates.hash_string(row.text)))
    expected = [row for row, _ in zip(choose_diverse(ranked, shares), range(40), strict=False)]
    assert texts(report) == [row.text for row in expected]
    assert report.suggestions == expected


def test_the_order_of_the_text_and_its_blocks_do_not_matter(nlp, raw, tmp_path, monkeypatch):
    lines = raw.read_text(encoding="utf8").splitlines()
    # Of near-duplicates the first counts, so there must be none.
    lines = [line for line, new in zip(lines, uncertain.NearDuplicates().first_seen(lines), strict=True) if new]
    chosen = []
    for seed, block in ((0, 1 << 15), (1, 300), (2, 50)):
        random.Random(seed).shuffle(lines)
        (tmp_path / "raw.txt").write_text("\n".join(lines), encoding="utf8")
        monkeypatch.setattr(uncertain, "BLOCK", block)
        chosen.append(texts(choose(nlp, tmp_path / "raw.txt", 15)))
    assert chosen[0] == chosen[1] == chosen[2]
    assert len(set(chosen[0])) == 15


def test_every_predicted_type_is_there(nlp, raw):
    all_types = set(choose(nlp, raw, 1000).types)
    assert {"person", "place", "thing", ""} == all_types
    assert set(choose(nlp, raw, len(all_types)).types) == all_types


def test_few_candidates_are_kept(nlp, raw, monkeypatch):
    monkeypatch.setattr(candidates, "MORE", 0)
    pool = uncertain.Pool(nlp, UncertainSettings(1), [])
    for lines in uncertain._read_lines([raw], nlp):
        pool.add(lines)
    assert {len(heap) for heap in pool.candidates.heaps.values()} == {5}
    ranked = pool.candidates.ranked()
    assert len(ranked) == len({row.text for row in ranked}) <= 20
    best = sorted((row for row in choose(nlp, raw, 1000).suggestions), key=lambda row: -row.uncertainty)
    # The most uncertain one of all is a candidate of its types.
    assert ranked[0].uncertainty == best[0].uncertainty
    for name in pool.candidates.heaps:
        kept = sorted((row.uncertainty for row in ranked if name in types_of(row)), reverse=True)[:5]
        assert kept == [row.uncertainty for row in best if name in types_of(row)][:5]


def test_more_than_there_are(nlp, raw):
    report = choose(nlp, raw, 10_000)
    assert len(report.suggestions) == report.n_read - report.n_repeated
    assert report.labels == ["person", "place", "thing"]


def test_repetitions_short_and_long_ones_are_never_chosen(nlp, tmp_path):
    (tmp_path / "raw.txt").write_text(
        "Ada wrote a long letter about engines in London .\n"
        "Ada wrote a long letter about engines in London 2 !\n"
        "ADA wrote a long letter about engines in London .\n"
        "Ada in Berlin , ...\n" + "Ada met Konrad and " * 30 + "left .\n",
        encoding="utf8",
    )
    report = choose(nlp, tmp_path / "raw.txt", 5)
    assert texts(report) == ["Ada wrote a long letter about engines in London ."]
    assert (report.n_read, report.n_repeated, report.n_lengths) == (5, 2, 2)
    assert len(choose(nlp, tmp_path / "raw.txt", 5, min_words=3, max_words=121).suggestions) == 3


def test_excluded_sentences_are_never_chosen(nlp, raw, sentences, tmp_path):
    write_docbin([Doc(Vocab(), words=line.split()) for line in sentences[::2]], tmp_path / "train.spacy")
    (tmp_path / "dev.txt").write_text("\n".join(sentences[1::4]), encoding="utf8")
    report = choose(nlp, raw, 1000, exclude=[tmp_path / "train.spacy", tmp_path / "dev.txt"])
    assert set(texts(report)) <= set(sentences[3::4])
    assert report.n_excluded == len(sentences) - len(sentences[3::4])
    with pytest.raises(CrossnerError, match=rf"C663.*{len(sentences)} were read, and {len(sentences)} are in files"):
        choose(nlp, raw, 5, exclude=[raw])


def test_docs_keep_their_words_and_hide_their_annotation(nlp, tmp_path):
    words = ["Grace", "Hopper-Z3", "came", "from", "London", "\n", "today"]
    docs = [Doc(nlp.vocab, words=words, ents=["B-secret", *"OOOOOO"]), Doc(nlp.vocab)]
    write_docbin(docs, tmp_path / "pool.spacy")
    report = choose(nlp, tmp_path / "pool.spacy", 5)
    (found,) = report.suggestions
    assert [found.text[start:end] for start, end in found.tokens] == words
    assert found.text == " ".join(words)
    assert "secret" not in report.types
    # The empty doc is too short.
    assert (report.n_read, report.n_lengths) == (2, 1)


def test_lines_are_split_unless_told_otherwise(nlp, tmp_path):
    (tmp_path / "raw.txt").write_text("Ada met Konrad in Berlin. Nobody came to London today.", encoding="utf8")
    assert len(choose(nlp, tmp_path / "raw.txt", 5).suggestions) == 2
    assert len(choose(nlp, tmp_path / "raw.txt", 5, split=False).suggestions) == 1


@pytest.mark.parametrize("content", ["", "\n \n", "Too short .\n"])
def test_a_text_without_a_sentence(nlp, tmp_path, content):
    (tmp_path / "raw.txt").write_text(content, encoding="utf8")
    with pytest.raises(CrossnerError, match="C663"):
        choose(nlp, tmp_path / "raw.txt", 5)


def test_a_pipeline_without_entities(raw):
    with pytest.raises(CrossnerError, match=r"C664.*no components"):
        choose(spacy.blank("xx"), raw, 5)


@pytest.mark.parametrize("settings", [{"number": 0}, {"number": 1, "min_words": 0}, {"number": 1, "max_words": 3}])
def test_settings_out_of_range(settings):
    with pytest.raises(CrossnerError, match="C665"):
        UncertainSettings(**settings)


def test_types_are_counted(nlp, raw):
    report = choose(nlp, raw, 20)
    assert report.types == Counter(name for each in report.suggestions for name in types_of(each))
