"""What a run depends on, in a project of small scripts: what its commands name, and not what they make."""

import srsly

from spacy_crossner.comparison.grid_run import make_grid
from spacy_crossner.comparison.keys import grid_run_key, step_key
from spacy_crossner.comparison.project import Step, grid_run_steps
from spacy_crossner.comparison.run import run_grid

GRID = make_grid(["two"], ["crf", "laner"], ["ai"], [1, 2])
SEEDS = make_grid(["two"], ["crf"], ["ai"], [1, 2, 3])


def test_what_a_command_names_is_part_of_a_run(project, counted):
    encoder = project / "encoders" / "small"
    encoder.mkdir(parents=True)
    (encoder / "weights").write_text("1")
    (project / "take.py").write_text("")
    config = srsly.read_yaml(project / "project.yml")
    # No dependency, as it may as well be the name of a model; what is written is not read; nor is where all is.
    config["commands"][0]["script"].append("python take.py ${vars.encoder} --paths.log count.txt . " + "x" * 300)
    srsly.write_yaml(project / "project.yml", config)
    # The last makes the same source stage anew, so that what comes after it stays.
    for content, ran in (("1", ["source-crf", "target-1-0", "score"]), ("1", []), ("2", ["source-crf"])):
        (encoder / "weights").write_text(content)
        (state,) = run_grid(project, GRID[:1], project / "c", variables={"encoder": "encoders/small"})
        assert state.is_known is not bool(ran)
        assert counted(project) == ran
    # Another run has the source stage that there is.
    list(run_grid(project, SEEDS[1:2], project / "c", variables={"encoder": "encoders/small"}))
    assert counted(project) == ["target-2-0", "score"]


def test_words_that_are_folders_of_results_are_no_files(project, counted):
    config = srsly.read_yaml(project / "project.yml")
    config["commands"][0]["script"][0] += " metrics"
    (project / "metrics").mkdir()
    stage = project / "stage.py"
    stage.write_text(stage.read_text().replace("for dep in deps)", "for dep in deps if dep != 'metrics')"))
    srsly.write_yaml(project / "project.yml", config)
    list(run_grid(project, SEEDS[:2], project / "c"))
    assert counted(project) == ["source-crf", "target-1-0", "score", "target-2-0", "score"]


def test_a_dependency_counts_without_what_is_made_in_it(project):
    for name in ("in/data.txt", "in/made"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(name)
    step = Step("source", ["python stage.py --data=in/data.txt"], ["in"], ["in/made"])
    keys = [(grid_run_key(project, "two", [step]), step_key(project, step))]
    for name in ("in/made", "in/data.txt"):
        (project / name).write_text("other")
        keys.append((grid_run_key(project, "two", [step]), step_key(project, step)))
    assert keys[0] == keys[1]
    assert all(one != two for one, two in zip(keys[1], keys[2], strict=True))
    # A file that an option names.
    step = Step("source", ["python stage.py --data=in/data.txt"], [], ["out"])
    before = step_key(project, step)
    (project / "in" / "data.txt").write_text("another")
    assert step_key(project, step) != before


def test_a_run_is_known_by_what_it_begins_with(project):
    steps = grid_run_steps(project, GRID[0], {})
    before = grid_run_key(project, "two", steps)
    list(run_grid(project, GRID[:1], project / "c"))
    # What its own steps have made is no part of it.
    assert grid_run_key(project, "two", steps) == before
    assert grid_run_key(project, "two", grid_run_steps(project, GRID[2], {})) != before
