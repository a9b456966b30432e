import json

import pytest
import spacy
from spacy.vocab import Vocab

from spacy_crossner.annotations.domains import get_domain, get_language
from spacy_crossner.data.convert import convert
from spacy_crossner.data.docbin import read_docbin
from spacy_crossner.data.faults import ILLEGAL_INSIDE
from spacy_crossner.data.reading import Format
from spacy_crossner.data.schemes import Scheme
from spacy_crossner.data.stats import stats
from spacy_crossner.errors import CrossnerError, DataError

COLUMNS = "Ada\tB-PER\nmet\tO\nBob\tB-PER\n\nIn\tO\nNew\tB-LOC\nYork\tI-LOC\nMay\tB-DATE\n"
MARKUP = "[Ada](PER) met [Bob](PER)\nIn [New York](LOC) [May](DATE)\n"
JSONL = [
    {"text": "Ada met Bob", "spans": [{"start": 0, "end": 3, "label": "PER"}, {"start": 8, "end": 11, "label": "PER"}]},
    {
        "text": "In New York May",
        "spans": [{"start": 3, "end": 11, "label": "LOC"}, {"start": 12, "end": 15, "label": "DATE"}],
    },
]
FILES = {
    "train.txt": COLUMNS,
    "markup.txt": MARKUP,
    "lines.jsonl": "".join(json.dumps(record) + "\n" for record in JSONL),
    "iob1.txt": "Ada I-PER\nmet O\nBob I-PER\n\nIn O\nNew I-LOC\nYork I-LOC\nMay I-DATE\n",
    "bioes.txt": "Ada S-PER\nmet O\nBob S-PER\n\nIn O\nNew B-LOC\nYork E-LOC\nMay S-DATE\n",
    "bilou.txt": "Ada x U-PER\nmet x O\nBob x U-PER\n\nIn x O\nNew x B-LOC\nYork x L-LOC\nMay x U-DATE\n",
}
ENTITIES = [[("Ada", "PER"), ("Bob", "PER")], [("New York", "LOC"), ("May", "DATE")]]


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf8")
    return tmp_path


def entities(path):
    docs = read_docbin(path, Vocab())
    return [[(ent.text.strip(), ent.label_) for ent in doc.ents] for doc in docs]


@pytest.mark.parametrize("name", FILES)
def test_all_forms_of_one_text_agree(folder, name):
    result = convert(folder / name, folder / "out.spacy", "news")
    docs = read_docbin(folder / "out.spacy", Vocab())
    assert entities(folder / "out.spacy") == ENTITIES
    assert [get_domain(doc) for doc in docs] == ["news", "news"]
    assert [[token.text for token in doc] for doc in docs] == [["Ada", "met", "Bob"], ["In", "New", "York", "May"]]
    assert [doc.has_unknown_spaces for doc in docs] == [name not in ("markup.txt", "lines.jsonl")] * 2
    (file,) = result.files
    assert (file.sentences, file.tokens, file.entities) == (2, 7, {"PER": 2, "LOC": 1, "DATE": 1})
    assert (result.labels, result.changes.unknown()) == (["DATE", "LOC", "PER"], [])


def test_map_and_drop(folder):
    result = convert(
        folder / "train.txt",
        folder / "out.spacy",
        "news",
        label_map={"PER": "name", "LOC": "name", "ORG": "name"},
        drop=["DATE", "name"],
    )
    assert entities(folder / "out.spacy") == [[("Ada", "name"), ("Bob", "name")], [("New York", "name")]]
    assert result.changes.unknown() == ["ORG", "name"]
    assert sorted(result.changes.seen) == ["DATE", "LOC", "PER"]


def test_merged_neighbours_stay_two(tmp_path):
    (tmp_path / "x.txt").write_text("Ada\tB-PER\nParis\tB-LOC\n", encoding="utf8")
    convert(tmp_path / "x.txt", tmp_path / "x.spacy", "news", label_map={"LOC": "PER"})
    assert entities(tmp_path / "x.spacy") == [[("Ada", "PER"), ("Paris", "PER")]]


def test_folder_and_labels(tmp_path):
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "train.txt").write_text("Ada\tB-PER\n", encoding="utf8")
    (source / "dev.jsonl").write_text(json.dumps(JSONL[1]) + "\n", encoding="utf8")
    (source / "other.txt").write_text("broken", encoding="utf8")
    labels = output / "labels.json"
    result = convert(source, output, "ai", drop=["DATE"], labels_out=labels)
    assert sorted(path.name for path in output.iterdir()) == [
        "SHA256SUMS",
        "dev.spacy",
        "labels.json",
        "train.spacy",
    ]
    assert [file.output.name for file in result.files] == ["train.spacy", "dev.spacy"]
    assert entities(output / "dev.spacy") == [[("New York", "LOC")]]
    assert spacy.registry.readers.get("spacy.read_labels.v1")(labels) == ["LOC", "PER"]


