"""Drawing with matplotlib, which is not installed by default."""

from pathlib import Path
from typing import TYPE_CHECKING, Sequence

from ..errors import CrossnerError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

C209 = "[C209] Drawing needs matplotlib: pip install 'spacy-crossner[plots]'."
FORMATS = (".png", ".svg")


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure, its size in inches. It needs no display and leaves pyplot's state unchanged.

    RAISES (CrossnerError): matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise CrossnerError(C209) from error
    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: "Figure", path: Path, formats: Sequence[str] = FORMATS) -> Sequence[Path]:
    """Save a figure once for each format, which replaces the path's suffix; return the files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files = [path.with_suffix(ending) for ending in formats]
    for file in files:
        figure.savefig(file, dpi=150)
    return files
