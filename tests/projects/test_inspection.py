"""What the files of a folder are taken for, and what is decided from it."""

import gzip
import shutil
from pathlib import Path

import pytest

from spacy_crossner.errors import CrossnerError
from spacy_crossner.projects.inspection import Labelled, Names, RawText, Unread, inspect, look_at
from spacy_crossner.projects.plan import domain_name, make_plan

from .exports import EXPORTS, TEXTS, markup, write_brat

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_of_an_annotation_tool_is_labelled_text(name, tmp_path):
    file, content = EXPORTS[name]
    (tmp_path / file).write_text(content())
    (found,) = inspect(tmp_path)
    assert isinstance(found, Labelled), found
    assert found.sizes == {"train": len(TEXTS)}
    assert found.entities == {"person": 2 * len(TEXTS), "place": len(TEXTS)}


def test_a_folder_of_brat_is_one_set(tmp_path):
    write_brat(tmp_path / "notes")
    (found,) = inspect(tmp_path)
    assert isinstance(found, Labelled)
    assert found.path == tmp_path / "notes"
    assert found.entities["person"] == 2 * len(TEXTS)


def test_the_sample(tmp_path):
    shutil.copytree(ROOT / "assets" / "sample", tmp_path / "sample")
    found = {each.path.name: each for each in inspect(tmp_path / "sample")}
    assert {name: type(each) for name, each in found.items()} == {
        "ai": Labelled,
        "news": Labelled,
        "ai_entities.tsv": Names,
        "ai_raw.txt": RawText,
    }
    assert set(found["ai"].sizes) == {"train", "dev", "test"}
    assert len(found["ai_entities.tsv"].types) == 14
    plan = make_plan(list(found.values()), tmp_path / "sample")
    assert (plan.domain, plan.labelled.path.name, plan.source.path.name) == ("ai", "ai", "news")
    assert (plan.workflow, plan.type_map) == ("all", {})


LISTS = {
    "two names": ("names.tsv", "Ada\tperson\nOslo\tplace\n", {"person": 1, "place": 1}),
    "with counts": ("a.tsv", "Ada\tperson\t7\nMax Planck\tperson\t3\nOslo\tplace\t2\n", {"person": 2, "place": 1}),
    "blank lines at the end": ("a.txt", "Ada\tperson\nOslo\tplace\n\n\n", {"person": 1, "place": 1}),
    "no types": ("names.txt", "Ada\nMax Planck\n", {}),
}


@pytest.mark.parametrize("case", LISTS)
def test_lists_of_names(case, tmp_path):
    file, content, types = LISTS[case]
    (tmp_path / file).write_text(content)
    (found,) = inspect(tmp_path)
    assert isinstance(found, Names), found
    assert found.types == types
    assert found.count == len([line for line in content.splitlines() if line])


TEXT = {
    "short lines without a name that says so": ("text.txt", "Ada\nMax Planck\n"),
    "sentences": ("names.txt", "Ada went a long way to see Grace in the town of Oslo .\nIt rained .\n"),
    "a table": ("table.txt", "".join(f"line {i}\tvalue {i}\n" for i in range(300))),
}


@pytest.mark.parametrize("case", TEXT)
def test_raw_text(case, tmp_path):
    file, content = TEXT[case]
    (tmp_path / file).write_text(content)
    found = look_at(tmp_path / file)
    assert isinstance(found, RawText), found
    assert (found.lines, found.words) == (len(content.splitlines()), len(content.split()))


def test_packed_raw_text(tmp_path):
    with gzip.open(tmp_path / "raw.txt.gz", "wt") as file:
        file.write("Ada saw Grace .\n" * 300)
    found = look_at(tmp_path / "raw.txt.gz")
    assert isinstance(found, RawText)
    assert found.words == 1200


def test_what_cannot_be_read_has_its_reason(tmp_path):
    (tmp_path / "photo.png").write_bytes(bytes(range(256)))
    (tmp_path / "broken.jsonl").write_text('{"text": "Ada", "spans": [{"start": 0\n')
    (tmp_path / "empty.txt").write_text("")
    found = inspect(tmp_path)
    assert all(isinstance(each, Unread) for each in found), found
    assert [each.path.name for each in found] == ["broken.jsonl", "empty.txt", "photo.png"]
    assert "line 1" in found[0].problem
    with pytest.raises(CrossnerError, match=r"(?s)C651.*broken.jsonl"):
        make_plan(found, tmp_path)