def test_raw_text_has_no_annotation(tmp_path):
    (tmp_path / "raw.txt").write_text("\ufeffAda [met] Bob.\r\n\n \u2028\n Two  blanks \u00a0here\n", encoding="utf8")
    convert(tmp_path / "raw.txt", tmp_path / "raw.spacy", "ai", raw=True)
    docs = read_docbin(tmp_path / "raw.spacy", Vocab())
    assert [doc.text for doc in docs] == ["Ada [met] Bob.", "Two  blanks \u00a0here"]
    assert not any(doc.has_annotation("ENT_IOB") for doc in docs)
    assert [get_domain(doc) for doc in docs] == ["ai", "ai"]


@pytest.mark.parametrize(
    ("name", "format"), [("lines.jsonl", "auto"), ("markup.txt", "markup"), ("train.txt", "conll")]
)
def test_raw_leaves_annotation_out_and_says_so(folder, name, format):
    result = convert(folder / name, folder / "out.spacy", "ai", raw=True, format=Format(format))
    docs = read_docbin(folder / "out.spacy", Vocab())
    assert [[token.text for token in doc] for doc in docs] == [["Ada", "met", "Bob"], ["In", "New", "York", "May"]]
    assert not any(doc.has_annotation("ENT_IOB") for doc in docs)
    assert list(result.files[0].source.faults.notes.values()) == [2]
    assert result.labels == []


def test_language(tmp_path):
    (tmp_path / "x.txt").write_text("[z.B.](x) geht's", encoding="utf8")
    convert(tmp_path / "x.txt", tmp_path / "x.spacy", "ai", lang="de")
    (doc,) = read_docbin(tmp_path / "x.spacy", Vocab())
    assert [token.text for token in doc] == [token.text for token in spacy.blank("de")("z.B. geht's")]
    assert get_language(doc) == "de"
    with pytest.raises(CrossnerError, match="'nope'"):
        convert(tmp_path / "x.txt", tmp_path / "x.spacy", "ai", lang="nope")


def test_an_explicit_scheme_decides(tmp_path):
    (tmp_path / "x.txt").write_text("Ada I-PER\nBob I-PER\n\nCy I-PER\n", encoding="utf8")
    with pytest.raises(DataError, match=r"C107.*line 1.*--scheme iob1"):
        convert(tmp_path / "x.txt", tmp_path / "x.spacy", "ai", scheme=Scheme.bio)
    convert(tmp_path / "x.txt", tmp_path / "x.spacy", "ai", scheme=Scheme.iob1)
    assert [len(doc_entities) for doc_entities in entities(tmp_path / "x.spacy")] == [1, 1]


def test_repair_is_counted(tmp_path):
    (tmp_path / "x.txt").write_text("Ada I-PER\nBob B-PER\nand O\nCy I-PER\nDi B-LOC\n", encoding="utf8")
    result = convert(tmp_path / "x.txt", tmp_path / "x.spacy", "ai", repair=True)
    assert entities(tmp_path / "x.spacy") == [[("Ada", "PER"), ("Bob", "PER"), ("Cy", "PER"), ("Di", "LOC")]]
    assert result.files[0].source.faults.repairs == {ILLEGAL_INSIDE.repair: 2}


@pytest.mark.parametrize("name", ["dev.txt", "train.txt"])
def test_an_error_leaves_everything_as_it_was(tmp_path, name):
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for split in ("train", "dev", "test"):
        (source / f"{split}.txt").write_text(COLUMNS, encoding="utf8")
    (source / name).write_text(COLUMNS + "\nBob I-PER\n", encoding="utf8")
    with pytest.raises(DataError, match=rf"C107.*{name}, line 10"):
        convert(source, output, "ai", labels_out=tmp_path / "labels.json")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    output.mkdir()
    (output / "train.spacy").write_bytes(b"old")
    with pytest.raises(DataError):
        convert(source, output, "ai")
    assert [(path.name, path.read_bytes()) for path in output.iterdir()] == [("train.spacy", b"old")]


