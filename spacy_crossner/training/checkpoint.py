"""Checkpoints: an interrupted run resumes from its last checkpoint and ends with the weights of an uninterrupted run.

A checkpoint is a folder, named by the number of steps, with

    weights.safetensors    the weights of all components
    optimizer.safetensors  the moments of the optimizer
    state.msgpack          random states, position in the data, scores so far, rows of the log, and so on
    best                   the best pipeline so far
    manifest.json          the run's fingerprint, see `fingerprints`, and the digest of each file

A new checkpoint is written under a temporary name and then renamed. After that, the older one is removed. So a kill at
any time leaves a complete checkpoint. Nothing is pickled. `state.py` describes how components save training state that
is not in their weights.
"""

import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, List, Optional

import srsly
from wasabi import msg

from ..errors import Errors
from ..fingerprints import Fingerprint, differences, file_digest, in_words
from ..storage.outputs import check_replaceable
from .run import TrainingRun
from .state import write_state

BEST, MANIFEST = "best", "manifest.json"
# The number of steps, or a temporary name, see `new_folder`.
CHECKPOINT_NAME = re.compile(r"\d+|\.\d+\.(tmp|old)")


class Checkpoints:
    """The checkpoints of a training run.

    folder (Path): the folder of the checkpoints.
    fingerprint (Fingerprint): the inputs of the run.
    """

    def __init__(self, folder: Path, fingerprint: Fingerprint) -> None:
        self.folder = folder
        self.fingerprint = fingerprint

    def write(self, run: TrainingRun, best: Path) -> None:
        """Write a checkpoint and remove older checkpoints.

        run (TrainingRun): the run, right after an evaluation.
        best (Path): the folder of the best pipeline so far.
        """
        path = self.folder / str(run.batches.drawn)
        with new_folder(path) as folder:
            write_state(run, folder)
            # Hard links are safe: pipelines are replaced and never overwritten in place.
            shutil.copytree(best, folder / BEST, copy_function=link_or_copy)
            files = {file.relative_to(folder).as_posix(): file_digest(file) for file in _files(folder)}
            srsly.write_json(folder / MANIFEST, {"fingerprint": self.fingerprint, "files": files})
        for other in self.folder.iterdir():
            if other != path:
                shutil.rmtree(other)

    def find(self) -> Optional[Path]:
        """Return the last complete checkpoint of this run. If there is none, print the reason and return None."""
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        if any(not name.isdigit() for name in names):
            msg.info(f"A checkpoint in {self.folder} was not complete when training was stopped; it is passed over")
        for step in sorted((int(name) for name in names if name.isdigit()), reverse=True):
            path = self.folder / str(step)
            try:
                manifest = srsly.read_json(path / MANIFEST)
                fingerprint, files = dict(manifest["fingerprint"]), dict(manifest["files"])
                changed = differences(fingerprint, self.fingerprint)
                damaged = [] if changed else [name for name in files if file_digest(path / name) != files[name]]
            except (OSError, ValueError, KeyError, TypeError) as error:
                changed, damaged = [], [f"{type(error).__name__}: {error}"]
            if changed:
                changes = in_words(changed)
                msg.info(f"Training starts from the beginning. Changed since the checkpoint in {path}: {changes}")
                return None
            if not damaged:
                return path
            msg.warn(Errors.C021.format(path=path, problem=", ".join(damaged[:5])))
        if names:
            msg.info("Training starts from the beginning: there is no complete checkpoint")
        return None

    def remove(self) -> None:
        """Remove all checkpoints."""
        remove_folder(self.folder)


def check_checkpoints(folder: Path) -> None:
    """Check that a folder only contains checkpoints, since other content would be deleted.

    RAISES (CrossnerError): the folder contains something else.
    """
    check_replaceable(folder, lambda names: all(CHECKPOINT_NAME.fullmatch(name) for name in names), "of checkpoints")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder. At the end it replaces the folder at a path.

    An error or a kill leaves the old folder in place. Only a kill between the two renames leaves no folder.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    if temporary.exists():
        shutil.rmtree(temporary)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        remove_folder(path, then=temporary)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def remove_folder(path: Path, then: Optional[Path] = None) -> None:
    """Remove a folder. A kill leaves no incomplete folder under this name.

    then (Optional[Path]): a folder to move to the same path.
    """
    old = path.with_name(f".{path.name}.old")
    if old.exists():
        shutil.rmtree(old)
    if path.exists():
        path.rename(old)
    if then is not None:
        then.rename(path)
    if old.exists():
        shutil.rmtree(old)


def link_or_copy(source: str, target: str) -> None:
    """Make a hard link to a file, or a copy if the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _files(folder: Path) -> List[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
