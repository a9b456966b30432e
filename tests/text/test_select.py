import gzip
import json
import resource
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_crossner.errors import CrossnerError
from spacy_crossner.text import raw as raw_module
from spacy_crossner.text.raw import line_place
from spacy_crossner.text.select import select_corpus, statistics_path
from spacy_crossner.text.sizes import Level, LevelSize, levels_table

NAMES = {"deep net": "field", "net": "field", "Ada": "person", "Oslo": "place"}
# One sentence a line or several; each level has others.
TEXT = """\
Ada built a deep net.
Ada  met Ada . It rained.
The net broke.

 Oslo is cold. Ada is in Oslo.
the NET broke .
It rained.
"""
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


@pytest.fixture
def files(tmp_path):
    raw, entities = tmp_path / "raw.txt", tmp_path / "names.tsv"
    raw.write_text(TEXT, encoding="utf8")
    entities.write_text("".join(f"{name}\t{kind}\n" for name, kind in NAMES.items()), encoding="utf8")
    return raw, entities


def select(raw, output, **options):
    return select_corpus(raw if isinstance(raw, list) else [raw], output, **{"filter_size": 1, **options})


def read(path):
    return path.read_text(encoding="utf8").splitlines()


@pytest.mark.parametrize(
    ("level", "sentences"),
    [("domain", DOMAIN), ("entity", ENTITY), ("task", FIELD), ("integrated", ENTITY + FIELD + FIELD)],
)
def test_levels(files, tmp_path, level, sentences):
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


def test_mentions_that_a_sentence_needs(files, tmp_path):
    raw, entities = files
    raw.write_text("Ada and Ada met Ada .\nAda met Ada .\nA net of nets is a net .\nA net .\n", encoding="utf8")
    options = {"entities": entities, "types": ["field"], "min_entities": 3, "min_special": 2, "upsample": 3}
    report = select(raw, tmp_path / "out.txt", level="integrated", **options)
    assert read(tmp_path / "out.txt") == ["Ada and Ada met Ada ."] + 3 * ["A net of nets is a net ."]
    assert report.levels[Level.integrated] == LevelSize(4, 6 + 3 * 8)


def test_case(files, tmp_path):
    raw, entities = files
    out = tmp_path / "out.txt"
    raw.write_text("ADA met ada .\nAda met Ada !\n", encoding="utf8")
    select(raw, out, entities=entities, level="entity")
    assert read(out) == ["Ada met Ada !"]
    select(raw, out, entities=entities, level="entity", ignore_case=True)
    assert read(out) == ["ADA met ada .", "Ada met Ada !"]


def test_lines_as_they_are(files, tmp_path):
    raw, entities = files
    report = select(raw, tmp_path / "out.txt", entities=entities, level="entity", types=["field"], split=False)
    assert read(tmp_path / "out.txt") == [DOMAIN[0], "Ada met Ada . It rained.", "Oslo is cold. Ada is in Oslo."]
    assert (report.sentences_read, report.duplicates) == (6, 1)


def test_the_domain_level_needs_no_list(files, tmp_path):
    raw, _ = files
    report = select(raw, tmp_path / "new" / "deep" / "out.txt", level="domain")
    assert read(tmp_path / "new" / "deep" / "out.txt") == DOMAIN
    assert list(report.levels) == [Level.domain]


def test_several_files_and_gzip(files, tmp_path):
    raw, _ = files
    packed = tmp_path / "more.gz"
    packed.write_bytes(gzip.compress(b"The net broke.\nIt is new."))
    report = select([raw, packed], tmp_path / "out.txt", level="domain")
    assert read(tmp_path / "out.txt") == [*DOMAIN, "It is new."]
    assert report.settings["raw"] == ["raw.txt", "more.gz"]


def test_sentences_to_exclude(files, tmp_path):
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


def test_a_share_is_part_of_a_larger_one(tmp_path):
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


def test_copies_of_the_task_level_are_in_a_share_together(files, tmp_path):
    raw, entities = files
    raw.write_text("".join(f"The net broke {i} .\n" for i in range(20)), encoding="utf8")
    select(raw, tmp_path / "out.txt", entities=entities, types=["field"], share=0.5)
    lines = read(tmp_path / "out.txt")
    assert 0 < len(set(lines)) < 20
    assert {lines.count(line) for line in lines} == {2}


def test_statistics(files, tmp_path):
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


def test_table(files, tmp_path):
    raw, entities = files
    report = select(raw, tmp_path / "out.txt", entities=entities, level="task", types=["field"])
    rows = [line.split() for line in levels_table(report).splitlines()]
    assert ["domain-level", "6", "21", "(1.00x)"] in rows
    assert ["entity-level", "3", "13", "(0.62x)"] in rows
    assert ["task-level", "*", "2", "8", "(0.38x)"] in rows
    assert ["integrated-level", "7", "29", "(1.38x)"] in rows


