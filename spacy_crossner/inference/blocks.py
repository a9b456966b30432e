"""Annotate blocks of rows with a pipeline, and pack the result."""

from typing import Any, Dict, NamedTuple, Sequence

from ..storage.loading import load_pipeline
from .annotate import annotate_rows
from .counts import Counts, count_rows
from .forms import Form
from .rows import Row


class Packed(NamedTuple):
    """An annotated block.

    content (bytes): the rows, packed by the form of the output.
    counts (Counts): their counts.
    """

    content: bytes
    counts: Counts

    def to_dict(self) -> Dict[str, Any]:
        """Return the block as its part of an unfinished run."""
        return {"content": self.content, "counts": self.counts.to_dict()}

    @classmethod
    def from_dict(cls, part: Dict[str, Any]) -> "Packed":
        """Return the block of `to_dict`."""
        return cls(part["content"], Counts.from_dict(part["counts"]))


class BlockAnnotator:
    """Annotates blocks with a pipeline.

    model (str): folder of the pipeline, or name of an installed one.
    form (Form): packs the rows.
    gpu_id (int): GPU, -1 for the CPU.
    RAISES (CrossnerError): the pipeline cannot be loaded, or the GPU cannot be used.
    """

    def __init__(self, model: str, form: Form, gpu_id: int = -1) -> None:
        self.nlp = load_pipeline(model, gpu_id)
        self.form = form

    def __call__(self, rows: Sequence[Row]) -> Packed:
        """Annotate the rows of a block. The words that are new in it leave the memory at its end.

        RAISES (CrossnerError): the pipeline fails on every row of several.
        """
        with self.nlp.memory_zone():
            annotated = annotate_rows(self.nlp, rows)
            content = self.form.pack(annotated)
            # After packing, which may find more errors.
            return Packed(content, count_rows(annotated))
