import gzip
import json

import pytest

from spacy_crossner.text.raw import line_place
from spacy_crossner.text.select import statistics_path
from spacy_crossner.text.sizes import Level, LevelSize, levels_table

# The sentences of `files`, by level.
DOMAIN = [
    "Ada built a deep net.",
    "Ada met Ada .",
    "It rained.",
    "The net broke.",
    "Oslo is cold.",
    "Ada is in Oslo.",
]
ENTITY = [DOMAIN[0], DOMAIN[1], DOMAIN[5]]
FIELD = [DOMAIN[0], DOMAIN[3]]


@pytest.mark.parametrize(
    ("level", "sentences"),
    [("domain", DOMAIN), ("entity", ENTITY), ("task", FIELD), ("integrated", ENTITY + FIELD + FIELD)],
)
def test_levels(select, files, tmp_path, level, sentences):
    raw, entities = files
    report = select(raw, tmp_path / "out.txt", entities=entities, level=level, types=["field"])
    assert (tmp_path / "out.txt").read_bytes() == "".join(f"{sentence}\n" for sentence in sentences).encode()
    sizes = {"domain": DOMAIN, "entity": ENTITY, "task": FIELD, "integrated": ENTITY + FIELD + FIELD}
    expected = {name: LevelSize(len(lines), len(" ".join(lines).split())) for name, lines in sizes.items()}
    assert report.levels == expected
    assert report.written == expected[level]
    assert (report.sentences_read, report.duplicates, report.excluded) == (8, 2, 0)
    assert report.mentions == 8
    assert report.warnings == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["names.tsv", "out.txt", "out.txt.json", "raw.txt"]


def test_mentions_that_a_sentence_needs(select, read, files, tmp_path):
    raw, entities = files
    raw.write_text("Ada and Ada met Ada .\nAda met Ada .\nA net of nets is a net .\nA net .\n", encoding="utf8")
    options = {"entities": entities, "types": ["field"], "min_entities": 3, "min_special": 2, "upsample": 3}
    report = select(raw, tmp_path / "out.txt", level="integrated", **options)
    assert read(tmp_path / "out.txt") == ["Ada and Ada met Ada ."] + 3 * ["A net of nets is a net ."]
    assert report.levels[Level.integrated] == LevelSize(4, 6 + 3 * 8)


def test_case(select, read, files, tmp_path):
    raw, entities = files
    out = tmp_path / "out.txt"
    raw.write_text("ADA met ada .\nAda met Ada !\n", encoding="utf8")
    select(raw, out, entities=entities, level="entity")
    assert read(out) == ["Ada met Ada !"]
    select(raw, out, entities=entities, level="entity", ignore_case=True)
    assert read(out) == ["ADA met ada .", "Ada met Ada !"]


def test_lines_as_they_are(select, read, files, tmp_path):
    raw, entities = files
    report = select(raw, tmp_path / "out.txt", entities=entities, level="entity", types=["field"], split=False)
    assert read(tmp_path / "out.txt") == [DOMAIN[0], "Ada met Ada . It rained.", "Oslo is cold. Ada is in Oslo."]
    assert (report.sentences_read, report.duplicates) == (6, 1)


def test_the_domain_level_needs_no_list(select, read, files, tmp_path):
    raw, _ = files
    report = select(raw, tmp_path / "new" / "deep" / "out.txt", level="domain")
    assert read(tmp_path / "new" / "deep" / "out.txt") == DOMAIN
    assert list(report.levels) == [Level.domain]


def test_several_files_and_gzip(select, read, files, tmp_path):
    raw, _ = files
    packed = tmp_path / "more.gz"
    packed.write_bytes(gzip.compress(b"The net broke.\nIt is new."))
    report = select([raw, packed], tmp_path / "out.txt", level="domain")
    assert read(tmp_path / "out.txt") == [*DOMAIN, "It is new."]
    assert report.settings["raw"] == ["raw.txt", "more.gz"]


