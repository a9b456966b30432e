"""The `project.yml` of a plan: the commands of one workflow, taken from the template of the package."""

import json
import os
import re
from pathlib import Path
from typing import Dict, List, Set, Tuple

from ..data.files import write_files
from .no_dev import without_dev
from .plan import Plan
from .template import template_folder

WORKFLOW = "all"
TYPE_MAP = "type_map.tsv"
TITLE = "Named entity recognition for {domain}"
DESCRIPTION = "Train, score and package a pipeline with `python -m spacy project run all`."
# Paths in the template that are made of several variables, and the variable of this project.
PATHS = {"${vars.corpus}/${vars.domain}": "labelled", "${vars.corpus}/${vars.source}": "general"}
HELP = {
    "labelled": "Labelled text of the domain: a file, or a folder with train, dev and test.",
    "general": "Labelled text of a general domain, the source.",
}
VARIABLE = re.compile(r"\$\{vars\.(\w+)\}")
COMMAND = re.compile(r"^  - name: (\S+)", re.MULTILINE)


def write_project(plan: Plan, folder: Path) -> List[Path]:
    """Write the project of a plan: `project.yml`, the configs, and the map of the list's types if one is needed.

    plan (Plan): the plan.
    folder (Path): the folder.
    RETURNS (List[Path]): the files, `project.yml` first.
    RAISES (DataError): a file cannot be written.
    """
    template = template_folder()
    files = {folder / "project.yml": project_page(plan, folder).encode("utf8")}
    for path in sorted((template / "configs").glob("*.cfg")):
        files[folder / "configs" / path.name] = path.read_bytes()
    if plan.type_map:
        rows = "".join(f"{type_}\t{label}\n" for type_, label in plan.type_map.items())
        files[folder / TYPE_MAP] = rows.encode("utf8")
    write_files(files)
    return list(files)


def project_page(plan: Plan, folder: Path) -> str:
    """Return the text of `project.yml`.

    plan (Plan): the plan.
    folder (Path): the folder of the project; paths are relative to it.
    """
    variables, tail = _template_parts()
    steps = _workflow_steps(tail, plan.workflow)
    if not plan.source:
        # The source stage then reads the domain's own sentences.
        steps = [step for step in steps if step != "convert-source"]
    commands = _commands(tail)
    if not plan.has_dev:
        steps = without_dev(plan, commands, steps)
    body = "\n".join(commands[step] for step in steps)
    for path, name in PATHS.items():
        # In `deps` the template has a slash at the end, which a file cannot have.
        body = body.replace(f"{path}/", f"${{vars.{name}}}").replace(path, f"${{vars.{name}}}")
    body = re.sub(r"    # The final slash[^\n]*\n", "", body)
    if len(plan.raw) > 1:
        body = body.replace('"${vars.raw}"', " ".join(f'"{_relative(path, folder)}"' for path in plan.raw))
    lines = _variable_lines(variables, plan_values(plan, folder), set(VARIABLE.findall(body)))
    title = json.dumps(TITLE.format(domain=plan.domain), ensure_ascii=False)
    parts = [
        f"title: {title}\ndescription: {json.dumps(DESCRIPTION)}\n",
        "\n".join(["vars:", *lines]) + "\n",
        "directories: [corpus, training, metrics, packages]\n",
        f"workflows:\n  {WORKFLOW}:\n" + "".join(f"    - {step}\n" for step in steps),
        "commands:\n" + body,
    ]
    return "\n".join(parts)


def package_name(plan: Plan) -> str:
    """Return the name of the package of a plan's pipeline."""
    return re.sub(r"\W", "_", f"{plan.domain}_ner")


def plan_values(plan: Plan, folder: Path) -> Dict[str, object]:
    """Return the values of the variables that a plan decides, by name."""
    # Without a source, the source stage learns from the domain's sentences and those that the list labels.
    source = plan.source or plan.labelled
    values: Dict[str, object] = {
        "labelled": _relative(plan.labelled.path, folder),
        "general": _relative(source.path, folder),
        "source": "general" if plan.source else plan.domain,
        "domain": plan.domain,
        "lang": plan.lang,
        "raw": _relative(plan.raw[0], folder) if plan.raw else "",
        "names": _relative(plan.names.path, folder) if plan.names else "",
        "types": "",
        "type_map": TYPE_MAP if plan.type_map else "",
        "encoder": plan.encoder,
        "method": plan.method,
        "gpu_id": plan.gpu_id,
        "package": package_name(plan),
    }
    return values


def _relative(path: Path, folder: Path) -> str:
    """Return a path as the project writes it: relative to its folder, with forward slashes."""
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:
        # On another drive.
        return path.resolve().as_posix()


def _template_parts() -> Tuple[str, str]:
    """Return the variables of the template, and what follows them."""
    text = (template_folder() / "project.yml").read_text(encoding="utf8")
    variables, _, tail = text.partition("\nvars:\n")[2].partition("\ndirectories:")
    return variables, tail


def _variable_lines(variables: str, values: Dict[str, object], used: Set[str]) -> List[str]:
    """Return the lines of the variables that the commands use, with their comments, and the values of the plan."""
    lines: List[str] = []
    for name in HELP:
        if name in used:
            lines += [f"  # {HELP[name]}", f"  {name}: {json.dumps(values[name], ensure_ascii=False)}"]
    for comment, name, default in _variables(variables):
        if name in used:
            value = json.dumps(values[name], ensure_ascii=False) if name in values else default
            lines += [*comment, f"  {name}: {value}"]
    return lines


def _variables(text: str) -> List[Tuple[List[str], str, str]]:
    """Return the comment lines, the name and the value of each variable of the template."""
    rows, comment = [], []
    for line in text.splitlines():
        if line.strip().startswith("#"):
            comment.append(line)
        elif line.strip():
            name, _, value = line.strip().partition(": ")
            rows.append((comment, name, value))
            comment = []
    return rows


def _workflow_steps(text: str, workflow: str) -> List[str]:
    """Return the commands of a workflow of the template."""
    found = re.search(rf"^  {workflow}:\s*\[(.*?)\]", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return [name.strip() for name in found.group(1).split(",")]


def _commands(text: str) -> Dict[str, str]:
    """Return the text of each command of the template."""
    starts = [*COMMAND.finditer(text)]
    ends = [*(match.start() for match in starts[1:]), len(text)]
    return {match.group(1): text[match.start() : end].rstrip() + "\n" for match, end in zip(starts, ends, strict=True)}
