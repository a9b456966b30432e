import pytest
from spacy.vocab import Vocab

from spacy_crossner.data.convert import convert
from spacy_crossner.data.docbin import read_docbin
from spacy_crossner.data.stats import find_sets, stats
from spacy_crossner.errors import DataError

TEXT = "Ada left Oslo.\n\nBob saw New\nYork.\n"
ANN = "T1\tPER 0 3\tAda\nT2\tLOC 9 13\tOslo\nT3\tPER 16 19\tBob\nT4\tLOC 24 27;28 32\tNew York\n"
SENTENCES = [
    ("Ada left Oslo.", [("Ada", "PER"), ("Oslo", "LOC")]),
    ("Bob saw New\nYork.", [("Bob", "PER"), ("New\nYork", "LOC")]),
]


def write(folder, name, text=TEXT, ann=ANN):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.txt").write_bytes(text.encode())
    if ann is not None:
        (folder / f"{name}.ann").write_bytes(ann.encode())


def entities(path):
    return [(doc.text, [(ent.text, ent.label_) for ent in doc.ents]) for doc in read_docbin(path, Vocab())]


def read(folder, text=TEXT, ann=ANN, **options):
    write(folder, "one", text, ann)
    result = convert(folder / "one.txt", folder / "x.spacy", "news", **options)
    return entities(folder / "x.spacy"), result.files[0].source.faults


@pytest.mark.parametrize("source", ["one.txt", "one.ann", "."])
def test_a_pair(tmp_path, source):
    write(tmp_path / "in", "one")
    result = convert(tmp_path / "in" / source, tmp_path / "x.spacy", "news")
    assert entities(tmp_path / "x.spacy") == SENTENCES
    assert (result.unread, result.removed, result.files[0].source.format) == ([], [], "brat")


def test_a_folder_of_pairs_and_the_folders_in_it(tmp_path):
    write(tmp_path / "in", "b", "Bob.", "T1\tPER 0 3\tBob\n")
    write(tmp_path / "in", "a", "Ada.", "T1\tPER 0 3\tAda\n")
    write(tmp_path / "in", "c", "Not annotated.", None)
    write(tmp_path / "in" / "more", "d", "Eve.", "")
    result = convert(tmp_path / "in", tmp_path / "x.spacy", "news")
    assert entities(tmp_path / "x.spacy") == [("Ada.", [("Ada", "PER")]), ("Bob.", [("Bob", "PER")]), ("Eve.", [])]
    assert result.files[0].source.faults.notes == {"texts without an .ann file beside them left out": 1}
    with pytest.raises(DataError, match=r"C121.*out: .*folder .*in of .txt and .ann files.*ending in .spacy"):
        convert(tmp_path / "in", tmp_path / "out", "news")


@pytest.mark.parametrize("form", ["folders", "files"])
def test_splits(tmp_path, form):
    for split in ("train", "test"):
        write(*((tmp_path / "in" / split, "one") if form == "folders" else (tmp_path / "in", split)))
    result = convert(tmp_path / "in", tmp_path / "out", "news")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["SHA256SUMS", "test.spacy", "train.spacy"]
    assert entities(tmp_path / "out" / "train.spacy") == entities(tmp_path / "out" / "test.spacy") == SENTENCES
    assert result.unread == []
    text, packed = stats([tmp_path / "in"]).sets["in"], stats([tmp_path / "out"]).sets["out"]
    assert text == packed
    assert {split: counted.entities for split, counted in text.items()} == {"train": 4, "test": 4}


def test_a_split_twice(tmp_path):
    write(tmp_path / "in" / "dev", "one")
    write(tmp_path / "in", "dev")
    with pytest.raises(DataError, match=r"C120.*dev.txt and dev"):
        convert(tmp_path / "in", tmp_path / "out", "news")


def test_sets_for_counting(tmp_path):
    write(tmp_path / "notes", "one")
    write(tmp_path / "mine" / "train", "one")
    notes = {"notes": {"notes": tmp_path / "notes"}}
    assert find_sets([tmp_path / "notes"]) == notes
    assert find_sets([tmp_path / "mine"]) == {"mine": {"train": tmp_path / "mine" / "train"}}
    assert find_sets([tmp_path])["notes"] == notes["notes"]


