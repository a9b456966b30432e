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


def path_or_nothing(text: str) -> Optional[Path]:
    """Return a path; None for an empty text, which a project passes for a variable that is left empty."""
    return Path(text) if text else None


def given(paths: Optional[Iterable[Optional[Path]]]) -> List[Path]:
    """Return the paths that are not empty, see `path_or_nothing`."""
    return [path for path in paths or [] if path is not None]


# Arguments and options of several commands. Each may be empty.
RAW = typer.Argument(
    parser=path_or_nothing, metavar="RAW...", help="Text (plain or .gz), one sentence or paragraph per line"
)
NAMES = typer.Option(
    "--names",
    "-n",
    parser=path_or_nothing,
    metavar="PATH",
    help="Name list, one per line: name<TAB>type (repeatable)",
)
TYPE_MAP = typer.Option(
    "--map",
    "-m",
    parser=path_or_nothing,
    metavar="PATH",
    help="Types of the lists to labels, one per line: type<TAB>label, or type<TAB>",
)

# What `init` and `adapt` take.
FILES = typer.Argument(help="Folder with your files: labelled text, raw text, a list of names")
TARGET = typer.Option("--target", help="Labelled text of the domain, if there is more than one")
SOURCE = typer.Option("--source", help="Labelled text of a general domain")
DOMAIN = typer.Option("--domain", "-d", help="Name of the domain")
ENCODER = typer.Option("--encoder", help="Encoder, as in project.yml")
