import json
import re
import subprocess
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.data.notations import Notation, find_notation, split_written
from spacy_crossner.data.reading import open_files
from spacy_crossner.data.schemes import Scheme
from spacy_crossner.errors import DataError

WORDS = ["Ada", "King", "Byron", "left", "Oslo", "for", "New", "York", "."]
SPANS = [(0, 3, "PER"), (4, 5, "LOC"), (6, 8, "LOC")]
BIO = "B-PER I-PER I-PER O B-LOC O B-LOC I-LOC O"
BIOES = "B-PER I-PER E-PER O S-LOC O B-LOC E-LOC O"

# How the tags are written, the scheme found and the notation found.
WRITTEN = {
    "BIO": (BIO, "bio", "B-X"),
    "IOB1": ("I-PER I-PER I-PER O I-LOC O I-LOC I-LOC O", "iob1", "B-X"),
    "BIOES": (BIOES, "bioes", "B-X"),
    "BILUO": ("B-PER I-PER L-PER O U-LOC O B-LOC L-LOC O", "bioes", "B-X"),
    "BMEWO": ("B-PER M-PER E-PER O W-LOC O B-LOC E-LOC O", "bioes", "B-X"),
    "BMES": ("B-PER M-PER E-PER O S-LOC O B-LOC E-LOC O", "bioes", "B-X"),
    "underscore": (BIO.replace("-", "_"), "bio", "B_X"),
    "underscore, BIOES": (BIOES.replace("-", "_"), "bioes", "B_X"),
    "suffix": (re.sub(r"(\w)-(\w+)", r"\2-\1", BIO), "bio", "X-B"),
    "suffix, BIOES": (re.sub(r"(\w)-(\w+)", r"\2-\1", BIOES), "bioes", "X-B"),
    "suffix, underscore": (re.sub(r"(\w)-(\w+)", r"\2_\1", BIO), "bio", "X-B"),
    "lower letters": (re.sub(r"\b([BIO])\b", lambda match: match[1].lower(), BIO), "bio", "b-x"),
    "lower letters, O": (re.sub(r"\b([BI])-", lambda match: match[1].lower() + "-", BIO), "bio", "b-x"),
    "small o": (BIO.replace("O ", "o "), "bio", "B-X"),
    "labels alone": ("PER PER PER O LOC O LOC LOC O", "io", "X"),
}


def read(tmp_path, tags, words=WORDS, **options):
    path = tmp_path / "train.txt"
    path.write_text("".join(f"{word}\t{tag}\n" for word, tag in zip(words, tags.split(), strict=True)), encoding="utf8")
    (source,) = open_files([path], **options)
    return list(source.read(None)), source


@pytest.mark.parametrize("outside", ["none", "no_entity", "-"])
def test_labels_of_which_none_is_o_are_refused(tmp_path, outside):
    columns = tmp_path / "columns.txt"
    columns.write_text(f"Ada\tPER\nleft\t{outside}\nit\t{outside}\r\n\nOslo\tLOC\n", encoding="utf8")
    records = tmp_path / "records.jsonl"
    record = {"tokens": ["Ada", "left", "it", "Oslo"], "tags": ["PER", outside, outside, "LOC"]}
    records.write_text(json.dumps(record) + "\n", encoding="utf8")
    for path in (columns, records):
        with pytest.raises(DataError, match=rf"C135.*no tag O among 4 labels, of which 2 are '{outside}'") as caught:
            open_files([path], scheme=Scheme.io)
        if path == columns:
            command = str(caught.value).split("`")[1].replace("> NEW", f"> {tmp_path / 'new.txt'}")
    subprocess.run(command, shell=True, check=True)
    (source,) = open_files([tmp_path / "new.txt"], scheme=Scheme.io)
    assert [sentence.spans for sentence in source.read(None)] == [[(0, 1, "PER")], [(0, 1, "LOC")]]
    # A small file has the O of the others.
    (tmp_path / "dev.txt").write_text("Ada\tPER\nit\tLOC\n", encoding="utf8")
    assert [source.scheme for source in open_files([tmp_path / "new.txt", tmp_path / "dev.txt"], scheme=Scheme.io)] == [
        Scheme.io,
        Scheme.io,
    ]


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize("name", WRITTEN)
def test_every_way_to_write_tags_gives_the_same_spans(tmp_path, name, repair):
    tags, scheme, notation = WRITTEN[name]
    (sentence,), source = read(tmp_path, tags, repair=repair)
    assert sentence.words == WORDS
    assert sentence.spans == SPANS
    assert (source.scheme, source.columns.layout.notation) == (scheme, notation)
    assert source.faults.repairs == {}


def test_lower_case_labels_stay_lower(tmp_path):
    assert read(tmp_path, "b-per i-per o", ["a", "b", "c"])[0][0].spans == [(0, 2, "per")]


