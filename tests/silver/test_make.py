"""From raw text to a DocBin: what is written, what a killed run leaves, and what is refused."""

import json

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_crossner.annotations.domains import get_domain, get_language
from spacy_crossner.annotations.soft_labels import get_soft_labels
from spacy_crossner.cli import app
from spacy_crossner.data.docbin import read_docbin, write_docbin
from spacy_crossner.errors import CrossnerError
from spacy_crossner.silver import run
from spacy_crossner.silver.labeller import Labeller
from spacy_crossner.silver.make import is_finished, make_silver, why_nothing, write_nothing
from spacy_crossner.silver.settings import SilverSettings
from spacy_crossner.silver.sources import Sources
from spacy_crossner.silver.teachers import Teachers
from spacy_crossner.training.readers import DomainReader

RAW = """\
Ada Lovelace wrote a long letter about engines in London .
Nobody came to the old house by the river . The Z3 is a machine that stands in Berlin today .
In the morning we saw Grace Hopper near the Mark II .
we need help and more help when we help . They called out for Help again .
Tommy met Ada Lovelace and Barbara on the road to Manchester .
Tommy met Ada Lovelace and Barbara on the road to Manchester !
A short note : the Colossus was kept secret for years .
It rained on Paris all day long and all the night .
"""
NAMES = "Ada Lovelace\tpioneer\nLondon\tcity\nZ3\tthing\nBerlin\tcity\nHelp\tthing\nParis\tcity\nParis\tpioneer\n"
MAP = "pioneer\tperson\ncity\t\nthing\tthing\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "raw.txt").write_text(RAW)
    (tmp_path / "names.tsv").write_text(NAMES)
    (tmp_path / "map.tsv").write_text(MAP)
    words = ["Grace", "Hopper", "wrote", "to", "Barbara"]
    write_docbin(
        [Doc(Vocab(), words=words, ents=["B-person", "I-person", "O", "O", "B-person"])], tmp_path / "gold.spacy"
    )
    write_docbin([Doc(Vocab(), words=["It", "rained", "on", "Paris", "all", "day", "long"])], tmp_path / "test.spacy")
    return tmp_path


def sources(files, *, teachers=(), **changes):
    given = {"raw": [files / "raw.txt"], "names": [files / "names.tsv"], "type_map": files / "map.tsv"}
    return Sources(**{**given, "teachers": teachers, **changes})


def read(path):
    """Return the sentences of a DocBin, with [entities|label] and ~ before open tokens."""
    lines = []
    for doc in read_docbin(path, Vocab()):
        words = ["" if token.ent_iob_ else "~" for token in doc]
        words = [mark + token.text for mark, token in zip(words, doc, strict=True)]
        for ent in doc.ents:
            words[ent.start] = "[" + words[ent.start]
            words[ent.end - 1] += f"|{ent.label_}]"
        lines.append(" ".join(words))
    return lines


def test_names_label_text(files):
    out = files / "out.spacy"
    report = make_silver(
        sources(files, gold=files / "gold.spacy", exclude=[files / "test.spacy"]),
        out,
        SilverSettings(domain="silver", ratio=2),
    )
    assert read(out) == [
        "[Ada Lovelace|person] wrote a long letter about engines in [London|city] .",
        "The [Z3|thing] is a machine that stands in [Berlin|city] today .",
        "In the morning we saw [Grace Hopper|person] near the Mark II .",
        "Tommy met [Ada Lovelace|person] and [Barbara|person] on the road to Manchester .",
    ]
    docs = read_docbin(out, Vocab())
    assert {(get_domain(doc), get_language(doc)) for doc in docs} == {("silver", "en")}
    assert not any(get_soft_labels(doc) for doc in docs)
    statistics = json.loads((files / "out.spacy.json").read_text())
    counts = {"read": 10, "excluded": 1, "repetitions": 0, "near-duplicates": 1, "labelled": 8, "with an entity": 4}
    assert statistics["sentences"] == {**counts, "chosen": 4}
    assert {kind: row["entities"] for kind, row in statistics["types"].items()} == {"city": 2, "person": 4, "thing": 1}
    assert statistics["types"]["person"]["most_frequent"] == [["Ada Lovelace", 2], ["Barbara", 1], ["Grace Hopper", 1]]
    assert statistics["common_words"] == [{"name": "Help", "mentions": 1, "as_listed": 1, "lower_case": 3}]
    listing = (files / "out.spacy.txt").read_text()
    assert "person: Ada Lovelace 2, Barbara 1, Grace Hopper 1" in listing
    assert report.listing.entities == {"city": 2, "person": 4, "thing": 1}
    assert sorted(path.name for path in files.iterdir() if "out" in path.name) == [
        "out.spacy",
        "out.spacy.json",
        "out.spacy.txt",
    ]


