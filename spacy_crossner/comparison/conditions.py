"""The conditions of a run: the device and the package versions. Figures of other conditions are never averaged."""

from typing import Any, Dict, List, Mapping, Sequence

DEVICE = "device"
UNKNOWN = "unknown"


def conditions(run: Mapping[str, Any]) -> Dict[str, str]:
    """Return the device and the version of each package of a run, as far as it has a record of them.

    run (Mapping[str, Any]): a line of `runs.jsonl`, or a run of `benchmarks/results.json`.
    """
    found = {name: str(version) for name, version in (run.get("versions") or {}).items() if version}
    if run.get(DEVICE):
        found[DEVICE] = str(run[DEVICE])
    return found


def differing_conditions(runs: Sequence[Mapping[str, Any]]) -> List[str]:
    """Return for each run the conditions that differ from those of the last run, as text; "" if none differ.

    runs (Sequence[Mapping[str, Any]]): the runs, in order of time.
    """
    if not runs:
        return []
    by_run = [conditions(run) for run in runs]
    reference = by_run[-1]
    names = dict.fromkeys([DEVICE, *(name for found in by_run for name in found)])
    return [
        ", ".join(f"{name} {found.get(name, UNKNOWN)}" for name in names if found.get(name) != reference.get(name))
        for found in by_run
    ]
