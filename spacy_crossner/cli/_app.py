"""The command group, and how a command reports what is wrong."""

from contextlib import contextmanager
from typing import Iterator

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
    """Print what the user can mend as one message and exit with 1; everything else keeps its traceback."""
    try:
        yield
    except CrossnerError as error:
        msg.fail(str(error), exits=1)