@pytest.mark.parametrize(
    ("source", "output", "message"),
    [
        ("none", "out", r"C101.*none: found no such file or folder"),
        ("train.txt", "out", r"C121.*out: .*expected a file name ending in .spacy"),
        ("empty", "out", r"C120.*empty: found nothing; expected a folder with train, dev or test"),
        ("twice", "out", r"C120.*twice: found dev.txt and dev.jsonl; expected one file for dev"),
        ("good", "out.spacy", r"C121.*out.spacy: .*expected a folder"),
        ("good", "train.txt", r"C121.*train.txt: .*expected a folder"),
    ],
)
def test_sources_and_outputs_that_do_not_fit(folder, source, output, message):
    for name in ("empty", "twice", "good"):
        (folder / name).mkdir()
    for path in ("twice/dev.txt", "twice/dev.jsonl", "good/test.txt"):
        (folder / path).write_text(COLUMNS, encoding="utf8")
    before = sorted(folder.rglob("*"))
    with pytest.raises(DataError, match=message):
        convert(folder / source, folder / output, "ai")
    assert sorted(folder.rglob("*")) == before


def test_a_split_of_an_earlier_corpus_does_not_stay(folder):
    source, output = folder / "in", folder / "out"
    source.mkdir()
    for split in ("train", "dev"):
        (source / f"{split}.txt").write_text(MARKUP, encoding="utf8")
    convert(source, output, "news")
    (source / "dev.txt").rename(source / "valid.txt")
    result = convert(source, output, "news")
    assert sorted(path.name for path in output.iterdir()) == ["SHA256SUMS", "train.spacy"]
    assert [path.name for path in result.removed] == ["dev.spacy"]
    assert result.unread == ["valid.txt"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".conll", ".conllu", ".bio", ".iob"])
def test_splits_of_columns_by_their_endings(tmp_path, suffix):
    source = tmp_path / "in"
    source.mkdir()
    train = "word,tag\nAda,B-PER\nran,O\n" if suffix == ".csv" else COLUMNS
    (source / f"train{suffix}").write_text(train, encoding="utf8")
    (source / f"test{suffix}").write_text("Ada\tB-PER\nran\tO\n", encoding="utf8")
    (source / "names.tsv").write_text("Ada\tPER\n", encoding="utf8")
    result = convert(source, tmp_path / "out", "news")
    assert entities(tmp_path / "out" / "train.spacy") == ([[("Ada", "PER")]] if suffix == ".csv" else ENTITIES)
    assert result.unread == ["names.tsv"]
    assert set(stats([source]).sets["in"]) == {"train", "test"}


def test_a_folder_without_a_split_is_listed(tmp_path):
    source = tmp_path / "in"
    (source / "sub").mkdir(parents=True)
    for i in range(10):
        (source / f"{i}.xml").touch()
    with pytest.raises(DataError, match=r"C120.*found none of them, but 0.xml, 1.xml, .*, 9.xml and 1 more; expected"):
        convert(source, tmp_path / "out", "news")


