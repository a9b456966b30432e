"""The folder of an adapted encoder: whether it is finished, its files put in place, and what is left after an error."""

import os
import re
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator, Set

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from safetensors import SafetensorError

from ..data.files import reason
from ..errors import CrossnerError
from ..fingerprints import RECORD, Fingerprint, is_up_to_date
from ..storage.outputs import check_replaceable
from ..training.checkpoint import check_checkpoints, remove_folder
from ..training.divergence import NOTE, refuse_divergence

CHECKPOINT, WORK, CONFIG, LOG = "checkpoint", "work", "config.json", "log.jsonl"
# Streams of tokens and the new encoder; of one that is being written or removed see `new_folder`.
WORK_NAME = re.compile(r"train|held-out|encoder|\.(train|held-out|encoder)\.(tmp|old)")

C427 = "[C427] Cannot write {output}: {error}. The last checkpoint that was complete is kept."


def check_output(output: Path) -> None:
    """Check that an adapted encoder may be written to a folder.

    RAISES (CrossnerError): it holds what `dapt` has not written.
    """
    check_replaceable(output, _is_own, "one of an encoder that this command has made")
    check_checkpoints(output / CHECKPOINT)
    check_replaceable(output / WORK, lambda names: all(map(WORK_NAME.fullmatch, names)), "of this command's own work")


def _is_own(names: Set[str]) -> bool:
    is_finished, is_begun = {RECORD, CONFIG} <= names, names <= {CHECKPOINT, WORK, LOG, NOTE}
    # Killed while the new encoder took the place of another one; made before there was a record.
    return is_finished or is_begun or {LOG, WORK} <= names or {LOG, CONFIG} <= names


def is_finished(accelerator: Accelerator, output: Path, fingerprint: Fingerprint) -> bool:
    """Say, in each process, whether the output is there as it would be made.

    RAISES (CrossnerError): training has diverged before, made of the same.
    """
    is_kept = torch.zeros((), dtype=torch.int64, device=accelerator.device)
    if accelerator.is_main_process:
        is_kept.fill_(is_up_to_date(output, fingerprint))
        if not is_kept:
            refuse_divergence(output, fingerprint)
    return bool(broadcast(is_kept))


def place_files(source: Path, target: Path) -> None:
    """Put the files of a finished encoder in the place of those that are there.

    What makes the folder an encoder's goes first and comes last, so that at no time it holds parts of two.
    """
    (target / CONFIG).unlink(missing_ok=True)
    for path in sorted(source.iterdir(), key=lambda path: path.name == CONFIG):
        if path.is_dir():
            remove_folder(target / path.name, then=path)
        else:
            os.replace(path, target / path.name)


@contextmanager
def named_write_errors(output: Path) -> Iterator[None]:
    """Pass on what the file system says, a full disk for one, as an error that the user can mend.

    After an error nothing is left that a later run could not go on from.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        yield
    except (OSError, SafetensorError) as error:
        _clear(output)
        problem = reason(error) if isinstance(error, OSError) else error
        raise CrossnerError(C427.format(output=output, error=problem)) from error
    except CrossnerError:
        _clear(output)
        raise


def _clear(output: Path) -> None:
    if not (output / CHECKPOINT).is_dir():
        shutil.rmtree(output / WORK, ignore_errors=True)
        with suppress(OSError):
            # If it is empty.
            output.rmdir()
