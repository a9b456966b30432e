"""Weak labels beside gold labels: what is counted as right, and that dev changes no label."""

import json

import spacy
from spacy.tokens import Doc

from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.silver.checking import check_table
from spacy_crossner.silver.make import make_silver
from spacy_crossner.silver.settings import SilverSettings
from spacy_crossner.silver.sources import Sources

NAMES = "Ada\tperson\nGrace Hopper\tperson\nParis\tcity\nParis\tperson\nZ3\tthing\nBerlin\tcity\n"
RAW = "Ada met Grace Hopper in Berlin .\nThe Z3 is old .\nParis is large .\n"


def gold(nlp):
    rows = [
        # A right one, one of another type, and one with another border.
        (["Ada", "saw", "Berlin", "and", "Grace", "Hopper"], ["B-person", "O", "B-place", "O", "B-person", "O"]),
        # An ambiguous name is open; a name that the list lacks is labelled O.
        (["Paris", "has", "a", "Mark", "II"], ["B-city", "O", "O", "B-thing", "I-thing"]),
        # A gold entity that is half labelled as a part of another one.
        (["Z3", "engine", "\n", "Ada"], ["B-thing", "I-thing", "I-thing", "B-person"]),
    ]
    return [Doc(nlp.vocab, words=words, ents=tags) for words, tags in rows]


def test_labels_are_counted_by_type(tmp_path):
    nlp = spacy.blank("en")
    (tmp_path / "raw.txt").write_text(RAW)
    (tmp_path / "names.tsv").write_text(NAMES)
    write_docbin(gold(nlp), tmp_path / "dev.spacy")
    given = {"raw": [tmp_path / "raw.txt"], "names": [tmp_path / "names.tsv"], "exclude": [tmp_path / "dev.spacy"]}
    report = make_silver(Sources(**given, check=tmp_path / "dev.spacy"), tmp_path / "out.spacy")
    found = {
        kind: (row.labelled, row.right, row.other_type, row.gold, row.outside, row.open)
        for kind, row in report.listing.check.items()
    }
    assert found == {
        "city": (1, 0, 1, 1, 0, 1),
        "person": (3, 2, 0, 3, 0, 0),
        "place": (0, 0, 0, 1, 0, 0),
        # "Z3 engine" is labelled Z3, and O at its second word.
        "thing": (1, 0, 0, 2, 2, 0),
    }
    statistics = json.loads((tmp_path / "out.spacy.json").read_text())
    assert statistics["check"]["city"]["other_type"] == 1
    assert "labelled in the same way" in (tmp_path / "out.spacy.txt").read_text()
    assert check_table(report.listing.check).split()[-6:] == ["5", "2", "1", "7", "2", "1"]

    # The same labels without dev.
    plain = make_silver(Sources(**given), tmp_path / "plain.spacy", SilverSettings())
    assert plain.listing.check is None
    assert (tmp_path / "plain.spacy").read_bytes() == (tmp_path / "out.spacy").read_bytes()
