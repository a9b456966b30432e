"""Annotate rows with one pipeline: the work of one process, whatever runs it."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from spacy.language import Language
from spacy.tokens import Doc

from ..errors import CrossnerError, Errors
from ..storage.loading import describe
from .rows import Row, make_doc, make_record


class Annotated(NamedTuple):
    """A row and its annotated doc; None for a row with an error."""

    row: Row
    doc: Optional[Doc]


def annotate_rows(nlp: Language, rows: Sequence[Row]) -> List[Annotated]:
    """Annotate rows. A row on which the pipeline fails gets an error, and the others are annotated.

    nlp (Language): the pipeline.
    rows (Sequence[Row]): the rows; rows with an error stay as they are.
    RETURNS (List[Annotated]): the same rows, in order.
    RAISES (CrossnerError): the pipeline fails on every row of several.
    """
    docs = [_try_doc(nlp, row) for row in rows]
    inputs = [doc for doc in docs if doc is not None]
    try:
        annotated = iter(list(nlp.pipe(inputs)))
    except MemoryError:
        raise
    except Exception:
        # One text may be the cause, or the size of the batch on a GPU.
        return _annotate_one_by_one(nlp, rows)
    return [Annotated(row, None if doc is None else next(annotated)) for row, doc in zip(rows, docs, strict=True)]


def annotate_records(nlp: Language, rows: Sequence[Row]) -> List[Dict[str, Any]]:
    """Annotate rows, and return them as records; see `make_record`. The words of the texts leave the memory again."""
    with nlp.memory_zone():
        return [make_record(row, doc) for row, doc in annotate_rows(nlp, rows)]


def _try_doc(nlp: Language, row: Row) -> Optional[Doc]:
    if not row.error:
        try:
            return make_doc(nlp, row)
        except ValueError as error:
            row.error = _explain(row, error)
    return None


def _annotate_one_by_one(nlp: Language, rows: Sequence[Row]) -> List[Annotated]:
    n_tried = n_failed = 0
    annotated, reason = [], ""
    for row in rows:
        doc = _try_doc(nlp, row)
        if doc is not None:
            n_tried += 1
            try:
                doc = nlp(doc)
            except MemoryError:
                raise
            except Exception as error:
                n_failed += 1
                doc, reason = None, describe(error)
                row.error = _explain(row, error)
        annotated.append(Annotated(row, doc))
    if n_failed == n_tried > 1:
        raise CrossnerError(Errors.C637.format(count=n_failed, place=rows[0].place, error=reason))
    return annotated


def _explain(row: Row, error: Exception) -> str:
    text = str(error)
    return text if text.startswith("[C634]") else Errors.C635.format(place=row.place, error=describe(error))
