"""The output folder of an adapted encoder: checks before a run, replacement of files, cleaning up after errors."""

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
# Folders of token streams and of the new encoder, or temporary names, see `new_folder`.
WORK_NAME = re.compile(r"train|held-out|encoder|\.(train|held-out|encoder)\.(tmp|old)")

C427 = "[C427] Cannot write {output}: {error}. The last checkpoint that was complete is kept."


def check_output(output: Path) -> None:
    """Check that an adapted encoder may be written to a folder.

    RAISES (CrossnerError): the folder contains files that `dapt` did not write.
    """
    check_replaceable(output, _is_own, "one of an encoder that this command has made")
    check_checkpoints(output / CHECKPOINT)
    check_replaceable(output / WORK, lambda names: all(map(WORK_NAME.fullmatch, names)), "of this command's own work")


def _is_own(names: Set[str]) -> bool:
    is_finished, is_begun = {RECORD, CONFIG} <= names, names <= {CHECKPOINT, WORK, LOG, NOTE}
    # The last two cases: killed while a new encoder replaced an old one; made before records were introduced.
    return is_finished or is_begun or {LOG, WORK} <= names or {LOG, CONFIG} <= names


def is_finished(accelerator: Accelerator, output: Path, fingerprint: Fingerprint) -> bool:
    """Return, in each process, whether the output is finished and up to date.

    RAISES (CrossnerError): training with the same inputs has diverged before.
    """
    is_kept = torch.zeros((), dtype=torch.int64, device=accelerator.device)
    if accelerator.is_main_process:
        is_kept.fill_(is_up_to_date(output, fingerprint))
        if not is_kept:
            refuse_divergence(output, fingerprint)
    return bool(broadcast(is_kept))


def place_files(source: Path, target: Path) -> None:
    """Replace the files of an encoder by those of a finished one.

    `config.json` is deleted first and written last, so that a folder with mixed files is never a valid encoder.
    """
    (target / CONFIG).unlink(missing_ok=True)
    for path in sorted(source.iterdir(), key=lambda path: path.name == CONFIG):
        if path.is_dir():
            remove_folder(target / path.name, then=path)
        else:
            os.replace(path, target / path.name)


@contextmanager
def named_write_errors(output: Path) -> Iterator[None]:
    """Turn file system errors, such as a full disk, into errors that the user can act on.

    After an error, files that a later run cannot use are deleted.
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
            # This only removes an empty folder.
            output.rmdir()