def test_ambiguous_names_and_common_words_are_left_open(files):
    out = files / "out.spacy"
    # A sentence has to have an entity.
    (files / "raw.txt").write_text(RAW + "They saw Ada Lovelace in Paris and cried Help again and again .\n")
    make_silver(sources(files), out, SilverSettings(ratio=1.4))
    assert read(out)[-1] == "They saw [Ada Lovelace|person] in ~Paris and cried ~Help again and again ."
    make_silver(sources(files), out, SilverSettings(ratio=9, outside="unknown"))
    assert read(out)[-1] == "~They ~saw [Ada Lovelace|person] ~in ~Paris ~and ~cried [Help|thing] ~again ~and ~again ~."
    listing = (files / "out.spacy.txt").read_text()
    assert "Names of several types, left open: Paris (city, person) 2" in listing


def test_teachers_label_text_with_soft_labels(files, teachers):
    out = files / "out.spacy"
    settings = SilverSettings(sure=0.6, sure_outside=0.7, soft=True)
    make_silver(Sources([files / "raw.txt"], teachers=teachers), out, settings)
    docs = read_docbin(out, Vocab())
    assert len(docs) > 3
    found = {(ent.text, ent.label_) for doc in docs for ent in doc.ents}
    assert ("Z3", "thing") in found
    assert {label for _, label in found} <= {"person", "place", "thing"}
    for doc, expected in zip(docs, Teachers(teachers).average(docs), strict=True):
        labels, probabilities = get_soft_labels(doc)
        assert labels == ["person", "place", "thing"]
        assert np.abs(probabilities - expected).max() < 2e-3
        for token, row in zip(doc, expected, strict=True):
            # Sure of O, or no O.
            assert (token.ent_iob_ == "O") == (row[0] >= 0.7)


def test_names_and_teachers(files, teachers):
    out = files / "out.spacy"
    # A label of the list that the teachers do not know.
    (files / "map.tsv").write_text(MAP.replace("person", "hero"))
    with pytest.raises(CrossnerError, match=r"\[C604\].*the label 'hero', which neither the teacher .* nor the gold"):
        make_silver(sources(files, teachers=teachers), out)
    (files / "map.tsv").write_text(MAP)
    report = make_silver(sources(files, teachers=teachers), out, SilverSettings(sure=0.6))
    assert any("[Ada Lovelace|person]" in line for line in read(out))
    assert report.listing.tally.sure["thing"] > 0
    assert report.listing.tally.mentions.total() > 5


def test_a_map_to_a_label_of_the_gold_sentences(files, teachers):
    # Teachers of another domain do not have the labels of the gold sentences.
    write_docbin([Doc(Vocab(), words=["Mark", "sleeps"], ents=["B-hero", "O"])], files / "gold.spacy")
    (files / "map.tsv").write_text(MAP.replace("person", "hero"))
    given = sources(files, teachers=teachers, gold=files / "gold.spacy")
    report = make_silver(given, files / "out.spacy", SilverSettings(sure=0.6))
    assert "hero" in report.listing.types_table()
    assert "place" in report.listing.entities