def test_no_entity_and_other_cases_of_a_label_are_named(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    train = "[Ada](PER) [Bo](PER) [Cy](Per) [Di](per) [Rom](LOC)\n"
    (source / "train.txt").write_text(train, encoding="utf8")
    (source / "dev.txt").write_text("Ada\tO\nran\tO\n", encoding="utf8")
    assert convert(source, tmp_path / "out", "news").warnings == [
        f"no entity in {source / 'dev.txt'}",
        "labels that differ only in letter case: PER (2), Per (1), per (1). "
        "If they are one type: --map Per=PER --map per=PER",
    ]
    mapped = convert(source / "train.txt", tmp_path / "x.spacy", "news", label_map={"Per": "PER", "per": "PER"})
    assert mapped.warnings == []
    assert convert(source / "dev.txt", tmp_path / "x.spacy", "news", raw=True).warnings == []


def test_splits_as_json_lists(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    (source / "train.json").write_text(json.dumps(JSONL), encoding="utf8")
    (source / "test.json").write_text(json.dumps(JSONL[:1]), encoding="utf8")
    (source / "labels.json").write_text('["PER"]', encoding="utf8")
    result = convert(source, tmp_path / "out", "news")
    assert entities(tmp_path / "out" / "train.spacy") == ENTITIES
    assert entities(tmp_path / "out" / "test.spacy") == ENTITIES[:1]
    assert result.unread == ["labels.json"]
    assert {split: counted.entities for split, counted in stats([source]).sets["in"].items()} == {"train": 4, "test": 2}


WORDS = [f"word{i}" for i in range(20)]
GOOD = [{"start": 7 * i, "end": 7 * i + 5 + (i > 9), "label": "X"} for i in range(10)]


def write_spans(tmp_path, spans):
    text = " ".join(f"{word:6}" for word in WORDS)
    (tmp_path / "x.jsonl").write_text(json.dumps({"text": text, "spans": spans}) + "\n", encoding="utf8")
    return tmp_path / "x.jsonl"


@pytest.mark.parametrize(
    "bad",
    [
        {"start": 400, "end": 405, "label": "X"},
        {"start": 5, "end": 3, "label": "X"},
        {"start": "5", "end": 9, "label": "X"},
        {"start": 80, "end": 85, "label": "X", "text": "words"},
        {"start": 80, "end": 86, "label": "X"},  # the last letters of one word and the first of the next
    ],
    ids=["beyond the text", "end before start", "no number", "other words", "parts of two words"],
)
def test_repair_drops_few_spans_or_none(tmp_path, bad):
    result = convert(write_spans(tmp_path, [*GOOD, bad]), tmp_path / "x.spacy", "news", repair=True)
    assert entities(tmp_path / "x.spacy") == [[(f"word{i}", "X") for i in range(10)]]
    assert list(result.files[0].source.faults.repairs.values()) == [1]
    (tmp_path / "x.spacy").unlink()
    source = write_spans(tmp_path, [*GOOD[:5], bad, {**bad, "label": "Y"}])
    with pytest.raises(DataError, match=r"^\[C146\].*x.jsonl: found 2 of 7 spans whose words are not certain"):
        convert(source, tmp_path / "x.spacy", "news", repair=True)
    with pytest.raises(DataError, match=r"^\[C146\].*1 spans, all of which --repair drops"):
        convert(write_spans(tmp_path, [bad]), tmp_path / "x.spacy", "news", repair=True)
    assert not (tmp_path / "x.spacy").exists()


@pytest.mark.parametrize("shift", range(1, 7))
def test_spans_of_another_text_are_not_moved_to_its_words(tmp_path, shift):
    moved = [{"start": span["start"] + shift, "end": span["end"] + shift, "label": "X"} for span in GOOD]
    with pytest.raises(DataError, match=r"^\[C146\].*x.jsonl: found \d+ of 10 spans"):
        convert(write_spans(tmp_path, moved), tmp_path / "x.spacy", "news", repair=True)


def test_repair_trims_and_fills_up(tmp_path):
    spans = [*GOOD, {"start": 76, "end": 84, "label": "Y"}, {"start": 84, "end": 88, "label": "Z"}]
    convert(write_spans(tmp_path, spans), tmp_path / "x.spacy", "news", repair=True)
    expected = [*((f"word{i}", "X") for i in range(10)), ("word11", "Y"), ("word12", "Z")]
    assert entities(tmp_path / "x.spacy") == [expected]


def test_text_in_json_without_labels_is_read_on_demand_alone(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"text": "Ada left."}\n{"text": "Bob left.", "meta": {}}\n', encoding="utf8")
    for repair in (False, True):
        with pytest.raises(DataError, match=r"^\[C140\].*x.jsonl, line 1: .*--raw"):
            convert(tmp_path / "x.jsonl", tmp_path / "x.spacy", "news", repair=repair)
    convert(tmp_path / "x.jsonl", tmp_path / "x.spacy", "news", raw=True)
    assert not any(doc.has_annotation("ENT_IOB") for doc in read_docbin(tmp_path / "x.spacy", Vocab()))
    (counted,) = stats([tmp_path / "x.jsonl"]).sets[tmp_path.name].values()
    assert (counted.sentences, counted.unlabelled, counted.without_entity) == (2, 2, 0)


def test_entities_that_no_token_fits_are_counted(tmp_path):
    # "Oslo2030" is one token of running text, "z.B." of German alone.
    text = "Oslo\tB-LOC\n2030\tO\n.\tO\n\nin\tO\nOslo2030\tB-LOC\n\nz.B.\tB-X\nja\tO\n"
    (tmp_path / "x.txt").write_text(text.replace("2030\tO", "-2030\tO"), encoding="utf8")
    (file,) = convert(tmp_path / "x.txt", tmp_path / "x.spacy", "ai", lang="de").files
    assert (file.fit.entities, file.fit.misfits) == (3, 0)
    (file,) = convert(tmp_path / "x.txt", tmp_path / "x.spacy", "ai", drop=["LOC"]).files
    assert (file.fit.entities, file.fit.misfits) == (1, 0)
    record = {"text": "die Wahl2030", "tokens": [], "spans": [{"start": 4, "end": 8, "label": "X"}]}
    for start, end in ((0, 3), (4, 8), (8, 12)):
        record["tokens"].append({"text": record["text"][start:end], "start": start, "end": end})
    (tmp_path / "x.jsonl").write_text(json.dumps(record), encoding="utf8")
    (file,) = convert(tmp_path / "x.jsonl", tmp_path / "x.spacy", "ai").files
    assert (file.fit.entities, file.fit.misfits) == (1, 1)
    assert file.fit.examples == ["'Wahl' in the tokens 'Wahl2030'"]
