"""Plots with matplotlib, an optional dependency."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Sequence

from ..data.files import write_files
from ..errors import CrossnerError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

C209 = "[C209] Plots need matplotlib: pip install 'spacy-crossner[plots]'."
FORMATS = (".png", ".svg")


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure with a size in inches. It needs no display and does not change pyplot's state.

    RAISES (CrossnerError): matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise CrossnerError(C209) from error
    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: "Figure", path: Path, formats: Sequence[str] = FORMATS) -> Sequence[Path]:
    """Save a figure in each format, all or none, and return the files. The format replaces the suffix of the path.

    RAISES (DataError): a file cannot be written.
    """
    contents = {}
    for ending in formats:
        content = BytesIO()
        figure.savefig(content, format=ending[1:], dpi=150)
        contents[path.with_suffix(ending)] = content.getvalue()
    write_files(contents)
    return list(contents)
