"""The commands of a project without a dev set: cross-validation in place of training, calibration and scores on dev."""

import re
from typing import Dict, List

from .plan import Plan

CROSS_VALIDATE = "cross-validate"
# Its way among the ways of training, see `evaluation.ways`.
WAY = "folds"
HELP = "Train on all labelled sentences; folds of them choose, calibrate and score"
# The commands of the template that train the target stage, by workflow. Without a dev set there are two workflows.
TARGET_STAGES = {"all": "train", "direct": "train-direct"}
SET = r'"corpus/\$\{vars\.domain\}/%s\.spacy"'


def without_dev(plan: Plan, commands: Dict[str, str], steps: List[str]) -> List[str]:
    """Change the commands of a workflow for a plan without a dev set.

    plan (Plan): the plan.
    commands (Dict[str, str]): the text of each command of the template; changed.
    steps (List[str]): the commands of the workflow.
    RETURNS (List[str]): the commands of the new workflow.
    """
    target_stage = TARGET_STAGES[plan.workflow]
    has_test = "test" in plan.labelled.sizes
    commands["convert"] = _convert(plan, commands["convert"])
    commands[CROSS_VALIDATE] = _cross_validate(commands[target_stage])
    commands["evaluate"] = _evaluate(commands["evaluate"])
    commands["package"] = _package(commands["package"], has_test)
    for name in ("select", "label-names"):
        commands[name] = re.sub(rf"\s*--(exclude|check) {SET % 'dev'}", "", commands[name])
        if not has_test:
            commands[name] = re.sub(rf"\s*--exclude {SET % 'test'}", "", commands[name])
    # The names of the labelled sentences would be those of each fold: the list alone labels.
    gold = rf"--gold ({SET % 'train'})\s+--limit \S+\s+--seed \S+"
    commands["label-names"] = re.sub(gold, r"--exclude \1", commands["label-names"])
    kept = [step for step in steps if step != "calibrate" and (has_test or step != "evaluate")]
    return [CROSS_VALIDATE if step == target_stage else step for step in kept]


def _convert(plan: Plan, text: str) -> str:
    """Return the command without the sets that it would draw."""
    text = re.sub(r"\s*--dev 0\.2\s+--test 0\.2", "", text)
    if plan.labelled.path.is_file():
        text = text.replace('"corpus/${vars.domain}"\n', '"corpus/${vars.domain}/train.spacy"\n', 1)
    return text


def _cross_validate(text: str) -> str:
    """Return the command that cross-validates, from that of the target stage."""
    text = re.sub(r"^  - name: \S+", f"  - name: {CROSS_VALIDATE}", text)
    text = re.sub(r'help: ".*"', f'help: "{HELP}"', text)
    text = text.replace("crossner train ", f"crossner {CROSS_VALIDATE} ")
    text = re.sub(rf"\s*--paths\.dev {SET % 'dev'}", "", text)
    if "--seeds" not in text:
        # Without a source stage: whether a mean of weights is of use there was not measured.
        text = text.replace(" --epochs", " --seeds 1 --epochs")
    return re.sub(r"(\$\{vars\.method\})/(dapt|direct)", rf"\1/{WAY}", text)


def _evaluate(text: str) -> str:
    """Return the command that scores this pipeline alone."""
    text = text.replace('"training/${vars.domain}/${vars.method}" "corpus', f'"{_folder()}/model-best" "corpus')
    text = re.sub(r"\s*--all --output \"metrics/[^\"]*\"", f' --output "{_scores()}"', text)
    return text.replace('outputs: ["metrics/${vars.domain}/${vars.method}"]', f'outputs: ["{_scores()}"]')


def _package(text: str, has_test: bool) -> str:
    """Return the command that packages this pipeline."""
    text = text.replace(
        '"training/${vars.domain}/${vars.method}" packages --best', f'"{_folder()}/model-best" packages'
    )
    text = text.replace("of the way with the best dev F1", "of the pipeline")
    if has_test:
        return text.replace(', "metrics/${vars.domain}/${vars.method}"]', f', "{_scores()}"]')
    text = re.sub(r"\s*--metrics \"[^\"]*\"", "", text)
    return text.replace(', "metrics/${vars.domain}/${vars.method}"]', "]")


def _folder() -> str:
    return f"training/${{vars.domain}}/${{vars.method}}/{WAY}"


def _scores() -> str:
    return f"metrics/${{vars.domain}}/${{vars.method}}/{WAY}.json"