def test_sentences_to_exclude(select, read, files, tmp_path):
    raw, _ = files
    test = tmp_path / "test.txt"
    test.write_text(
        "Oslo\tB-place\nis\tO\ncold\tO\n.\tO\n\nADA\tB-p\nbuilt\tO\na\tO\ndeep\tO\nnet\tO\n.\tO\n", encoding="utf8"
    )
    report = select(raw, tmp_path / "out.txt", level="domain", exclude=[test])
    assert read(tmp_path / "out.txt") == [DOMAIN[1], DOMAIN[2], DOMAIN[3], DOMAIN[5]]
    assert (report.excluded, report.duplicates) == (2, 2)
    # As lines, one that is longer than an excluded sentence goes only if that is long enough to be looked for.
    raw.write_text("It rained. ada built a deep net.\nIt rained. Oslo is cold.\nOslo is cold.\n", encoding="utf8")
    test.write_text("Ada built a deep net .\nOslo is cold .\n", encoding="utf8")
    report = select(raw, tmp_path / "out.txt", level="domain", exclude=[test], split=False)
    assert read(tmp_path / "out.txt") == ["It rained. ada built a deep net.", "It rained. Oslo is cold."]
    test.write_text("We say that Ada built a deep net .\n", encoding="utf8")
    raw.write_text("It rained. We say that Ada built a deep net. So.\nSo.\n", encoding="utf8")
    select(raw, tmp_path / "out.txt", level="domain", exclude=[test], split=False)
    assert read(tmp_path / "out.txt") == ["So."]


def test_a_share_is_part_of_a_larger_one(select, read, tmp_path):
    raw = tmp_path / "raw.txt"
    raw.write_text("".join(f"Sentence {i} .\n" for i in range(2000)), encoding="utf8")
    found = {}
    for share in (1.0, 0.5, 0.1):
        report = select(raw, tmp_path / "out.txt", level="domain", share=share)
        found[share] = read(tmp_path / "out.txt")
        assert report.written.sentences == len(found[share]) == pytest.approx(2000 * share, rel=0.15)
    assert set(found[0.1]) < set(found[0.5]) < set(found[1.0])
    # What DAPT holds out of it is no larger a part of a share.
    held_out = sum(line_place(line) < 0.1 for line in found[0.1])
    assert held_out / len(found[0.1]) < 0.2


def test_copies_of_the_task_level_are_in_a_share_together(select, read, files, tmp_path):
    raw, entities = files
    raw.write_text("".join(f"The net broke {i} .\n" for i in range(20)), encoding="utf8")
    select(raw, tmp_path / "out.txt", entities=entities, types=["field"], share=0.5)
    lines = read(tmp_path / "out.txt")
    assert 0 < len(set(lines)) < 20
    assert {lines.count(line) for line in lines} == {2}


def test_statistics(select, files, tmp_path):
    raw, entities = files
    out = tmp_path / "out.txt"
    test = tmp_path / "test.txt"
    test.write_text("It rained .\n", encoding="utf8")
    select(raw, out, entities=entities, level="integrated", types=["field"], exclude=[test])
    assert statistics_path(out) == tmp_path / "out.txt.json"
    text = statistics_path(out).read_text(encoding="utf8")
    assert str(tmp_path) not in text
    statistics = json.loads(text)
    assert (statistics["level"], statistics["sentences"], statistics["tokens"]) == ("integrated", 7, 29)
    assert statistics["levels"]["entity"] == {"sentences": 3, "tokens": 13, "share": 0.6842}
    assert statistics["levels"]["integrated"]["share"] == round(29 / 19, 4)
    assert (statistics["sentences_read"], statistics["duplicates"], statistics["excluded"]) == (8, 1, 2)
    names = {key: statistics["settings"][key] for key in ("raw", "entities", "exclude")}
    assert names == {"raw": ["raw.txt"], "entities": "names.tsv", "exclude": ["test.txt"]}
    assert statistics["settings"]["types"] == ["field"]


