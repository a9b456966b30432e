"""`init` and `adapt`: the page that is written, the questions, and the run from files to a pipeline."""

import shutil
from pathlib import Path

import pytest
import spacy
import srsly
from typer.testing import CliRunner
from weasel.cli import run as weasel_run
from weasel.util import load_project_config, split_command

import spacy_crossner
from spacy_crossner.cli import app
from spacy_crossner.errors import CrossnerError
from spacy_crossner.projects import adaptation, start
from spacy_crossner.projects.estimate import estimate_minutes
from spacy_crossner.projects.inspection import inspect
from spacy_crossner.projects.page import project_page
from spacy_crossner.projects.plan import make_plan
from spacy_crossner.projects.start import start_project
from spacy_crossner.projects.template import template_folder

from .conftest import OURS, make_quick
from .exports import EXPORTS, markup

ROOT = Path(__file__).parents[2]


@pytest.fixture
def files(tmp_path):
    """Give a folder with a user's files: all that a project can use."""
    folder = tmp_path / "my files"
    (folder / "general").mkdir(parents=True)
    (folder / "letters.txt").write_text(markup() * 2)
    (folder / "general" / "train.txt").write_text(markup() * 3)
    (folder / "raw.txt").write_text("".join(f"Ada saw the {i}th engine in Oslo .\n" for i in range(60)))
    (folder / "names.tsv").write_text("Ada\tperson\nOslo\tplace\nengine\tmachine\n")
    return folder


@pytest.fixture
def quick(monkeypatch):
    """Run the steps of projects in this process, and quickly; give the names of our commands that ran."""
    ran = []

    def run_commands(lines, **kwargs):
        for line in lines:
            words = split_command(line)
            assert words[: len(OURS)] == OURS
            ran.append(words[len(OURS)])
            result = CliRunner().invoke(app, make_quick(words)[len(OURS) :])
            if result.exit_code:
                assert isinstance(result.exception, SystemExit), result.exc_info
                raise SystemExit(result.exit_code)

    monkeypatch.setattr(weasel_run, "run_commands", run_commands)
    monkeypatch.setattr(start, "describe_time", lambda plan, raw_words: "time         none")
    return ran


def plan_of(files, *, without=()):
    for name in without:
        path = files / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return make_plan(inspect(files), files)


WORKFLOWS = {
    (): "all",
    ("raw.txt", "names.tsv"): "no-dapt",
    ("raw.txt", "names.tsv", "general"): "direct",
    ("general",): "all",
}


@pytest.mark.parametrize("without", WORKFLOWS)
def test_the_page_has_the_commands_of_one_workflow_of_the_template(without, files, tmp_path):
    plan = plan_of(with_dev(files), without=without)
    (tmp_path / "project.yml").write_text(project_page(plan, tmp_path), encoding="utf8")
    page, template = load_project_config(tmp_path), load_project_config(ROOT)
    steps = [step for step in template["workflows"][WORKFLOWS[without]] if plan.source or step != "convert-source"]
    assert page["workflows"] == {"all": steps}
    assert {command["name"] for command in page["commands"]} == set(steps)
    theirs = {command["name"]: command for command in template["commands"]}
    for command in page["commands"]:
        # The same commands and options, with other values.
        assert options_of(command) == options_of(theirs[command["name"]])
    check_variables(tmp_path / "project.yml", page)
    assert page["vars"]["labelled"] == "my files/letters"


def options_of(command):
    return [word for line in command["script"] for word in split_command(line) if word.startswith("-")]


def check_variables(path, page):
    text = path.read_text(encoding="utf8")
    for name in page["vars"]:
        assert f"${{vars.{name}}}" in text, f"{name} is not used"


def with_dev(files):
    """Make a folder with train and dev of the labelled file."""
    (files / "letters").mkdir()
    (files / "letters.txt").rename(files / "letters" / "train.txt")
    (files / "letters" / "dev.txt").write_text(markup())
    return files


