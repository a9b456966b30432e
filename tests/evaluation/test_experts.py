import re
from html.parser import HTMLParser

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_crossner.annotations.experts import set_experts
from spacy_crossner.errors import CrossnerError
from spacy_crossner.evaluation.experts import TOKENS_A_ROW, draw_experts, experts_html

NAMES = ["O", "a<b>", "$x$"]


@pytest.fixture
def doc():
    doc = Doc(spacy.blank("en").vocab, words=["<i>Ada</i>", "&", "$100", "left"])
    doc.ents = [Span(doc, 0, 1, label="a<b>")]
    weights = [[0.25, 0.75, 0], [1, 0, 0], [0, 0.5, 0.5], [0.9, 0.05, 0.05]]
    set_experts(doc, NAMES, np.array(weights, dtype=np.float32))
    return doc


class Cells(HTMLParser):
    """Collects the text of each cell, row by row."""

    def __init__(self):
        super().__init__()
        self.rows, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "br":
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if set(self.open) & {"td", "th"}:
            self.rows[-1][-1] += data


def test_the_table_holds_every_confidence_and_escapes_text(doc):
    html = experts_html(doc)
    cells = Cells()
    cells.feed(html)
    assert not cells.open
    assert cells.rows[0] == ["", "<i>Ada</i>a<b>", "&O", "$100O", "leftO"]
    assert cells.rows[1:] == [
        ["O", "0.25", "1.00", "0.00", "0.90"],
        ["a<b>", "0.75", "0.00", "0.50", "0.05"],
        ["$x$", "0.00", "0.00", "0.50", "0.05"],
    ]
    assert "<i>" not in html
    # Sure is dark with white ink, not sure is white with black.
    colours = re.findall(r"background:rgb\((\d+),\d+,\d+\);color:(#\w+)", html)
    assert colours[1] == ("8", "#fff")
    assert colours[2] == ("255", "#000")


def test_the_picture_is_written_and_long_docs_take_more_room(doc, tmp_path):
    from matplotlib.image import imread

    draw_experts([doc], tmp_path / "short.png")
    long = Doc(doc.vocab, words=["word"] * (TOKENS_A_ROW + 3))
    set_experts(long, NAMES, np.full((len(long), 3), 1 / 3, dtype=np.float32))
    draw_experts([doc, long, Doc(doc.vocab)], tmp_path / "long.png")
    short, tall = imread(tmp_path / "short.png"), imread(tmp_path / "long.png")
    assert tall.shape[0] > 2 * short.shape[0]
    assert tall.shape[1] > short.shape[1]
    # The dark cell of the token that the gate is sure of.
    assert (np.abs(short[..., :3] - np.array([8, 48, 107]) / 255).max(axis=2) < 0.02).mean() > 0.01


def test_docs_without_confidences_are_named(tmp_path):
    doc = spacy.blank("en")("No experts here.")
    for call in (lambda: draw_experts([doc], tmp_path / "a.png"), lambda: experts_html(doc)):
        with pytest.raises(CrossnerError, match="C208"):
            call()
    assert not list(tmp_path.iterdir())