def test_hidden_files_documents_and_outputs_of_a_project_are_left_out(tmp_path):
    (tmp_path / "mine.txt").write_text(markup())
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "text.txt").write_text("Ada\n")
    (tmp_path / "README.md").write_text("# Mine\n")
    (tmp_path / "project.yml").write_text("vars: {}\n")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "selected.txt").write_text("Ada\n")
    assert [each.path.name for each in inspect(tmp_path)] == ["mine.txt"]
    # Without a project it is a folder like any other.
    (tmp_path / "project.yml").unlink()
    assert [each.path.name for each in inspect(tmp_path)] == ["mine.txt", "selected.txt"]


def test_sentences_of_two_sets_are_counted(tmp_path):
    lines = markup().splitlines(keepends=True)
    (tmp_path / "train.txt").write_text("".join(lines))
    (tmp_path / "dev.txt").write_text("".join(lines[:3]))
    (found,) = inspect(tmp_path)
    assert found.shared == {"dev": 3}


def sets(tmp_path, **times):
    """Write a labelled file for each name, with as many sentences as it says."""
    for name, number in times.items():
        (tmp_path / f"{name}.txt").write_text(markup() * number)
    return inspect(tmp_path)


def test_the_source_is_found_by_its_name_or_its_size(tmp_path):
    plan = make_plan(sets(tmp_path, contracts=1, news=1), tmp_path)
    assert (plan.domain, plan.source.path.stem, plan.notes) == ("contracts", "news", [])
    (tmp_path / "news.txt").unlink()
    plan = make_plan(sets(tmp_path, contracts=1, other=4), tmp_path)
    assert (plan.domain, plan.source.path.stem) == ("contracts", "other")
    assert "3 times as large" in plan.notes[0]


def test_two_sets_of_one_size_are_not_guessed(tmp_path):
    found = sets(tmp_path, first=1, second=2)
    with pytest.raises(CrossnerError, match=r"C653.*first.*second"):
        make_plan(found, tmp_path)
    plan = make_plan(found, tmp_path, target=tmp_path / "second.txt")
    assert (plan.domain, plan.source.path.stem) == ("second", "first")
    plan = make_plan(found, tmp_path, source=tmp_path / "second.txt")
    assert (plan.domain, plan.source.path.stem) == ("first", "second")
    with pytest.raises(CrossnerError, match="C652"):
        make_plan(found, tmp_path, target=tmp_path / "third.txt")


def test_the_workflow_follows_from_what_there_is(tmp_path):
    assert make_plan(sets(tmp_path, mine=1), tmp_path).workflow == "direct"
    # Without a dev set, the source stage is that of `all`, which cross-validation follows.
    assert make_plan(sets(tmp_path, mine=1, news=1), tmp_path).workflow == "all"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine.txt").rename(tmp_path / "mine" / "train.txt")
    (tmp_path / "mine" / "dev.txt").write_text(markup())
    assert make_plan(inspect(tmp_path), tmp_path).workflow == "no-dapt"
    (tmp_path / "raw.txt").write_text("Ada saw Grace .\n")
    assert make_plan(inspect(tmp_path), tmp_path).workflow == "all"
    (tmp_path / "news.txt").unlink()
    assert make_plan(inspect(tmp_path), tmp_path).workflow == "all"


def test_types_of_the_list_are_mapped_to_labels(tmp_path):
    sets(tmp_path, mine=1)
    (tmp_path / "names.tsv").write_text("Ada\tPersons\nOslo\tplace\nthe Z3\tmachine\n")
    plan = make_plan(inspect(tmp_path), tmp_path)
    assert plan.type_map == {"Persons": "person", "place": "place", "machine": ""}


@pytest.mark.parametrize(
    ("path", "name"),
    [("Legal Contracts/train.txt", "legal-contracts"), ("a/Über.jsonl", "über"), ("x/data/export.json", "x")],
)
def test_the_domain_has_the_name_of_its_file_or_folder(path, name, tmp_path):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text("x")
    assert domain_name(tmp_path / path) == name
