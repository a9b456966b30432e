"""A repair drops what is no content, and nothing else."""

import pytest
from spacy.lang.en import English

from spacy_crossner.data import faults
from spacy_crossner.data.convert import convert
from spacy_crossner.data.reading import open_files
from spacy_crossner.data.stats import stats
from spacy_crossner.errors import DataError

# What each repair of columns and markup makes of a text: the words and the spans that stay. Those of JSON have their
# own tests.
MENDED = {
    "EMPTY_TOKEN": ("Ada B-PER\n\tO\nleft O\n", ["Ada", "left"], [(0, 1, "PER")]),
    "UNKNOWN_TAG": ("Ada B-PER\nleft X-Y\nOslo B-LOC\n", ["Ada", "left", "Oslo"], [(0, 1, "PER"), (2, 3, "LOC")]),
    "ILLEGAL_INSIDE": ("Ada B-PER\nOslo I-LOC\n", ["Ada", "Oslo"], [(0, 1, "PER"), (1, 2, "LOC")]),
    "UNFINISHED": (
        "Ada S-PER\nNew B-LOC\nis O\nso S-X\n",
        ["Ada", "New", "is", "so"],
        [(0, 1, "PER"), (1, 2, "LOC"), (3, 4, "X")],
    ),
    "EMPTY_LABEL": ("Ada B-PER\nOslo B-\n", ["Ada", "Oslo"], [(0, 1, "PER")]),
    "CUTS_TOKEN": ("[Ada](PER) in [Swed](LOC)ish\n", ["Ada", "in", "Swedish"], [(0, 1, "PER"), (2, 3, "LOC")]),
    "OUT_OF_RANGE": ("[Ada](PER) in [](LOC)Rome\n", ["Ada", "in", "Rome"], [(0, 1, "PER")]),
    "BRACKET": ("[Ada](PER) left [1].\n", ["Ada", "left", "[", "1", "]", "."], [(0, 1, "PER")]),
}
# Of JSON and brat.
OTHERS = {"OVERLAP", "BAD_JSON", "NO_TEXT", "BAD_RECORD", "SURFACE", "DISCONTINUOUS", "STANDOFF", "OFFSET_UNIT"}
OTHERS |= {"ANNOTATORS", "MINOR_PART"}


def read(tmp_path, text, repair):
    path = tmp_path / "x.txt"
    path.write_text(text, encoding="utf8")
    (source,) = open_files([path], repair=repair)
    return list(source.read(English().tokenizer)), source


def test_every_repair_is_tried():
    kinds = {name for name, fault in vars(faults).items() if isinstance(fault, faults.Fault) and fault.repair}
    assert set(MENDED) == kinds - OTHERS


@pytest.mark.parametrize("kind", MENDED)
def test_a_repair_keeps_every_word_and_every_entity_with_a_label(tmp_path, kind):
    text, words, spans = MENDED[kind]
    fault = getattr(faults, kind)
    with pytest.raises(DataError, match=rf"^\[{fault.code}\]"):
        read(tmp_path, text, repair=False)
    (sentence,), source = read(tmp_path, text, repair=True)
    assert (sentence.words, sentence.spans) == (words, spans)
    assert set(source.faults.repairs) == {fault.repair}


DESTROYED = {
    "a word without a tag": ("Ada B-PER\nleft\nOslo B-LOC\n", "C104", "line 2"),
    "a word in two columns": ("Ada B-PER\nNew York B-LOC\nleft O\n", "C104", "line 2"),
    "a row too long": ("Ada B-PER\na b c d O\nleft O\n", "C104", "line 2"),
    "a tag without a word": ("Ada B-PER\n\tB-LOC\nleft O\n", "C128", "line 2"),
    "a header": ("Mot Etiquette\nAda B-PER\nleft O\n", "C126", "line 1"),
    "a line of prose": ("Ada B-PER\nleft O\n\nThis is the second part:\nOslo B-LOC\n", "C104", "line 4"),
    "most tags unknown": ("Ada B-PER\nKing X\nleft Y\nin O\nOslo O\n", "C124", "line 2: found 2 of 3 tags"),
    "the last entity without a label": ("Ada B-\nleft O\n", "C125", "found no entity left: entities without a label"),
    "the last label of markup": ("[Ada]() left [Oslo]()\n", "C125", "no entity left"),
    "an open entity": ("[Ada](PER) met [Bob](PER\n", "C127", "line 1: found a label '(PER'"),
    "a bracket in a label": ("[Ada](PER) met [Bob](PER[x])\n", "C127", "line 1"),
    "an entity around another": ("[the [Ada](PER) prize](AWARD) went\n", "C127", "line 1: found a ']' at column 22"),
    "an entity with a bracket": ("[f[x] of](AWARD) and [Ada](PER)\n", "C127", "line 1"),
}


@pytest.mark.parametrize("kind", DESTROYED)
def test_a_repair_that_would_destroy_is_refused(tmp_path, kind):
    text, code, found = DESTROYED[kind]
    with pytest.raises(DataError, match=rf"^\[{code}\]") as caught:
        read(tmp_path, text, repair=True)
    assert found in str(caught.value)
    assert "--repair drops" not in str(caught.value)
    with pytest.raises(DataError, match=rf"^\[{code}\]"):
        convert(tmp_path / "x.txt", tmp_path / "x.spacy", "news", repair=True)
    assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]


def test_what_cannot_be_mended_is_an_error_without_repair_too(tmp_path):
    for text, *_ in DESTROYED.values():
        with pytest.raises(DataError):
            read(tmp_path, text, repair=False)


def test_stats_does_not_count_what_it_would_have_to_destroy(tmp_path):
    (tmp_path / "train.txt").write_text(DESTROYED["a word without a tag"][0], encoding="utf8")
    with pytest.raises(DataError, match=r"^\[C104\]"):
        stats([tmp_path])


GOOD = '{"text": "Ada left", "spans": [{"start": 0, "end": 3, "label": "PER"}]}\n'
BAD = {
    "no JSON": '{"text": "Ada left", "spa\n',
    "no text": '{"text": " ", "spans": []}\n',
    "another form": '{"text": "Ada left", "spans": [{"start": 0, "end": 3, "label": "PER"}, 7]}\n',
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("as_list", [False, True])
def test_few_records_are_dropped(tmp_path, bad, as_list):
    """One in ten, and one in any case."""
    # A list as a whole is JSON.
    record = "7\n" if as_list and bad == "no JSON" else BAD[bad]
    for good, broken, is_read in ((2, 1, True), (18, 2, True), (17, 2, False), (1, 9, False)):
        lines = GOOD * good + record * broken
        text = "[" + ",".join(lines.splitlines()) + "]" if as_list else lines
        path = tmp_path / "x.jsonl"
        path.write_text(text, encoding="utf8")
        (source,) = open_files([path], repair=True)
        if is_read:
            assert len(list(source.read(English().tokenizer))) == good
            assert source.faults.repairs.total() == broken
        else:
            with pytest.raises(DataError, match=rf"C136.*found {broken} of {good + broken} records"):
                list(source.read(English().tokenizer))
