"""`compare`: run a grid of methods, domains and seeds, and write its tables."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, List, Optional, Tuple

import typer
from wasabi import msg

from ..errors import CrossnerError, Errors
from ._app import app, user_errors

if TYPE_CHECKING:
    from ..comparison.run import Progress

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


@app.command("compare")
def compare_cli(
    project: Annotated[Path, typer.Argument(help="Folder with project.yml")] = Path(),
    settings: Annotated[str, typer.Option(help="Workflows of project.yml, separated by commas")] = "direct,no-dapt",
    methods: Annotated[str, typer.Option(help="Methods, by config name")] = "tagger,crf,laner",
    domains: Annotated[str, typer.Option(help="Target domains")] = "ai",
    seeds: Annotated[str, typer.Option(help="Seeds of the target stage")] = "1,2,3",
    sentences: Annotated[
        str, typer.Option(help="Numbers of labelled target sentences, drawn by the seed; 0 for all")
    ] = "0",
    variables: Annotated[
        Optional[List[str]], typer.Option("--var", help="Set a project variable for all runs: name=value (repeatable)")
    ] = None,
    vary: Annotated[
        Optional[List[str]],
        typer.Option(help="Repeat each run with another value of a project variable: name=value (repeatable)"),
    ] = None,
    known: Annotated[
        Optional[List[Path]],
        typer.Option(help="Reuse finished runs from the runs.jsonl of another grid (repeatable)"),
    ] = None,
    budget: Annotated[
        Optional[str], typer.Option(help="Start no new run after this time, for example 30m or 2h")
    ] = None,
    output: Annotated[
        Optional[Path],
        typer.Option("--output", "-o", help="Folder for runs.jsonl, tables and logs. Default: PROJECT/metrics/compare"),
    ] = None,
) -> None:
    """Run a grid of methods, domains and seeds with the project's commands, and write result tables."""
    from ..comparison.grid_run import GRID_VARIABLES, make_grid
    from ..comparison.ledger import read_runs
    from ..comparison.project import project_variables
    from ..comparison.run import run_grid
    from ..comparison.write import write_tables

    with user_errors():
        output = output or project / "metrics" / "compare"
        changed = dict(_pair(pair, "--var") for pair in variables or [])
        as_it_is = project_variables(project, changed)
        # A value equal to the project's own value adds no run.
        variants = [
            f"{name}={value}"
            for name, value in (_pair(pair, "--vary") for pair in vary or [])
            if name in GRID_VARIABLES or name not in as_it_is or not _is_same(value, as_it_is[name])
        ]
        workflows, configs = _names(settings, "--settings"), _names(methods, "--methods")
        grid_runs = make_grid(
            workflows,
            configs,
            _names(domains, "--domains"),
            _numbers(seeds, "--seeds"),
            _numbers(sentences, "--sentences"),
            ["", *variants],
        )
        for path in known or []:
            msg.info(f"{path}: {len(read_runs(path))} runs; runs that belong to this grid are reused")
        done, failed = 0, 0
        for state in run_grid(
            project, grid_runs, output, variables=changed, budget=_seconds(budget), known=known or []
        ):
            done = state.done
            failed += bool(state.failure)
            typer.echo(_line(state))
        if done < len(grid_runs):
            msg.warn(f"The time budget is used up: {len(grid_runs) - done} of {len(grid_runs)} runs are not done")
        written = write_tables(output, project, grid_runs, variables=changed, baseline=(workflows[0], configs[0]))
        msg.good(f"{output}: {', '.join(path.name for path in written)}")
        if failed:
            raise CrossnerError(Errors.C065.format(failed=failed, total=len(grid_runs)))


def _line(state: "Progress") -> str:
    left = "" if state.seconds_left is None else f"; about {state.seconds_left / 60:,.0f} min left"
    if state.failure:
        outcome = f"failed: {state.failure}"
    else:
        dev = "" if state.run["dev_f"] is None else f", dev {100 * state.run['dev_f']:.1f}"
        outcome = f"test F1 {100 * state.run['test']['f']:.1f}{dev}{' (known)' if state.is_known else ''}"
    return f"{state.done}/{state.total} {state.grid_run}: {outcome}{left}"


def _names(text: str, option: str) -> List[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise CrossnerError(Errors.C061.format(option=option))
    return names


def _numbers(text: str, option: str) -> List[int]:
    names = _names(text, option)
    if not all(name.isdecimal() for name in names):
        raise CrossnerError(Errors.C059.format(option=option, text=text))
    return [int(name) for name in names]


def _pair(text: str, option: str) -> Tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise CrossnerError(Errors.C060.format(option=option, pair=text))
    return name, value


def _is_same(text: str, value: Any) -> bool:
    from ..comparison.tables import as_number

    # Also compare the JSON form (true, null), which configs use.
    return text in (str(value), json.dumps(value)) or None is not as_number(text) == as_number(value)


def _seconds(text: Optional[str]) -> Optional[float]:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not match:
        raise CrossnerError(Errors.C057.format(budget=text))
    return float(match[1]) * UNITS[match[2]]
