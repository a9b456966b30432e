"""Checkpoints: a training run that was killed resumes from the last one, and ends with the weights of an unbroken run.

A checkpoint is a folder, named after the steps taken, with

    weights.safetensors    the weights of all components
    optimizer.safetensors  the moments of the optimizer
    state.msgpack          the rest: random states, place in the data, scores so far, the logger's rows ...
    best                   the best pipeline so far
    manifest.json          the run's fingerprint, see `fingerprints`, and the digest of each file

It is written beside the one before under a temporary name and then renamed, and only then is the older one removed.
Whatever is killed on the way, a whole one is left. Nothing in it is pickled. `state.py` says how a component with a
training state beside its weights takes part.
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
# The steps taken; of one that is being written or removed see `new_folder`.
CHECKPOINT_NAME = re.compile(r"\d+|\.\d+\.(tmp|old)")


class Checkpoints:
    """The checkpoints of a training run.

    folder (Path): their folder.
    fingerprint (Fingerprint): what the run depends on, by name.
    """

    def __init__(self, folder: Path, fingerprint: Fingerprint) -> None:
        self.folder = folder
        self.fingerprint = fingerprint

    def write(self, run: TrainingRun, best: Path) -> None:
        """Write a checkpoint and remove the older ones.

        run (TrainingRun): the run, right after a step that was scored.
        best (Path): the folder of the best pipeline so far.
        """
        path = self.folder / str(run.batches.drawn)
        with new_folder(path) as folder:
            write_state(run, folder)
            # Pipelines are replaced and not written over, so that a second name for the files is as good as a copy.
            shutil.copytree(best, folder / BEST, copy_function=link_or_copy)
            files = {file.relative_to(folder).as_posix(): file_digest(file) for file in _files(folder)}
            srsly.write_json(folder / MANIFEST, {"fingerprint": self.fingerprint, "files": files})
        for other in self.folder.iterdir():
            if other != path:
                shutil.rmtree(other)

    def find(self) -> Optional[Path]:
        """Return the last checkpoint that is whole; None, with a line that says why, if it is of another run."""
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
                msg.info(f"Training starts from the beginning: not as for the checkpoint in {path}: {changes}")
                return None
            if not damaged:
                return path
            msg.warn(Errors.C021.format(path=path, problem=", ".join(damaged[:5])))
        if names:
            msg.info("Training starts from the beginning: there is no whole checkpoint")
        return None

    def remove(self) -> None:
        """Remove all checkpoints."""
        remove_folder(self.folder)


def check_checkpoints(folder: Path) -> None:
    """Check that a folder may be taken for checkpoints, which removes all that is in it.

    RAISES (CrossnerError): it holds something else.
    """
    check_replaceable(folder, lambda names: all(CHECKPOINT_NAME.fullmatch(name) for name in names), "of checkpoints")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder of a temporary name, which in the end takes the place of what is at a path.

    An error leaves what was there before, and so does a kill, unless it comes between two renamings: then nothing is
    there.
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
    """Remove a folder, so that a kill leaves no half of it under its name.

    then (Optional[Path]): the folder that takes its place.
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
    """Give a file a second name; copy it where the file system knows no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _files(folder: Path) -> List[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
