"""An exported encoder that a library other than PyTorch runs: from padded word pieces to their vectors."""

import os
from importlib import import_module
from typing import Any, ClassVar, Dict, List, Optional, Tuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import CrossnerError, Errors
from ...threads import Lock

# Sessions of a parent process. They are kept in a forked child, because closing one waits for threads that the child
# does not have.
INHERITED: List[Any] = []


class EncoderRuntime:
    """Runs an exported encoder on the CPU, in any number of threads.

    The session of the library is opened in each process before its first prediction, with as many threads as PyTorch
    has then. Copies and pickles hold the files alone.

    files (Dict[str, bytes]): the files of the exported encoder by name.
    precision (str): see `find_dtype`; libraries without half precision ignore it.
    """

    backend: ClassVar[str]
    library: ClassVar[str]

    def __init__(self, files: Dict[str, bytes], precision: str = "auto") -> None:
        self.files = files
        self.precision = precision
        self._lock = Lock()
        self._opened: Optional[Tuple[int, Any]] = None

    @classmethod
    def import_library(cls) -> Any:
        """Return the library.

        RAISES (CrossnerError): it is not installed.
        """
        return import_library(cls.library, cls.backend)

    def open(self) -> Any:
        """Open a session of the library."""
        raise NotImplementedError

    def run(self, session: Any, inputs: Dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        """Run the encoder in an open session, which several threads may use; see `__call__`."""
        raise NotImplementedError

    def __call__(self, inputs: Dict[str, Tensor]) -> Tensor:
        """Return the last hidden state, float32, shape (n_rows, width of the rows, width of the encoder).

        inputs (Dict[str, Tensor]): the inputs of the encoder, int64, shape (n_rows, width of the rows).
        """
        return torch.from_numpy(self.run(self.session, {name: tensor.numpy() for name, tensor in inputs.items()}))

    @property
    def session(self) -> Any:
        """The session of this process."""
        opened = self._opened
        if opened is None or opened[0] != os.getpid():
            with self._lock:
                opened = self._opened
                if opened is None or opened[0] != os.getpid():
                    INHERITED.append(opened)
                    opened = self._opened = (os.getpid(), self._open_named())
        return opened[1]

    def _open_named(self) -> Any:
        try:
            return self.open()
        except Exception as error:
            # The libraries raise errors of classes of their own.
            problem = " ".join(str(error).split())[:200]
            raise CrossnerError(Errors.C515.format(library=self.library, problem=problem)) from error

    def __getstate__(self) -> Dict[str, Any]:
        """Return what a copy takes: all but the session."""
        return {**self.__dict__, "_opened": None}


def import_library(name: str, extra: str) -> Any:
    """Import a library of an extra of this package.

    RAISES (CrossnerError): it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise CrossnerError(Errors.C510.format(library=name, extra=extra)) from error
