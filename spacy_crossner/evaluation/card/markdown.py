"""Pieces of Markdown: names as code, percentages, tables."""

from typing import Iterable, Sequence

from wasabi import MarkdownRenderer

UNKNOWN = "unknown"


def code(text: str) -> str:
    """Return a name as code."""
    return f"`{text}`"


def codes(texts: Iterable[str]) -> str:
    """Return names as code, separated by commas."""
    return ", ".join(map(code, texts))


def percent(share: float) -> str:
    """Return a share in [0, 1] in percent."""
    return f"{100 * share:.1f}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table. A vertical bar in a cell, such as in a label, is escaped."""
    return MarkdownRenderer().table([[cell.replace("|", "\\|") for cell in row] for row in rows], header)