@pytest.mark.parametrize(
    ("types", "text"), [((), TEXT), (("field",), "a net\nAda Ada\nx\n"), (("field",), "net net a\n")]
)
def test_a_warning_where_the_levels_do_not_grow(files, tmp_path, types, text):
    # Without types every name is special and the task level larger; a tie is no growth; nor is all of the domain.
    raw, entities = files
    raw.write_text(text, encoding="utf8")
    report = select(raw, tmp_path / "out.txt", entities=entities, level="task", types=types)
    task, entity, domain = (report.levels[level].tokens for level in (Level.task, Level.entity, Level.domain))
    (warning,) = report.warnings
    assert f"have {task:,}, {entity:,} and {domain:,} tokens: the entity list is too rich" in warning


def test_a_warning_where_the_filter_is_too_small(tmp_path):
    raw = tmp_path / "raw.txt"
    raw.write_text("".join(f"s{i}\n" for i in range(150_000)), encoding="utf8")
    (warning,) = select(raw, tmp_path / "out.txt", level="domain").warnings
    assert "--filter-size 2" in warning
    assert len(read(tmp_path / "out.txt")) == 150_000
    assert select(raw, tmp_path / "out.txt", level="domain", filter_size=8).warnings == []


# Sentences that are split for sure: the first word begins with an upper-case letter, no word is an abbreviation.
WORD = st.sampled_from(["deep", "net", "nets", "Ada", "ADA", "Oslo", "deep-net", "net_", "(net)", "émile", "It"])
SENTENCE = st.tuples(st.sampled_from(["Ada", "Net", "The", "Émile"]), st.lists(WORD, max_size=5)).map(
    lambda parts: " ".join([parts[0], *parts[1]])
)
LINES = st.lists(st.lists(SENTENCE, max_size=3), min_size=1, max_size=12)


def naive_levels(lines, entities, *, special, excluded, min_entities, min_special, ignore_case):
    """Return the sentences of each level, one after the other, by loops over words."""

    def words(text):
        text = text.casefold() if ignore_case else text
        return "".join(f" {c} " if not (c.isalnum() or c == "_") else c for c in text).split()

    types = {}
    for name, kind in entities.items():
        types.setdefault(tuple(words(name)), set()).add(kind)
    levels = {"domain": [], "entity": [], "task": []}
    seen = {"".join(sentence.split()).casefold() for sentence in excluded}
    for sentence in (sentence for line in lines for sentence in line):
        key = "".join(sentence.split()).casefold()
        if key in seen:
            continue
        seen.add(key)
        found, rest = [], words(sentence)
        while rest:
            size = max((len(name) for name in types if tuple(rest[: len(name)]) == name), default=0)
            found += [types[tuple(rest[:size])]] if size else []
            rest = rest[size or 1 :]
        levels["domain"].append(sentence)
        if len(found) >= min_entities:
            levels["entity"].append(sentence)
        if sum(bool(kinds & special) for kinds in found) >= min_special:
            levels["task"].append(sentence)
    return {**levels, "integrated": levels["entity"] + 2 * levels["task"]}


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    LINES,
    st.sampled_from(Level),
    st.integers(1, 3),
    st.integers(1, 2),
    st.booleans(),
    st.lists(SENTENCE.filter(lambda sentence: len(sentence.replace(" ", "")) < 18), min_size=1, max_size=2),
    st.integers(1, 200),
)
def test_the_selection_is_that_of_a_loop(
    files, monkeypatch, lines, level, min_entities, min_special, ignore_case, excluded, block
):
    raw, entities = files
    lines = [[f"{sentence}." for sentence in line] for line in lines]
    excluded = [f"{sentence} ." for sentence in excluded]
    raw.write_text("\n".join(" ".join(line) for line in lines), encoding="utf8")
    test, out = raw.with_name("test.txt"), raw.with_name("out.txt")
    test.write_text("\n".join(excluded), encoding="utf8")
    out.write_text("before", encoding="utf8")
    options = {"min_entities": min_entities, "min_special": min_special, "ignore_case": ignore_case}
    expected = naive_levels(lines, NAMES, special={"field"}, excluded=excluded, **options)
    # Blocks of a few lines, so that what counts over blocks is seen.
    monkeypatch.setattr("spacy_crossner.text.selection.read_blocks", partial(raw_module.read_blocks, block=block))
    try:
        report = select(raw, out, entities=entities, level=level, types=["field"], exclude=[test], **options)
    except CrossnerError:
        assert read(out) == ["before"]
        # There is nothing to write, or nothing of the list in the text.
        assert (
            not expected[level]
            or not naive_levels(lines, NAMES, special=set(), excluded=excluded, **{**options, "min_entities": 1})[
                "entity"
            ]
        )
    else:
        assert read(out) == expected[level]
        assert {name: size.sentences for name, size in report.levels.items()} == {
            name: len(sentences) for name, sentences in expected.items()
        }
        assert {name: size.tokens for name, size in report.levels.items()} == {
            name: sum(len(sentence.split()) for sentence in sentences) for name, sentences in expected.items()
        }


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", {}, r"\[C403\].*raw.txt"),
        (" \n\t\n", {}, r"\[C403\]"),
        ("no name of it\n", {}, r"\[C406\].*names.tsv.*--ignore-case"),
        ("no name of it\n", {"level": "domain"}, r"\[C406\]"),
        ("no name of it\n", {"ignore_case": True}, r"\[C406\] No name of the entity list .*names.tsv is in the text;"),
        ("Ada .\n", {"level": "entity"}, r"\[C409\].*'entity'"),
        ("Ada .\n", {"level": "task", "types": ["field"]}, r"\[C409\].*'task'"),
        ("It rained .\nit rained.\n", {"exclude": True}, r"\[C413\].*all 2 occur"),
        ("Ada\n", {"types": ["fields"]}, r"\[C407\].*'fields'; it has field, person, place"),
        ("Ada\n", {"entities": None}, r"\[C408\] The level 'integrated' needs"),
        ("Ada\n", {"entities": None, "level": "domain", "types": ["field"]}, r"\[C408\] --types needs"),
        ("Ada\n", {"level": "tasks"}, r"\[C410\] level is 'tasks'; expected domain, entity"),
        ("Ada\n", {"min_entities": 0}, r"\[C410\] min_entities is 0"),
        ("Ada\n", {"min_special": 0}, r"\[C410\] min_special is 0"),
        ("Ada\n", {"upsample": 0}, r"\[C410\] upsample is 0"),
        ("Ada\n", {"filter_size": 0}, r"\[C410\] filter_size is 0"),
        ("Ada\n", {"share": 0.0}, r"\[C410\] share is 0.0; expected above 0"),
        ("Ada\n", {"share": 1.1}, r"\[C410\] share is 1.1"),
        ("Ada\n", {"share": 1e-9}, r"\[C413\].*not in the share of 1e-09"),
        (b"Ada\nA\xff\n", {"level": "domain"}, r"\[C401\].*raw.txt, line 2: found the byte 0xff"),
    ],
)
@pytest.mark.parametrize("folder", ["", "new"])
def test_an_error_leaves_everything_as_it_was(files, tmp_path, content, options, message, folder):
    raw, entities = files
    raw.write_bytes(content.encode() if isinstance(content, str) else content)
    test = tmp_path / "test.txt"
    test.write_text("It rained .\n", encoding="utf8")
    out = tmp_path / folder / "out.txt"
    if not folder:
        out.write_text("before", encoding="utf8")
    before = sorted(tmp_path.rglob("*"))
    exclude = [test] if options.get("exclude") else []
    with pytest.raises(CrossnerError, match=message):
        select(raw, out, **{"entities": entities, **options, "exclude": exclude})
    assert sorted(tmp_path.rglob("*")) == before
    assert folder or read(out) == ["before"]