@pytest.fixture
def long_text(files):
    """Give the files with a text of several small blocks."""
    rooms = ["hall", "kitchen", "garden", "attic", "cellar", "yard", "barn", "shed", "porch", "den", "loft", "lobby"]
    places = ["London", "Berlin", "the Z3", "nobody", "Ada Lovelace"]
    lines = [
        f"{a} of the {b} {c} in {place} {b} {a} .\n"
        for i, a in enumerate(rooms)
        for j, b in enumerate(rooms)
        for c, place in [(rooms[(i + 3 * j) % 12], places[(i + j) % 5])]
    ]
    (files / "raw.txt").write_text("".join(lines))
    return files


@pytest.mark.parametrize("with_teachers", [False, True])
def test_a_killed_run_goes_on_to_the_same_output(long_text, teachers, monkeypatch, with_teachers):
    for name in ("BLOCK", "BLOCK_OF_TEACHERS"):
        monkeypatch.setattr(run, name, 500)
    out = long_text / "out.spacy"
    given = sources(long_text, teachers=teachers if with_teachers else ())
    settings = SilverSettings(most=20, sure=0.6, soft=with_teachers)
    labelled = []
    label = Labeller.label

    most = [10**6]

    def label_or_die(labeller, sentences, draw):
        if len(labelled) >= most[0]:
            raise KeyboardInterrupt
        labelled.append(len(sentences))
        return label(labeller, sentences, draw)

    monkeypatch.setattr(Labeller, "label", label_or_die)
    make_silver(given, out, settings)
    expected = [(long_text / f"out.spacy{ending}").read_bytes() for ending in ("", ".txt", ".json")]
    n_blocks = len(labelled)
    assert n_blocks > 6
    out.unlink()
    labelled.clear()
    most[0] = 4
    with pytest.raises(KeyboardInterrupt):
        make_silver(given, out, settings)
    assert not out.exists()
    assert len(labelled) == 4
    labelled.clear()
    most[0] = 10**6
    make_silver(given, out, settings)
    assert len(labelled) == n_blocks - 4
    assert [(long_text / f"out.spacy{ending}").read_bytes() for ending in ("", ".txt", ".json")] == expected
    assert not (long_text / ".out.spacy.parts").exists()
    assert len(read_docbin(out, Vocab())) == 20


def test_parts_of_a_run_with_other_inputs_are_not_used(long_text, monkeypatch):
    monkeypatch.setattr(run, "BLOCK", 500)
    out = long_text / "out.spacy"
    take = run.SilverRun._take

    def die(silver_run, part):
        take(silver_run, part)
        raise KeyboardInterrupt

    monkeypatch.setattr(run.SilverRun, "_take", die)
    with pytest.raises(KeyboardInterrupt):
        make_silver(sources(long_text), out)
    assert (long_text / ".out.spacy.parts" / "0.msgpack").exists()
    monkeypatch.setattr(run.SilverRun, "_take", take)
    (long_text / "names.tsv").write_text("London\tthing\n")
    make_silver(sources(long_text), out)
    assert {ent.text for doc in read_docbin(out, Vocab()) for ent in doc.ents} == {"London"}


