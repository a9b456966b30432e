"""What steps and runs are known by: their commands, all that these read, the versions."""

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

# SHA-256 of a file or folder but for some paths in it.
Digest = Callable[[Path, Sequence[Path]], str]


def grid_run_key(project: Path, setting: str, steps: Iterable[Step], digest: Digest = path_digest) -> str:
    """Return what a finished run is known by: its commands, what these begin with, the versions.

    project (Path): the folder of project.yml.
    setting (str): the workflow.
    steps (Iterable[Step]): what the project does.
    digest (Digest): what a file or folder is known by, as `path_digest`.
    """
    steps = list(steps)
    made = [output for step in steps for output in step.outputs]
    read = {path for step in steps for path in (*step.deps, *_named(project, step)) if not is_within(path, made)}
    # A folder of results in which its own steps write, such as that of a method's pipelines, is no input either.
    results = _results(project)
    read = {path for path in read if not (is_within(path, results) and is_below(path, made))}
    return _key(project, read, made, digest, setting=setting, scripts=[step.script for step in steps])


def step_key(project: Path, step: Step) -> str:
    """Return what the outputs of a step are known by: its commands and all that it depends on, as it is now."""
    return _key(project, {*step.deps, *_named(project, step)}, step.outputs, path_digest, script=step.script)


def _key(project: Path, read: Iterable[str], made: Sequence[str], digest: Digest, **content: Any) -> str:
    """Return the SHA-256 of commands, and of what they read without what is made in it."""
    digests: Dict[str, str] = {}
    for path in read:
        if is_adapted_encoder(project / path):
            # What else is in its folder, such as a log with times, makes no difference to what is trained.
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
    """Return what the commands of a step name beside its dependencies: an encoder, be it no file, and more text."""
    # That a word is the name of a folder of results is chance.
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
            # Not `Path.exists`, for which too long a word is an error.
            if not os.path.exists(path):
                # Made by a step before, or no path at all, such as an encoder in a package or on the hub.
                if encoder_digest(word, project):
                    named.add(word)
                continue
            # Of a folder that holds a dependency the project says itself what is read.
            if Path(word).as_posix() in results or is_below(word, [*step.deps, *step.outputs]):
                continue
            # A folder that holds the project holds all that runs write.
            if path.resolve() not in (project.resolve(), *project.resolve().parents):
                named.add(word)
    return named


def _results(project: Path) -> Set[str]:
    """Return the folders that the project writes."""
    return {METRICS.rstrip("/"), *(read_project(project, {}).get("directories") or [])}


def _named_in_config(project: Path, path: str) -> Mapping[str, str]:
    """Return the digests of what a config names by itself, which the commands may override."""
    return named_contents(_settings(project / path, path_digest(project / path)), folder=project)


@lru_cache(maxsize=CONFIGS_KEPT)
def _settings(path: Path, digest: str) -> Mapping[str, Any]:
    """Return the settings of a config by dotted name; none of one that cannot be read, which its step will say."""
    try:
        return dict(util.dict_to_dot(Config().from_disk(path).interpolate()))
    except (ValueError, OSError):
        return {}