@pytest.mark.parametrize("without", WORKFLOWS)
@pytest.mark.parametrize("has_test", [True, False])
def test_without_a_dev_set_no_command_names_one(without, has_test, files, tmp_path):
    if has_test:
        (files / "letters").mkdir()
        (files / "letters.txt").rename(files / "letters" / "train.txt")
        (files / "letters" / "test.txt").write_text(markup())
    plan = plan_of(files, without=without)
    text = project_page(plan, tmp_path)
    (tmp_path / "project.yml").write_text(text, encoding="utf8")
    page = load_project_config(tmp_path)
    steps = page["workflows"]["all"]
    assert "cross-validate" in steps
    assert not {"calibrate", "train", "train-direct", "train-no-dapt"} & set(steps)
    assert ("evaluate" in steps) is has_test
    assert "${vars.domain}/dev.spacy" not in text
    assert ("test.spacy" in text) is has_test
    assert ("--metrics" in text) is has_test
    # No stage before the folds learns from the labelled sentences, or from their names.
    assert "--gold" not in text
    before = [each for each in page["commands"] if each["name"] == "train-source"]
    assert all(f"corpus/{plan.domain}/" not in line for each in before for line in each["script"])
    assert bool(before) is bool(plan.source)
    assert plan.workflow == ("all" if plan.source else "direct")
    check_variables(tmp_path / "project.yml", page)
    # Each command reads what one before it has written, or a file of the user.
    made = {"my files"}
    for name in steps[:-1]:
        (command,) = [each for each in page["commands"] if each["name"] == name]
        for path in command["deps"]:
            known = [
                each for each in made if f"{path}/".startswith(f"{each}/") or each.startswith(f"{path.rstrip('/')}/")
            ]
            assert known or path.startswith(("configs/", "my files")), (name, path, made)
        made |= set(command["outputs"])


def test_several_files_of_raw_text_are_all_used(files, tmp_path):
    (files / "more.txt").write_text("Ada saw Grace .\n")
    page = project_page(plan_of(files), tmp_path)
    assert page.count('"my files/more.txt" "my files/raw.txt"') == 2


def test_a_map_is_written_for_types_that_are_no_labels(files, tmp_path, quick):
    start_project(files, tmp_path / "project", encoder="some")
    assert (tmp_path / "project" / "type_map.tsv").read_text() == "machine\t\nperson\tperson\nplace\tplace\n"
    assert srsly.read_yaml(tmp_path / "project" / "project.yml")["vars"]["type_map"] == "type_map.tsv"