@pytest.mark.parametrize("tags", ["B I I O B O B I O", "b i i o b o b i o", "B I E O S O B E O", "B I L O U O B L O"])
def test_letters_alone_are_one_type(tmp_path, tags):
    (sentence,), source = read(tmp_path, tags)
    assert sentence.spans == [(start, end, "ENTITY") for start, end, _ in SPANS]
    assert source.faults.notes == {"tags without a type, read as entities of the type ENTITY": 6}


def test_labels_with_hyphens_alone(tmp_path):
    tags = "person-scholar person-scholar O organization-education O O O location-GPE O"
    (sentence,), source = read(tmp_path, tags)
    assert sentence.spans == [(0, 2, "person-scholar"), (3, 4, "organization-education"), (7, 8, "location-GPE")]
    assert source.scheme is Scheme.io


def test_a_label_of_the_first_line_alone_is_noted(tmp_path):
    _, source = read(tmp_path, "Klasse PER PER O O", ["Wort", "Ada", "King", "left", "it"])
    assert source.faults.notes == {"label that only the first line has, 'Klasse': if it names a column, delete it": 1}


def test_a_label_stands_behind_chunks(tmp_path):
    text = "EU NNP B-NP org\nrejects VBZ B-VP O\nGerman JJ B-NP O\ncall NN I-NP O\n"
    (tmp_path / "x.txt").write_text(text, encoding="utf8")
    (source,) = open_files([tmp_path / "x.txt"])
    assert [sentence.spans for sentence in source.read(None)] == [[(0, 1, "org")]]


def test_a_small_file_goes_by_the_others(tmp_path):
    (tmp_path / "train.txt").write_text("a PER\nb O\nc O\nd LOC\ne O\n", encoding="utf8")
    (tmp_path / "dev.txt").write_text("a PER\nb LOC\n", encoding="utf8")
    (tmp_path / "test.txt").write_text("a O\nb ORG\nc O\n", encoding="utf8")
    sources = open_files([tmp_path / f"{split}.txt" for split in ("train", "dev", "test")])
    spans = [[sentence.spans for sentence in source.read(None)] for source in sources]
    assert spans == [[[(0, 1, "PER"), (3, 4, "LOC")]], [[(0, 1, "PER"), (1, 2, "LOC")]], [[(1, 2, "ORG")]]]


def test_scheme_io_takes_labels_alone(tmp_path):
    words, tags = ["a", "b", "c", "d"], "PER PER LOC O"
    with pytest.raises(DataError, match=r"C104.*--scheme io"):
        read(tmp_path, "PER PER LOC", words[:3])
    with pytest.raises(DataError, match=r"C123.*labels without prefixes.*--scheme io"):
        read(tmp_path, "PER PER O", words[:3])
    (sentence,), _ = read(tmp_path, tags, words, scheme=Scheme.io)
    assert sentence.spans == [(0, 2, "PER"), (2, 3, "LOC")]
    (sentence,), _ = read(tmp_path, "I-PER I-PER I-LOC O", words, scheme=Scheme.io)
    assert sentence.spans == [(0, 2, "PER"), (2, 3, "LOC")]


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize(
    ("tags", "scheme", "code", "says"),
    [
        (WRITTEN["labels alone"][0], "bio", "C123", "--scheme io reads labels without prefixes"),
        ("S-PER S-PER S-PER O S-LOC O S-LOC S-LOC O", "bio", "C124", "--scheme bioes"),
        (BIO, "io", "C124", "--scheme bio"),
        ("B:PER I:PER O O O O B:LOC O O", "auto", "C124", "3 of 3 tags other than O"),
        ("B-PER (PER (PER O O O O O O", "auto", "C124", "2 of 3 tags other than O"),
    ],
)
def test_a_scheme_that_does_not_fit_is_named(tmp_path, tags, scheme, code, says, repair):
    with pytest.raises(DataError, match=rf"^\[{code}\]") as caught:
        read(tmp_path, tags, scheme=Scheme(scheme), repair=repair)
    assert says in str(caught.value)


def test_convert_prints_how_tags_are_written(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("Ada PER-B\nleft O\n", encoding="utf8")
    output = CliRunner().invoke(app, ["convert", str(path), str(tmp_path / "x.spacy"), "-d", "news"]).output
    assert "columns, BIO tags (detected), tags written X-B" in " ".join(output.split())


LABEL = st.from_regex(r"[A-Za-z][a-z]{1,4}(-[a-z]{2,4})?", fullmatch=True)
FORMS = {
    Notation.prefix: "{0}-{1}",
    Notation.underscore: "{0}_{1}",
    Notation.suffix: "{1}-{0}",
}


@given(st.sampled_from(sorted(FORMS)), st.lists(st.tuples(st.sampled_from("BIES"), LABEL), min_size=1, max_size=6))
def test_what_is_written_is_found_and_read(notation, tags):
    written = [FORMS[notation].format(*tag) for tag in tags]
    reading = find_notation(Counter([*written, "O", "O"]))
    assert (reading.notation, reading.entities, reading.outside, reading.unknown) == (notation, len(tags), 2, 0)
    assert [split_written(tag, notation) for tag in written] == tags
