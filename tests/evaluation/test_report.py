import json
import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from typer.testing import CliRunner

from spacy_crossner.annotations.experts import set_experts
from spacy_crossner.annotations.scores import set_score
from spacy_crossner.cli import app
from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.evaluation.report import report_files

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--disable-quic"]

# A sentence with its gold entities, and those that the pipeline will find.
SENTENCES = [
    ("Ada met Grace in Oslo .", [(0, 1, "per"), (2, 3, "per"), (4, 5, "loc")], [(0, 1, "per"), (2, 3, "loc")]),
    ('<script>alert(1)</script> & "Bob"', [(2, 3, "per")], [(2, 3, "per")]),
    ("Nothing here", [], [(0, 2, "a&b")]),
    ("All of Oslo", [(2, 3, "loc")], [(2, 3, "loc")]),
]
HEBREW = [
    ("אלברט איינשטיין נולד באולם .", [(0, 2, "x  y"), (3, 4, "loc")], [(0, 2, "x  y"), (3, 4, "org")]),
    ("אלברט met Ada .", [(0, 1, "loc")], [(0, 1, "loc")]),
]


@Language.component("from_a_list")
def from_a_list(doc):
    found = {text: spans for text, _, spans in [*SENTENCES, *HEBREW]}[doc.text.strip()]
    doc.ents = [Span(doc, *span) for span in found]
    for ent in doc.ents:
        set_score(ent, 0.75)
    if doc.text.startswith("Ada"):
        set_experts(doc, ["O", "per", "loc"], np.full((len(doc), 3), 1 / 3, dtype=np.float32))
    return doc


