"""The command group and the printing of errors."""

from contextlib import contextmanager
from pathlib import Path
from typing import Iterable, Iterator, List, Optional

import typer
from wasabi import msg

from ..errors import CrossnerError

app = typer.Typer(
    name="crossner",
    help="Adapt named entity recognition to a new domain.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run the commands as the program `spacy-crossner`."""
    app(prog_name="spacy-crossner")


@contextmanager
def user_errors() -> Iterator[None]:
    """Print an error that the user can correct as one message and exit with 1. Other errors keep their traceback."""
    try:
        yield
    except CrossnerError as error:
        msg.fail(str(error), exits=1)


def given(paths: Optional[Iterable[Optional[Path]]]) -> List[Path]:
    """Return the paths without the empty ones: a project passes an empty variable as an empty argument."""
    return [path for path in paths or [] if path not in (None, Path())]
