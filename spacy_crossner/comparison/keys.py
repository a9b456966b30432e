"""What steps and cells are known by: their commands and all that these read."""

import hashlib
import json
import os
from pathlib import Path
from typing import Callable, Iterable, List, Sequence, Set, Tuple

from weasel.util import split_command

from .. import __version__
from ..training.fingerprint import file_digest
from .project import METRICS, Step, is_below, is_within, read_project

# Options of our commands that name what they write: it is not read.
WRITTEN = ("--output", "-o", "--labels-out", "--json", "--plot", "--paths.log")

# SHA-256 of a file or folder but for some paths in it.
Digest = Callable[[Path, Tuple[str, ...]], str]


def path_digest(path: Path, without: Sequence[str] = ()) -> str:
    """Return the SHA-256 of a file, or of all files of a folder with their names; "" for what is not there.

    path (Path): the file or folder.
    without (Sequence[str]): files and folders in it that do not count, by their paths from there.
    """
    if path.is_file():
        return file_digest(path)
    if not path.is_dir():
        return ""
    files = {file.relative_to(path).as_posix(): file for file in sorted(path.rglob("*")) if file.is_file()}
    listed = [(name, file_digest(file)) for name, file in files.items() if not is_within(name, without)]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def cell_key(project: Path, setting: str, steps: Iterable[Step], digest: Digest = path_digest) -> str:
    """Return what a finished run is known by: its commands, the files that these begin with, the version.

    project (Path): the folder of project.yml.
    setting (str): the workflow.
    steps (Iterable[Step]): what the project does.
    digest (Digest): what a file or folder is known by, as `path_digest`.
    """
    steps = list(steps)
    made = [output for step in steps for output in step.outputs]
    read = {path for step in steps for path in (*step.deps, *_named_files(project, step))}
    content = {
        "setting": setting,
        "scripts": [step.script for step in steps],
        "files": {path: _digest(project, path, made, digest) for path in read if not is_within(path, made)},
        "version": __version__,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def step_key(project: Path, step: Step) -> str:
    """Return what the outputs of a step are known by: its commands and all that it depends on, as it is now."""
    read = {*step.deps, *_named_files(project, step)}
    files = {path: _digest(project, path, step.outputs, path_digest) for path in read}
    content = {"script": step.script, "files": files, "version": __version__}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _digest(project: Path, path: str, made: Iterable[str], digest: Digest) -> str:
    """Return the digest of what is read, without what is made in it."""
    inside = [Path(output).relative_to(path).as_posix() for output in made if Path(path) in Path(output).parents]
    return digest(project / path, tuple(inside))


def _named_files(project: Path, step: Step) -> Set[str]:
    """Return the files and folders that the commands of a step name beside its dependencies: an encoder, more text."""
    # That a word is the name of a folder of results is chance.
    results = {METRICS.rstrip("/"), *(read_project(project, {}).get("directories") or [])}
    found: Set[str] = set()
    for line in step.script:
        words: List[str] = []
        for word in split_command(line):
            words += word.split("=", 1) if word.startswith("-") else [word]
        for before, word in zip(["", *words], words, strict=False):
            path = project / word
            # Not `Path.exists`, for which too long a word is an error.
            if before in WRITTEN or not word or not os.path.exists(path) or Path(word).as_posix() in results:
                continue
            # Of a folder that holds a dependency the project says itself what is read.
            if is_below(word, [*step.deps, *step.outputs]):
                continue
            # A folder that holds the project holds all that cells write.
            if path.resolve() not in (project.resolve(), *project.resolve().parents):
                found.add(word)
    return found
