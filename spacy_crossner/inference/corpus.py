"""A corpus to annotate: its inputs, its settings, and everything that the output depends on."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Sequence

from ..data.faults import NOT_WRITABLE, Faults
from ..data.files import check_inputs
from ..errors import CrossnerError, Errors
from ..fingerprints import Fingerprint, path_digest, record_path, text_digest, version_fingerprint
from ..storage.installed import pipeline_package
from ..storage.loading import load_pipeline
from .forms import Form, form_of
from .reading import input_form


@dataclass(frozen=True)
class Corpus:
    """A corpus, and how it is annotated.

    model (str): folder of the pipeline, or name of an installed one.
    inputs (Sequence[Path]): the texts, see `read_blocks`.
    output (Path): the file to write; its name decides the form, see `forms.py`.
    field (str): the field of JSON lines that holds the text.
    block (int): texts that are annotated and stored together. A killed run loses the unfinished blocks.
    processes (int): worker processes, each with a pipeline of its own; with 1, this process does the work. A
        script that gives more needs `if __name__ == "__main__":` around its call, as always with spawned processes.
    gpu_id (int): GPU, -1 for the CPU.
    """

    model: str
    inputs: Sequence[Path]
    output: Path
    field: str = "text"
    block: int = 1000
    processes: int = 1
    gpu_id: int = -1

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Everything that the output depends on.

        RAISES (CrossnerError): an input cannot be read, or there is no such pipeline.
        """
        fingerprint = {"field": self.field, "block": str(self.block), "device": "GPU" if self.gpu_id >= 0 else "CPU"}
        fingerprint.update({f"input {i}": text_digest(path) for i, path in enumerate(self.inputs, 1)})
        fingerprint["forms of the inputs"] = ", ".join(map(input_form, self.inputs))
        fingerprint["pipeline"] = self._pipeline_digest()
        fingerprint.update(version_fingerprint())
        fingerprint.update(version_fingerprint(self.form.packages))
        return fingerprint

    def _pipeline_digest(self) -> str:
        digest = ""
        with suppress(OSError):
            digest = path_digest(pipeline_package(self.model) or Path(self.model))
        if not digest:
            # Raises the error of a pipeline that is missing or cannot be read.
            load_pipeline(self.model)
        return digest

    @cached_property
    def form(self) -> Form:
        """The form of the output."""
        return form_of(self.output)

    def check(self) -> None:
        """Raise an error if a setting is out of range, or an input or the output is of no known form."""
        for name, value in (("block", self.block), ("processes", self.processes)):
            if value < 1:
                raise CrossnerError(Errors.C609.format(name=name, value=value, expected="1 or more"))
        self.form.check(self.output)
        for path in self.inputs:
            input_form(path)
        outputs = [self.output, record_path(self.output.parent, self.output.name)]
        check_inputs(outputs, self.inputs)
        for path in outputs:
            if path.is_dir():
                raise Faults(path).error(NOT_WRITABLE, None, "a folder of that name")