def write_report(folder, sentences):
    """Write a pipeline, the gold docs of sentences, and its report; return the report."""
    nlp = spacy.blank("en")
    docs = []
    for text, gold, _ in sentences:
        doc = Doc(nlp.vocab, words=text.split(" "))
        doc.set_ents([Span(doc, *span) for span in gold])
        docs.append(doc)
    write_docbin(docs, folder / "gold.spacy")
    nlp.add_pipe("from_a_list")
    nlp.to_disk(folder / "model")
    report_files(str(folder / "model"), folder / "gold.spacy", folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf8")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def html(page):
    return write_report(page, SENTENCES)


class Page(HTMLParser):
    """Collects text by the element it stands in, and checks that elements are closed in order."""

    VOID = ("meta", "link", "input", "br", "rect", "line", "circle", "polyline")

    def __init__(self, html):
        super().__init__()
        self.open, self.items, self.marks, self.rows = [], [], [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        if tag == "li":
            self.items.append(dict(attrs))
        if tag == "mark":
            self.marks.append((len(self.items), dict(attrs)["class"], []))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if "mark" in self.open:
            self.marks[-1][2].append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def test_every_entity_is_there_with_what_is_wrong_with_it(html):
    page = Page(html)
    # Most mistakes first: two in the first sentence, one in the third.
    assert [item["data-text"].strip() for item in page.items] == [SENTENCES[i][0] for i in (0, 2, 1, 3)]
    assert [json.loads(item["data-kinds"]) for item in page.items] == [
        ["missed", "right", "type"],
        ["spurious"],
        ["right"],
        ["right"],
    ]
    assert page.marks == [
        (1, "right", ["Ada", "per"]),
        (1, "type", ["Grace", "per", "type"]),
        (1, "missed", ["Oslo", "loc", "missed"]),
        (1, "right", ["Ada", "per", "0.75"]),
        (1, "type", ["Grace", "loc", "0.75", "type"]),
        (2, "spurious", ["Nothing here", "a&b", "0.75", "spurious"]),
        (3, "right", ['"Bob"', "per"]),
        (3, "right", ['"Bob"', "per", "0.75"]),
        (4, "right", ["Oslo", "loc"]),
        (4, "right", ["Oslo", "loc", "0.75"]),
    ]


def test_the_tables_are_those_of_evaluate(html):
    rows = Page(html).rows
    # P 3 of 5, R 3 of 5.
    assert re.search(r"<dt>F1</dt><dd>60\.0</dd>", html)
    assert ["per", "100.0", "66.7", "80.0", "3", ""] in rows
    assert ["right", "3", "span and type are right"] in rows
    assert ["gold \\ predicted", "per", "loc", "a&b", "nothing"] in rows
    assert ["per", "2", "1", "", ""] in rows
    assert ["nothing", "", "", "1", ""] in rows
    # The gate, where there is one.
    assert html.count("<summary>") == 1


def test_text_is_escaped_and_nothing_is_fetched(html):
    assert "<script>alert(1)</script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    # One script and one style, both in the page; no address of anything.
    assert len(re.findall(r"<script", html)) == len(re.findall(r"<style", html)) == 1
    assert not re.search(r"(?:src|href)=\"(?!#|data:,)|url\(|@import|https?:", html)
    assert "default-src 'none'" in html


def test_the_command_says_what_it_wrote(page, html):
    arguments = [str(page / "model"), str(page / "gold.spacy"), "--output", str(page / "by_command.html")]
    result = CliRunner().invoke(app, ["report", *arguments])
    assert result.exit_code == 0, result.output
    assert "F1 60.00 on 4 sentences" in result.output
    assert (page / "by_command.html").read_text(encoding="utf8").startswith("<!doctype html>")
    missing = CliRunner().invoke(app, ["report", str(page / "model"), str(page / "no.spacy"), "--output", "x.html"])
    assert missing.exit_code == 1
    assert "no.spacy" in missing.output


PROBE = Path(__file__).with_name("probe.js").read_text(encoding="utf8")
CATCH = "window.failures = []; window.addEventListener('error', (event) => window.failures.push(event.message));"


def look(html, folder, width=1200):
    """Return what a script of a page has left in its title, once a browser has drawn it."""
    (folder / "probed.html").write_text(html, encoding="utf8")
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'user'}", f"--window-size={width},900"]
    command += ["--virtual-time-budget=5000", "--dump-dom", (folder / "probed.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return json.loads(unescape(re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)[1]))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [1200, 380])
def test_filters_work_in_a_browser(html, tmp_path, width):
    probed = html.replace("<head>", f"<head><script>{CATCH}</script>")
    probed = probed.replace("</body>", f"<script>{PROBE}</script></body>")
    found = look(probed, tmp_path, width)
    texts = [SENTENCES[i][0] for i in (0, 2, 1, 3)]
    assert found["all"] == found["reset"] == texts
    # Oslo and Grace in the first, Oslo in the last.
    assert found["loc"] == [texts[0], texts[3]]
    assert found["locType"] == found["type"] == [texts[0]]
    assert found["wrong"] == texts[:2]
    assert found["count"] == "2 sentences"
    assert found["text"] == [texts[0], texts[3]]
    assert found["errors"] == found["requests"] == []
    # Tables scroll in their own box, the page does not scroll sideways.
    assert found["wide"] is False


HEBREW_PROBE = """
window.addEventListener("load", () => {
  const pieces = [...document.querySelectorAll("mark")].map((mark) => mark.getClientRects().length);
  const side = getComputedStyle(document.querySelector(".words")).direction;
  const margin = getComputedStyle(document.querySelector("mark b")).marginLeft;
  const type = document.getElementById("type");
  type.selectedIndex = [...type.options].findIndex((option) => option.text === "x y");
  type.dispatchEvent(new Event("input", { bubbles: true }));
  document.title = JSON.stringify({ pieces, side, margin, count: document.getElementById("count").textContent });
});
"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_text_from_right_to_left_stays_in_one_piece(tmp_path):
    probed = write_report(tmp_path, HEBREW).replace("</body>", f"<script>{HEBREW_PROBE}</script></body>")
    # A type's name is not what a browser makes of its spaces.
    found = {"pieces": [1, 1, 1, 1, 1, 1], "side": "rtl", "margin": "0px", "count": "1 sentence"}
    assert look(probed, tmp_path) == found
