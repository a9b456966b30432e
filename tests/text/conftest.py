"""A small text and an entity list for the selection."""

import pytest

from spacy_crossner.text.select import select_corpus

NAMES = {"deep net": "field", "net": "field", "Ada": "person", "Oslo": "place"}
# One sentence a line or several; each level has others.
TEXT = """\
Ada built a deep net.
Ada  met Ada . It rained.
The net broke.

 Oslo is cold. Ada is in Oslo.
the NET broke .
It rained.
"""


@pytest.fixture
def files(tmp_path):
    """Give the paths of the text and of the list."""
    raw, entities = tmp_path / "raw.txt", tmp_path / "names.tsv"
    raw.write_text(TEXT, encoding="utf8")
    entities.write_text("".join(f"{name}\t{kind}\n" for name, kind in NAMES.items()), encoding="utf8")
    return raw, entities


@pytest.fixture(scope="session")
def select():
    """Give a function that selects from one file or from several, with a small duplicate filter."""

    def run(raw, output, **options):
        return select_corpus(raw if isinstance(raw, list) else [raw], output, **{"filter_size": 1, **options})

    return run


@pytest.fixture(scope="session")
def read():
    """Give a function that returns the lines of a file."""
    return lambda path: path.read_text(encoding="utf8").splitlines()
