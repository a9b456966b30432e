import json

import pytest
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.data.docbin import read_docbin


def run(*arguments):
    result = CliRunner().invoke(app, ["convert", *map(str, arguments)])
    # Messages are wrapped to the terminal.
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture
def columns(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("Ada\tB-PER\nmet\tO\n\nBob\tI-PER\nin\tO\nRome\tB-LOC\n", encoding="utf8")
    return path


def test_an_error_is_one_message_and_a_failure(columns, tmp_path):
    code, output = run(columns, tmp_path / "out.spacy", "--domain", "news")
    assert code == 1
    assert "[C107]" in output
    assert "line 4: found 'I-PER' with nothing to continue; expected B-PER or I-PER before it" in output
    assert "Traceback" not in output
    assert [path.name for path in tmp_path.iterdir()] == ["train.txt"]


def test_every_option(columns, tmp_path):
    code, output = run(
        *[columns, tmp_path / "out.spacy", "-d", "news", "--repair", "--format", "conll", "--scheme", "bio"],
        *["--map", "PER=person", "--map", "ORG=organisation", "--drop", "LOC", "--lang", "de"],
        *["--labels-out", tmp_path / "labels.json"],
    )
    assert code == 0, output
    assert "2 sentences, 5 tokens, 2 entities of 1 types (train.txt: columns, BIO tags)" in output
    assert "repaired 1: tags with nothing to continue made the beginning of an entity" in output
    assert "--map or --drop names labels that are in no file: ORG. Labels in the files: LOC, PER" in output
    assert json.loads((tmp_path / "labels.json").read_text(encoding="utf8")) == ["person"]
    docs = read_docbin(tmp_path / "out.spacy", Vocab())
    assert [[ent.label_ for ent in doc.ents] for doc in docs] == [["person"], ["person"]]


def test_the_scheme_detected_is_printed(tmp_path):
    (tmp_path / "x.txt").write_text("Ada I-PER\nBob B-PER\n", encoding="utf8")
    code, output = run(tmp_path / "x.txt", tmp_path / "x.spacy", "-d", "news")
    assert code == 0
    assert "columns, IOB1 tags (detected)" in output
    assert "If this is wrong, use --scheme bio" in output
    assert "(detected)" not in run(tmp_path / "x.txt", tmp_path / "x.spacy", "-d", "news", "-s", "iob1")[1]


def test_raw(tmp_path):
    (tmp_path / "raw.txt").write_text("Nets learn.\n", encoding="utf8")
    code, output = run(tmp_path / "raw.txt", tmp_path / "raw.spacy", "-d", "ai", "--raw")
    assert code == 0
    assert "1 sentences, 3 tokens, no annotation (raw.txt: plain text)" in output
    code, output = run(tmp_path / "raw.txt", tmp_path / "raw.spacy", "-d", "ai")
    assert code == 1
    assert "--raw" in output


def test_folder_of_jsonl(tmp_path):
    (tmp_path / "in").mkdir()
    records = [{"text": "Ada", "answer": "accept"}, {"text": "Bob", "answer": "ignore"}]
    (tmp_path / "in" / "dev.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf8")
    code, output = run(tmp_path / "in", tmp_path / "out", "-d", "ai")
    assert code == 0
    assert "dev.spacy: 1 sentences" in output
    assert "dev.jsonl: 1 records left out for their answer, 'ignore'" in output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--map", "PER"], "'PER' is not of the form OLD=NEW"),
        (["--map", "=person"], "is not of the form OLD=NEW"),
        (["--map", "PER=a", "--map", "PER=b"], "'PER' gets two names, 'a' and 'b'"),
        (["--scheme", "iob3"], "iob3"),
        (["--format", "xml"], "xml"),
    ],
)
def test_wrong_options(columns, tmp_path, options, message):
    code, output = run(columns, tmp_path / "out.spacy", "--domain", "news", *options)
    assert code == 2
    assert message in output


def test_the_domain_must_be_given(columns, tmp_path):
    assert run(columns, tmp_path / "out.spacy")[0] == 2


def test_the_same_command_stands_under_spacy(columns, tmp_path):
    from spacy.cli._util import app as spacy_app

    arguments = ["crossner", "convert", str(columns), str(tmp_path / "out.spacy"), "-d", "news", "--repair"]
    assert CliRunner().invoke(spacy_app, arguments).exit_code == 0
    assert len(read_docbin(tmp_path / "out.spacy", Vocab())) == 2