ERRORS = {
    "C616": ({"raw": ["empty.txt"]}, {}, "Found no sentence in .*empty.txt"),
    "C616 teachers": ({"raw": ["empty.txt"], "names": [], "type_map": None, "teachers": True}, {}, "empty.txt"),
    "C600": ({"names": [], "type_map": None}, {}, "There is nothing to label with"),
    "C606": ({"raw": ["other.txt"]}, {}, r"No name of .*names.tsv is in the text \(case matters"),
    "C606 ignore": ({"raw": ["other.txt"]}, {"ignore_case": True}, r"is in the text\."),
    "C609 sure": ({}, {"sure": 0.5}, "sure is 0.5; expected above 0.5"),
    "C609 outside": ({}, {"outside": "inside"}, "outside is inside; expected outside, lowercase, unknown, teachers"),
    "C609 most": ({}, {"most": 0}, "most is 0"),
    "C609 ratio": ({}, {"ratio": float("nan")}, "ratio is nan"),
    "C609 frequent": ({}, {"frequent": 0.0}, "frequent is 0.0"),
    "C609 share": ({}, {"share": 0.0}, "share is 0.0"),
    "C610 soft": ({}, {"soft": True}, "--soft needs a --teacher"),
    "C610 outside": ({}, {"outside": "teachers"}, "--outside teachers needs a --teacher"),
    "C610 map": ({"names": [], "gold": True}, {}, r"--map needs a list \(--names\)"),
    "C609 lang": ({"teachers": True}, {"lang": "de"}, "lang is de; expected xx, the language of the teachers"),
    "C611": ({"exclude": ["raw.txt"]}, {}, r"No sentence of .*raw.txt is left: 10 sentences were read, and 10 are"),
    "C400": ({"raw": ["none.txt"]}, {}, "none.txt: found no such file"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_an_error_leaves_everything_as_it_was(files, teachers, case):
    changes, settings, message = ERRORS[case]
    changes = {**changes, "gold": files / "gold.spacy"} if changes.get("gold") else changes
    changes = {**changes, "teachers": teachers} if changes.get("teachers") else changes
    (files / "empty.txt").write_text(" \n\n")
    (files / "other.txt").write_text("Nothing of it is here .\n")
    changes = {
        key: [files / name for name in value] if isinstance(value, list) and key != "teachers" else value
        for key, value in changes.items()
    }
    before = {path: path.read_bytes() for path in files.iterdir()}
    with pytest.raises(CrossnerError, match=rf"\[{case.split()[0]}\].*{message}"):
        make_silver(sources(files, **changes), files / "out.spacy", SilverSettings(**settings))
    assert {path: path.read_bytes() for path in files.iterdir()} == before


def test_teachers_that_are_sure_of_nothing(files, teachers):
    with pytest.raises(CrossnerError, match=r"\[C607\] The teachers are sure of no entity in 9 sentences.*1\.0"):
        make_silver(Sources([files / "raw.txt"], teachers=teachers), files / "out.spacy", SilverSettings(sure=1.0))
    assert not list(files.glob("*out*"))


def test_a_sentence_of_the_test_set_is_never_written(files, monkeypatch):
    """The output is checked by itself, should the text have slipped through."""

    def take_all(stream, lines):
        stream.read += len(lines)
        return lines, np.ones(len(lines), dtype=bool)

    monkeypatch.setattr(run.SentenceStream, "take", take_all)
    (files / "names.tsv").write_text("Paris\tcity\n")
    with pytest.raises(CrossnerError, match=r"\[C612\].*'It rained on Paris all day long and all the night \.'"):
        make_silver(sources(files, exclude=[files / "test.spacy"]), files / "out.spacy")
    assert not list(files.glob("*out*"))


def test_a_finished_output_is_kept_until_an_input_changes(files, capsys):
    given, out = sources(files), files / "out.spacy"
    assert not is_finished(given, out)
    make_silver(given, out)
    assert is_finished(given, out)
    assert not is_finished(given, out, SilverSettings(most=3))
    (files / "raw.txt").write_text(RAW + "Ada Lovelace came back .\n")
    assert not is_finished(given, out)
    (files / "raw.txt").write_text(RAW)
    assert is_finished(given, out)
    # The seed draws a subset of gold sentences, and nothing without one.
    assert is_finished(given, out, SilverSettings(seed=3))
    for changed in ("names.tsv", "map.tsv"):
        before = (files / changed).read_text()
        (files / changed).write_text(before + "\n")
        assert not is_finished(given, out)
        (files / changed).write_text(before)
    assert not is_finished(sources(files, check=files / "test.spacy"), out)
    (files / "out.spacy.txt").write_text("")
    assert not is_finished(given, out)


def test_a_limit_is_a_subset_of_the_gold_sentences(files):
    """That of the reader with the same seed. The names of the others are not used, and their sentences are left out."""
    docs = [Doc(Vocab(), words=[name, "wrote"], ents=["B-person", "O"]) for name in ("Colossus", "Nobody", "Tommy")]
    write_docbin(docs, files / "gold.spacy")
    with (files / "raw.txt").open("a") as raw:
        raw.write("Tommy wrote\nColossus wrote\nNobody wrote\n")
    found = []
    for seed in range(4):
        reader = DomainReader({"gold": {"path": str(files / "gold.spacy")}}, limit=1, seed=seed)
        (example,) = reader(spacy.blank("en"))
        settings = SilverSettings(limit=1, seed=seed)
        report = make_silver(Sources([files / "raw.txt"], gold=files / "gold.spacy"), files / "out.spacy", settings)
        found.append({ent.text for doc in report.docs for ent in doc.ents})
        assert found[-1] == {ent.text for ent in example.reference.ents}
        assert not any(len(doc) == 2 for doc in report.docs)
    assert all(len(names) == 1 for names in found)
    assert len(set(map(frozenset, found))) > 1


def test_nothing_to_label_is_an_output_without_sentences(files):
    for given, why in (
        (sources(files, raw=[]), "no raw text"),
        (sources(files, names=[]), "no list"),
        (sources(files, names=[files / "bare.tsv"]), "have no types"),
    ):
        (files / "bare.tsv").write_text("Ada Lovelace\nLondon\n")
        assert why in why_nothing(given)
    assert not why_nothing(sources(files))
    make_silver(sources(files), files / "out.spacy")
    write_nothing(files / "out.spacy")
    assert read(files / "out.spacy") == []
    assert not is_finished(sources(files), files / "out.spacy")
    assert "No sentences" in (files / "out.spacy.txt").read_text()


def test_words_with_a_capital_stay_open(files, teachers):
    """Unless they are names, stop words, or teachers are sure of O."""
    make_silver(sources(files), files / "out.spacy", SilverSettings(outside="lowercase"))
    lines = read(files / "out.spacy")
    assert "~Tommy met [Ada Lovelace|person] and ~Barbara on the road to ~Manchester ." in lines
    given = Sources([files / "raw.txt"], teachers=teachers)
    make_silver(given, files / "out.spacy", SilverSettings(sure=0.6, sure_outside=0.51, outside="lowercase"))
    sure = "\n".join(read(files / "out.spacy"))
    make_silver(given, files / "out.spacy", SilverSettings(sure=0.6, sure_outside=1.0, outside="lowercase"))
    unsure = "\n".join(read(files / "out.spacy"))
    assert sure.count("~") < unsure.count("~")


@pytest.mark.parametrize(
    ("raw", "names", "said"),
    [
        ("", "names.tsv", "there is no raw text"),
        ("raw.txt", "", "there is no list"),
        ("raw.txt", "bare.tsv", "have no types"),
        ("raw.txt", "foreign.tsv", "C606"),
        ("raw.txt", "ambiguous.tsv", "C611"),
    ],
)
def test_a_project_goes_on_without_labels(raw, names, said, files, monkeypatch):
    monkeypatch.chdir(files)
    (files / "bare.tsv").write_text("Ada Lovelace\n")
    (files / "foreign.tsv").write_text("Quizzaciously\tthing\n")
    (files / "ambiguous.tsv").write_text("London\tcity\nLondon\tperson\n")
    words = ["silver", raw, "--names", names, "--map", "", "--output", "out.spacy", "--optional"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert said in " ".join(result.output.split())
    assert read(files / "out.spacy") == []
    assert not (files / ".out.spacy.parts").exists()
    if raw and names:
        # Without the option it is an error, and the output is unchanged.
        assert CliRunner().invoke(app, words[:-1]).exit_code == 1


def test_the_working_folder_is_no_empty_path(files, monkeypatch):
    monkeypatch.chdir(files)
    result = CliRunner().invoke(app, ["silver", ".", "--names", "names.tsv", "--output", "out.spacy", "--optional"])
    assert result.exit_code == 1
    assert not (files / "out.spacy").exists()