def test_files_that_are_not_there(files, tmp_path):
    raw, entities = files
    none = tmp_path / "none"
    with pytest.raises(CrossnerError, match=r"\[C400\].*none: found no such file"):
        select([raw, none], tmp_path / "out.txt", entities=entities)
    with pytest.raises(CrossnerError, match=r"\[C101\].*none"):
        select(raw, tmp_path / "out.txt", entities=none)
    with pytest.raises(CrossnerError, match=r"\[C101\].*none"):
        select(raw, tmp_path / "out.txt", entities=entities, exclude=[none])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["names.tsv", "raw.txt"]


def test_outputs_that_cannot_be(files, tmp_path):
    raw, entities = files
    (tmp_path / "folder").mkdir()
    (tmp_path / "out.txt.json").mkdir()
    for name in ("folder", "out.txt", "raw.txt", "names.tsv", "out.gz"):
        with pytest.raises(CrossnerError, match=rf"\[C412\] .*{name} cannot be the output"):
            select(raw, tmp_path / name, entities=entities)
    with pytest.raises(CrossnerError, match=r"\[C411\] Cannot write .*raw.txt/out.txt: 'Not a directory'"):
        select(raw, raw / "out.txt", entities=entities)
    assert raw.read_text(encoding="utf8") == TEXT


@pytest.mark.parametrize("level", ["domain", "integrated"])
def test_a_full_disk(files, tmp_path, level):
    raw, entities = files
    out = tmp_path / "out.txt"
    out.write_text("before", encoding="utf8")
    raw.write_text("".join(f"Ada met Ada {i} times.\n" for i in range(20_000)), encoding="utf8")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(CrossnerError, match=r"\[C411\] Cannot write .*out.txt: 'File too large'"):
            select(raw, out, entities=entities, level=level)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert read(out) == ["before"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["names.tsv", "out.txt", "raw.txt"]


def test_the_same_files_each_time(files, tmp_path):
    raw, entities = files
    for name in ("a.txt", "b.txt"):
        select(raw, tmp_path / name, entities=entities)
    assert (tmp_path / "a.txt").read_bytes() == (tmp_path / "b.txt").read_bytes()
    assert (tmp_path / "a.txt.json").read_bytes() == (tmp_path / "b.txt.json").read_bytes()


def test_no_spelling_of_a_test_sentence_is_left_and_their_number_is_said(tmp_path):
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
def test_names_are_found_whatever_their_spelling(tmp_path, listed):
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
