"""Each paper's project runs from text to scores, by one command, on a tiny encoder and for two steps a stage."""

import json
from pathlib import Path

import pytest

PAPERS = Path(__file__).parents[2] / "projects" / "papers"
WORKFLOWS = {
    "crossner": {"all": ["crf/direct", "crf/joint", "crf/no-dapt"]},
    "laner": {"all": ["laner/no-dapt"]},
    "moee": {"all": ["moee/zero"]},
    "pdaln": {"all": ["crf/pdaln"], "unsupervised": ["crf-zero/pdaln"]},
    "cross_lm": {"all": ["param_gen/cross-lm"], "unsupervised": ["param_gen-zero/cross-lm"]},
}


def test_every_paper_has_its_project():
    assert sorted(WORKFLOWS) == sorted(path.parent.name for path in PAPERS.glob("*/project.yml"))


@pytest.mark.parametrize(
    ("paper", "workflow"), [(paper, workflow) for paper, workflows in WORKFLOWS.items() for workflow in workflows]
)
def test_a_workflow_ends_in_scores(make_project, paper, workflow):
    project = make_project(f"projects/papers/{paper}")
    code, output = project(workflow, **({"method": "crf"} if paper == "crossner" else {}))
    assert code == 0, output
    for way in WORKFLOWS[paper][workflow]:
        scores = json.loads((project.folder / "metrics" / "ai" / f"{way}.json").read_text(encoding="utf8"))
        assert scores["sentences"] == 12
        assert (project.folder / "training" / "ai" / way / "model-best" / "meta.json").is_file()
        is_zero = "zero" in way
        assert ("researcher" in scores["strict"]["per_type"]) is not is_zero
        assert scores["model"]["path"].endswith("model-best" if is_zero else "calibrated")
