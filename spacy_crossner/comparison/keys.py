"""Cache keys of steps and runs: hashes of their commands, inputs and package versions."""

import hashlib
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, Sequence, Set

from spacy import util
from thinc.api import Config
from weasel.util import split_command

from ..fingerprints import encoder_digest, is_adapted_encoder, named_contents, path_digest, versions
from .project import METRICS, WRITTEN, Step, is_below, is_within, read_project

CONFIG = ".cfg"
CONFIGS_KEPT = 256

# SHA-256 of a file or folder, without some paths in it.
Digest = Callable[[Path, Sequence[Path]], str]


def grid_run_key(project: Path, setting: str, steps: Iterable[Step], digest: Digest = path_digest) -> str:
    """Return the cache key of a run: a hash of its commands, their initial inputs and the package versions.

    project (Path): the folder with project.yml.
    setting (str): the workflow.
    steps (Iterable[Step]): the project steps of the run.
    digest (Digest): returns the digest of a file or folder, as `path_digest` does.
    """
    steps = list(steps)
    made = [output for step in steps for output in step.outputs]
    read = {path for step in steps for path in (*step.deps, *_named(project, step)) if not is_within(path, made)}
    # A results folder that the steps of the run write to, such as the pipelines of a method, is not an input.
    results = _results(project)
    read = {path for path in read if not (is_within(path, results) and is_below(path, made))}
    return _key(project, read, made, digest, setting=setting, scripts=[step.script for step in steps])


def step_key(project: Path, step: Step) -> str:
    """Return the cache key of a step: a hash of its commands and of the current content of its inputs."""
    return _key(project, {*step.deps, *_named(project, step)}, step.outputs, path_digest, script=step.script)


def _key(project: Path, read: Iterable[str], made: Sequence[str], digest: Digest, **content: Any) -> str:
    """Return the SHA-256 of commands and of the files that they read, without the files that they write."""
    digests: Dict[str, str] = {}
    for path in read:
        if is_adapted_encoder(project / path):
            # Other files in the folder, such as a log with times, do not affect training.
            digests[path] = encoder_digest(path, project)
        elif os.path.exists(project / path):
            inside = tuple(project / output for output in made if Path(path) in Path(output).parents)
            digests[path] = digest(project / path, inside)
            if path.endswith(CONFIG):
                digests.update(_named_in_config(project, path))
        else:
            digests[path] = encoder_digest(path, project)
    content.update(files=digests, versions=versions())
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _named(project: Path, step: Step) -> Set[str]:
    """Return undeclared inputs that the commands of a step name: encoders (also without a folder) and further files."""
    # A word may equal the name of a results folder by coincidence.
    results = _results(project)
    named: Set[str] = set()
    for line in step.script:
        words: List[str] = []
        for word in split_command(line):
            words += word.split("=", 1) if word.startswith("-") else [word]
        for before, word in zip(["", *words], words, strict=False):
            path = project / word
            if before in WRITTEN or not word or word.startswith("-"):
                continue
            # Not `Path.exists`: it raises an error for very long words.
            if not os.path.exists(path):
                # The word is made by an earlier step, or is not a path, such as an encoder in a package or on the hub.
                if encoder_digest(word, project):
                    named.add(word)
                continue
            # The project declares which files of this folder are read.
            if Path(word).as_posix() in results or is_below(word, [*step.deps, *step.outputs]):
                continue
            # Skip folders that contain the project: they contain all outputs of the runs.
            if path.resolve() not in (project.resolve(), *project.resolve().parents):
                named.add(word)
    return named


def _results(project: Path) -> Set[str]:
    """Return the folders that the project writes to."""
    return {METRICS.rstrip("/"), *(read_project(project, {}).get("directories") or [])}


def _named_in_config(project: Path, path: str) -> Mapping[str, str]:
    """Return the digests of the files that a config names. The commands may override them."""
    return named_contents(_settings(project / path, path_digest(project / path)), folder=project)


@lru_cache(maxsize=CONFIGS_KEPT)
def _settings(path: Path, digest: str) -> Mapping[str, Any]:
    """Return the settings of a config by dotted name; empty if it cannot be read. Its step reports that error."""
    try:
        return dict(util.dict_to_dot(Config().from_disk(path).interpolate()))
    except (ValueError, OSError):
        return {}
