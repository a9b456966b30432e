"""The commands: `python -m spacy crossner ...` and `spacy-crossner ...`. One command a file.

A `<name>_cli` function parses the command line and calls a plain function of the package. spaCy imports this package
for each of its own commands, so slow imports (transformers, scikit-learn) are inside the functions that need them.
"""

from spacy.cli._util import app as spacy_app

from ._app import app, main

# Each import registers its command.
from . import (  # noqa: F401  # isort: skip
    adapt,
    annotate,
    assets,
    augment,
    bootstrap,
    calibrate,
    compare,
    convert,
    cross_validate,
    dapt,
    evaluate,
    export,
    init,
    label,
    package,
    report,
    select,
    self_train,
    silver,
    split,
    stats,
    train,
    vectors,
)

spacy_app.add_typer(app, name="crossner")

__all__ = ["app", "main"]