def test_other_lines_are_counted(tmp_path):
    ann = ANN + "R1\tAt Arg1:T1 Arg2:T2\nE1\tMove:T1 Who:T2\nA1\tSure T1\n#1\tAnnotatorNotes T1\tx\n*\tEquiv T1 T2\n\n"
    found, faults = read(tmp_path, ann=ann)
    assert found == SENTENCES
    assert faults.notes == {
        "relations not read": 2,
        "events not read": 1,
        "attributes not read": 1,
        "comments not read": 1,
    }


@pytest.mark.parametrize(
    ("ann", "message"),
    [
        ("T1\tPER 0 3;9 13\tAda Oslo", r"C149.*one.ann, line 2: .*in 2 pieces"),
        ("T1\tPER 0 3 Ada", r"C148.*one.ann, line 2"),
        ("T1 PER 0 3\tAda", r"C148.*one.ann, line 2"),
        ("Ada\tB-PER", r"C148.*one.ann, line 2"),
        ("T1\tPER 0 4\tAda ", r"C110.*one.txt, line 1: found 'Ada '"),
        ("T1\tPER 4 8\tOslo", r"C145.*one.ann, line 2: found the span 4-8 \(PER\), where the text is 'left'.*'Oslo'"),
        ("T1\tPER 90 93\tAda", r"C145.*one.ann, line 2"),
        ("T1\tPER 4 8\tleft\nT2\tPER 0 8\tAda left", r"C111.*one.txt, line 1: .*'left'"),
        ("T1\tPER 4 7\tlef", r"C110.*one.txt, line 1: found 'lef' \(PER\)"),
    ],
)
def test_faults(tmp_path, ann, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, ann=f"T9\tLOC 9 13\tOslo\n{ann}\n")
    assert not (tmp_path / "x.spacy").exists()


def test_missing_and_broken_files(tmp_path):
    (tmp_path / "one.ann").write_text(ANN)
    with pytest.raises(DataError, match=r"C150.*one.ann: found no one.txt"):
        convert(tmp_path, tmp_path / "x.spacy", "news")
    (tmp_path / "one.txt").write_bytes(b"Ada \xff")
    with pytest.raises(DataError, match=r"C102.*one.txt: found the byte 0xff at offset 4"):
        convert(tmp_path, tmp_path / "x.spacy", "news")


def test_repair_drops_what_tags_cannot_say(tmp_path):
    found, faults = read(tmp_path, ann=ANN + "T5\tX 0 3;9 13\tAda Oslo\nbroken\n", repair=True)
    assert found == SENTENCES
    assert faults.repairs == {"discontinuous entities dropped": 1, "lines of no known form dropped": 1}
    with pytest.raises(DataError, match=r"C146.*1 spans, all of which --repair drops"):
        read(tmp_path, ann="T5\tX 0 3;9 13\tAda Oslo\n", repair=True)


@pytest.mark.parametrize("counted", ["both", "one"])
def test_line_ends_of_two_characters(tmp_path, counted):
    text = "Ada.\r\nBob saw Eve.\r\n"
    at = text.index("Bob") - (counted == "one")
    assert read(tmp_path, text, f"T1\tPER {at} {at + 3}\tBob\n")[0] == [
        ("Ada.", []),
        ("Bob saw Eve.", [("Bob", "PER")]),
    ]


def test_utf16_offsets(tmp_path):
    found, faults = read(tmp_path, "\U0001f600 Ada\nBob", "T1\tPER 3 6\tAda\nT2\tPER 7 10\tBob\n")
    assert found == [("\U0001f600 Ada", [("Ada", "PER")]), ("Bob", [("Bob", "PER")])]
    assert faults.notes == {"spans whose offsets count UTF-16 units, read so": 2}


def test_raw_reads_the_text_alone(tmp_path):
    found, _ = read(tmp_path, ann="broken", raw=True)
    assert found == [("Ada left Oslo.", []), ("Bob saw New", []), ("York.", [])]
    write(tmp_path / "in", "one")
    for source in (tmp_path / "in" / "one.ann", tmp_path / "in"):
        convert(source, tmp_path / "x.spacy", "news", raw=True)
        assert entities(tmp_path / "x.spacy") == [(text, []) for text, _ in SENTENCES]