def test_table(select, files, tmp_path):
    raw, entities = files
    report = select(raw, tmp_path / "out.txt", entities=entities, level="task", types=["field"])
    rows = [line.split() for line in levels_table(report).splitlines()]
    assert ["domain-level", "6", "21", "(1.00x)"] in rows
    assert ["entity-level", "3", "13", "(0.62x)"] in rows
    assert ["task-level", "*", "2", "8", "(0.38x)"] in rows
    assert ["integrated-level", "7", "29", "(1.38x)"] in rows


@pytest.mark.parametrize(
    ("types", "text"), [((), None), (("field",), "a net\nAda Ada\nx\n"), (("field",), "net net a\n")]
)
def test_a_warning_where_the_levels_do_not_grow(select, files, tmp_path, types, text):
    # Without types every name is special and the task level larger; a tie is no growth; nor is all of the domain.
    raw, entities = files
    if text:
        raw.write_text(text, encoding="utf8")
    report = select(raw, tmp_path / "out.txt", entities=entities, level="task", types=types)
    task, entity, domain = (report.levels[level].tokens for level in (Level.task, Level.entity, Level.domain))
    (warning,) = report.warnings
    assert f"have {task:,}, {entity:,} and {domain:,} tokens: the entity list is too long" in warning


def test_a_warning_where_the_filter_is_too_small(select, read, tmp_path):
    raw = tmp_path / "raw.txt"
    raw.write_text("".join(f"s{i}\n" for i in range(150_000)), encoding="utf8")
    (warning,) = select(raw, tmp_path / "out.txt", level="domain").warnings
    assert "--filter-size 2" in warning
    assert len(read(tmp_path / "out.txt")) == 150_000
    assert select(raw, tmp_path / "out.txt", level="domain", filter_size=8).warnings == []


def test_the_same_files_each_time(select, files, tmp_path):
    raw, entities = files
    for name in ("a.txt", "b.txt"):
        select(raw, tmp_path / name, entities=entities)
    assert (tmp_path / "a.txt").read_bytes() == (tmp_path / "b.txt").read_bytes()
    assert (tmp_path / "a.txt.json").read_bytes() == (tmp_path / "b.txt.json").read_bytes()


def test_no_spelling_of_a_test_sentence_is_left_and_their_number_is_said(select, read, tmp_path):
    raw, test = tmp_path / "raw.txt", tmp_path / "test.txt"
    test.write_text("Café B-place\n“ O\nOslo I-place\n” O\nopened O\n. O\n", encoding="utf8")
    spellings = [
        "Café “Oslo” opened.",
        "Cafe\u0301 “Oslo” opened.",
        "Café\u00a0“Oslo”\u2003opened.",
        "Café “Os\u00adlo” ope\u200bned.",
        'Café "Oslo" opened.',
        "CAFÉ ``Oslo'' opened .",
    ]
    # Each on a line, and all in one line.
    raw.write_text("\n".join([*spellings, "It rained. " + " ".join(spellings) + " It snowed."]), encoding="utf8")
    report = select(raw, tmp_path / "out.txt", level="domain", exclude=[test])
    assert read(tmp_path / "out.txt") == ["It rained.", "It snowed."]
    assert (report.sentences_read, report.excluded, report.duplicates) == (14, 12, 0)
    # Without exclusion they are one sentence.
    report = select(raw, tmp_path / "out.txt", level="domain")
    assert read(tmp_path / "out.txt") == [spellings[0], "It rained.", "It snowed."]
    assert report.duplicates == 11


@pytest.mark.parametrize("listed", ["Zürich", "Zu\u0308rich"])
def test_names_are_found_whatever_their_spelling(select, read, tmp_path, listed):
    raw, names = tmp_path / "raw.txt", tmp_path / "names.txt"
    lines = [
        "In Zürich gibt es das.",
        "In Zu\u0308rich auch.",
        "In Zü\u00adrich nicht.",
        "In Zurich, ja.",
        "Zürichs See.",
    ]
    raw.write_text("\n".join(lines), encoding="utf8")
    names.write_text(f"{listed}\n", encoding="utf8")
    report = select(raw, tmp_path / "out.txt", level="entity", entities=names, min_entities=1)
    assert read(tmp_path / "out.txt") == lines[:3]
    assert report.mentions == 3