def test_the_form_and_the_unit_of_json_are_said(tmp_path):
    task = {"data": {"text": "\U0001f600 Ada"}, "annotations": [{"result": []}]}
    value = {"start": 3, "end": 6, "text": "Ada", "labels": ["PER"]}
    task["annotations"][0]["result"].append({"type": "labels", "value": value, "to_name": "text"})
    (tmp_path / "x.json").write_text(json.dumps([task]), encoding="utf8")
    code, output = run(tmp_path / "x.json", tmp_path / "x.spacy", "-d", "ai")
    assert code == 0
    assert "1 entities of 1 types (x.json: jsonl, Label Studio JSON)" in output
    assert "x.json: 1 spans whose offsets count UTF-16 units, read so" in output


def test_an_error_in_a_list_names_its_record(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps([{"text": "Ada", "label": []}, {"text": "Ada", "label": ["x"]}]))
    code, output = run(tmp_path / "x.json", tmp_path / "x.spacy", "-d", "ai")
    assert code == 1
    assert "[C142]" in output
    assert "record 2: found 'label': ['x'], labels of the text" in output


def test_one_file_becomes_three_sets(tmp_path):
    text = "".join(f"[Ada](PER) met {'[Rome](LOC)' if i < 2 else 'nobody'} {i}\n" for i in range(10))
    (tmp_path / "mine.txt").write_text(text, encoding="utf8")
    code, output = run(tmp_path / "mine.txt", tmp_path / "out", "-d", "ai", "--dev", "0.2", "--test", 3, "--seed", 7)
    assert code == 0, output
    for name, sentences, entities in (("train", 5, 6), ("dev", 2, 2), ("test", 3, 4)):
        assert f"{name}.spacy: {sentences} sentences" in output
        assert f"{entities} entities of" in output
        assert len(read_docbin(tmp_path / "out" / f"{name}.spacy", Vocab())) == sentences
    assert "type train dev test" in output
    assert "LOC 1 0 1" in output
    assert "PER 5 2 3" in output
    assert "dev has no entity of the types LOC: there are too few of them" in output
    assert "No dev set" not in output


def test_a_missing_set_is_named_with_what_to_do(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "train.txt").write_text("[Ada](PER) came\n", encoding="utf8")
    code, output = run(tmp_path / "in", tmp_path / "out", "-d", "ai")
    assert code == 0
    assert "There is no dev set, which train and calibrate need. --dev 0.2 takes a fifth of train for it" in output
    assert "There is no test set, which evaluate needs. --test 0.2 takes a fifth of train for it" in output


def test_splits_of_a_person_need_force(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "train.txt").write_text("[Ada](PER) came\n", encoding="utf8")
    (tmp_path / "out" / "dev.spacy").write_bytes(b"mine")
    code, output = run(tmp_path / "in", tmp_path / "out", "-d", "ai")
    assert code == 1
    assert "[C162]" in output
    assert (tmp_path / "out" / "dev.spacy").read_bytes() == b"mine"
    code, output = run(tmp_path / "in", tmp_path / "out", "-d", "ai", "--force")
    assert code == 0
    assert "dev.spacy: deleted; it belonged to another corpus" in output


@pytest.mark.parametrize("size", ["0", "1.5", "-3", "1.0", "half", "nan", "²"])
def test_wrong_sizes(columns, tmp_path, size):
    code, output = run(columns, tmp_path / "out", "-d", "news", "--dev", size)
    assert code == 2
    assert f"'{size}' is neither a fraction between 0 and 1 nor a number of sentences" in output


def test_entities_out_of_reach_are_told(tmp_path):
    tokens = [{"text": "Wahl", "start": 0, "end": 4, "ws": False}, {"text": "2030", "start": 4, "end": 8}]
    record = {"text": "Wahl2030", "tokens": tokens, "spans": [{"start": 0, "end": 4, "label": "X"}]}
    (tmp_path / "x.jsonl").write_text(json.dumps(record), encoding="utf8")
    code, output = run(tmp_path / "x.jsonl", tmp_path / "x.spacy", "-d", "news")
    assert code == 0
    assert "x.spacy: 1 of 1 entities (100.0%) begin or end inside a token of nlp(text)" in output
    assert "'Wahl' in the tokens 'Wahl2030'" in output
