"""Text without blanks is tokenized in a time that grows with its length, and stays what it is."""

import time

import pytest
import spacy

from spacy_crossner.data.convert import convert
from spacy_crossner.data.docbin import read_docbin
from spacy_crossner.data.tokenizing import LONGEST, bounded
from spacy_crossner.silver.labelling import read_texts

RUNS = ["[", "'", "😀", "x", "ä.", "http://a.b/"]


@pytest.mark.parametrize("run", RUNS)
def test_a_long_run_keeps_its_text_and_takes_no_quadratic_time(run):
    nlp = spacy.blank("en")
    seconds = []
    for count in (10_000, 40_000):
        text = f"Ada met {run * (count // len(run))} in Paris. It was {run * 3} there."
        begun = time.process_time()
        doc = bounded(nlp.tokenizer)(text)
        seconds.append(time.process_time() - begun)
        assert doc.text == text
        assert [token.text for token in doc][:2] == ["Ada", "met"]
    # Four times the text; 16 times the time where it is quadratic.
    assert seconds[1] < 8 * max(seconds[0], 0.05)


@pytest.mark.parametrize("run", RUNS)
def test_other_text_is_tokenized_as_before(run):
    nlp = spacy.blank("en")
    text = f"Ada didn't meet {run * (100 // len(run))} in {'p' * LONGEST} on Jan. 3rd."
    doc, expected = bounded(nlp.tokenizer)(text), nlp.tokenizer(text)
    assert doc.to_bytes() == expected.to_bytes()


def test_commands_read_lines_of_any_length(tmp_path):
    line = "Ada met " + "[" * 30_000 + " in Paris ."
    (tmp_path / "raw.txt").write_text(f"{line}\nIt rained .\n")
    begun = time.process_time()
    convert(tmp_path / "raw.txt", tmp_path / "out.spacy", "ai", raw=True)
    docs = read_docbin(tmp_path / "out.spacy", spacy.blank("en").vocab)
    assert [doc.text.replace(" ", "") for doc in docs] == [line.replace(" ", ""), "Itrained."]
    # More than spaCy's `nlp.max_length` of a million characters.
    (tmp_path / "raw.txt").write_text("Oslo " * 250_000 + "\n")
    (doc,) = read_texts([tmp_path / "raw.txt"], spacy.blank("en"))
    assert len(doc) == 250_000
    assert time.process_time() - begun < 30


def test_a_line_with_many_entities_takes_no_quadratic_time(tmp_path):
    seconds = []
    for count in (4_000, 16_000):
        (tmp_path / "text.txt").write_text("[Ada](person) met . " + "[Oslo](place) " * count + "\n")
        begun = time.process_time()
        result = convert(tmp_path / "text.txt", tmp_path / "out.spacy", "ai")
        seconds.append(time.process_time() - begun)
        assert result.files[0].entities == {"person": 1, "place": count}
    assert seconds[1] < 8 * max(seconds[0], 0.3)
