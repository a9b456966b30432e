"""The parts of an unfinished run: the result of each finished block of its input, so that a killed run goes on."""

import shutil
from pathlib import Path
from typing import Any, Dict, Optional

import srsly

from ..data.faults import NOT_WRITABLE, Faults
from ..data.files import reason, write_files
from .record import RECORD, Fingerprint


class Parts:
    """Files beside an output, one for each block.

    output (Path): the output. The folder is `.<name>.parts` beside it.
    fingerprint (Fingerprint): the inputs of the run. Parts of a run with other inputs are removed.
    """

    def __init__(self, output: Path, fingerprint: Fingerprint) -> None:
        self.folder = output.with_name(f".{output.name}.parts")
        self.fingerprint = fingerprint

    def begin(self) -> None:
        """Prepare the folder. Parts of an earlier run stay if it had the same inputs."""
        try:
            before = srsly.read_json(self.folder / RECORD)
        except (OSError, ValueError):
            before = None
        if before != self.fingerprint:
            self.remove()
            write_files({self.folder / RECORD: srsly.json_dumps(self.fingerprint).encode()})

    def read(self, number: int) -> Optional[Dict[str, Any]]:
        """Return the part of a block; None if it was not finished."""
        path = self.folder / f"{number}.msgpack"
        return dict(srsly.read_msgpack(path)) if path.is_file() else None

    def write(self, number: int, part: Dict[str, Any]) -> None:
        """Write the part of a block, completely or not at all."""
        write_files({self.folder / f"{number}.msgpack": srsly.msgpack_dumps(part)})

    def any_finished(self) -> bool:
        """Return whether a block is finished."""
        return any(self.folder.glob("*.msgpack"))

    def remove(self) -> None:
        """Remove the folder, if there is one."""
        try:
            if self.folder.exists():
                shutil.rmtree(self.folder)
        except OSError as error:
            raise Faults(self.folder).error(NOT_WRITABLE, None, reason(error)) from error