def test_all_from_files_to_a_pipeline(files, tmp_path, tiny_encoder, quick):
    output = tmp_path / "letters"
    words = ["adapt", str(files), "--output", str(output), "--encoder", str(tiny_encoder)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert quick == [
        "convert",
        "convert",
        "select",
        "dapt",
        "silver",
        "train",
        "cross-validate",
        "package",
    ]
    assert load_project_config(tmp_path / "letters.project")["workflows"]["all"][-1] == "install"
    nlp = spacy.load(output)
    assert {"person", "place"} <= set(nlp.get_pipe("ner").labels)
    # There is no test set on which mistakes could be shown.
    assert not (output / "report.html").exists()
    assert (output / "README.md").is_file()
    assert (tmp_path / "letters.project" / "packages" / "letters_ner-0.1.0-py3-none-any.whl").is_file()
    # A second time, only the steps that decide for themselves run, and the pipeline is the same.
    before = (output / "ner" / "model").read_bytes()
    quick.clear()
    assert CliRunner().invoke(app, words).exit_code == 0
    assert "convert" not in quick
    assert (output / "ner" / "model").read_bytes() == before


@pytest.mark.parametrize("name", ["prodigy", "columns"])
def test_a_single_file_through_python(name, tmp_path, tiny_encoder, quick):
    file, content = EXPORTS[name]
    (tmp_path / file).write_text(content())
    nlp = spacy_crossner.adapt(tmp_path / file, output=tmp_path / "out", encoder=str(tiny_encoder), method="crf")
    assert set(nlp.get_pipe("ner").labels) == {"person", "place"}
    assert quick.count("cross-validate") == 1
    assert (tmp_path / "out.project" / "training").is_dir()


def test_dev_and_test_of_their_own(files, tmp_path, tiny_encoder, quick):
    (tmp_path / "dev.txt").write_text(markup())
    given = {"dev": tmp_path / "dev.txt", "encoder": str(tiny_encoder), "method": "crf", "domain": "mail"}
    spacy_crossner.adapt(files / "letters.txt", output=tmp_path / "out", **given)
    folder = tmp_path / "out.project"
    assert sorted(path.name for path in (folder / "files" / "mail").iterdir()) == ["dev.txt", "train.txt"]
    assert "<html" in (tmp_path / "out" / "report.html").read_text(encoding="utf8")
    assert "calibrate" in quick
    assert (folder / "corpus" / "mail" / "dev.spacy").is_file()


def test_what_was_given_as_something_else_is_refused(files, tmp_path, quick):
    for changes, said in (
        ({"names": files / "raw.txt"}, "a list of names, but it is raw text"),
        ({"raw": files / "names.tsv"}, "raw text, but it is a list of names"),
        ({"source": tmp_path / "nowhere.txt"}, "nowhere"),
    ):
        with pytest.raises(CrossnerError, match=f"C656.*{said}"):
            spacy_crossner.adapt(files / "letters.txt", output=tmp_path / "out", **changes)
    assert quick == []
    assert not (tmp_path / "out").exists()


def test_a_step_that_fails_is_named(files, tmp_path, tiny_encoder, quick, monkeypatch):
    def fail(folder, step, **kwargs):
        raise SystemExit(3)

    monkeypatch.setattr(adaptation, "project_run", fail)
    with pytest.raises(CrossnerError, match=r"C655.*'convert'.*code 3"):
        spacy_crossner.adapt(files / "letters.txt", output=tmp_path / "out", encoder=str(tiny_encoder))


def test_questions_have_defaults_and_are_five_at_most(files, tmp_path, quick):
    asked = []

    def ask(question, default):
        asked.append(question)
        return "n" if question.startswith("Use the list") else default

    plan = start_project(files, tmp_path / "project", ask=ask)
    assert len(asked) == 5
    assert (plan.domain, plan.names) == ("letters", None)
    assert plan.source.path == files / "general"


def test_a_project_that_is_there_is_kept(files, tmp_path, quick):
    folder = tmp_path / "project"
    start_project(files, folder, encoder="some")
    (folder / "project.yml").write_text("mine")
    with pytest.raises(CrossnerError, match=r"C654.*project\.yml"):
        start_project(files, folder, encoder="some")
    assert (folder / "project.yml").read_text() == "mine"
    start_project(files, folder, encoder="some", force=True)
    assert (folder / "project.yml").read_text() != "mine"


def test_the_estimate_counts_the_steps_of_the_project(files):
    plan = plan_of(with_dev(files))
    minutes = estimate_minutes(plan, 1.0, 384, 420)
    # 48 sentences: 150 steps of 32 sentences at the least, which take four times as long as those of 8.
    assert minutes["source stage"] == pytest.approx(150 * 4 / 60)
    assert minutes["target stage, 3 seeds"] == pytest.approx(3 * 120 / 60, rel=0.1)
    # The preset of a large encoder makes 600 steps.
    assert estimate_minutes(plan, 1.0, 768, 420)["target stage, 3 seeds"] == pytest.approx(3 * 600 / 60, rel=0.1)
    assert "folds" not in minutes
    direct = plan_of(files, without=("raw.txt", "names.tsv", "general"))
    assert "source stage" not in estimate_minutes(direct, 1.0, 384, 0)


def test_the_template_is_that_of_the_clone():
    assert template_folder() == ROOT
    assert (template_folder() / "assets" / "sample").is_dir()


def test_without_its_files_the_template_is_missed(tmp_path, monkeypatch):
    monkeypatch.setattr("spacy_crossner.projects.template.PACKAGE", tmp_path / "package")
    with pytest.raises(CrossnerError, match="C650"):
        template_folder()
