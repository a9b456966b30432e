import json

import pytest
from typer.testing import CliRunner

from spacy_crossner.cli import app


def run(*arguments):
    result = CliRunner().invoke(app, ["select", *map(str, arguments)])
    # Messages are wrapped to the terminal.
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture
def files(tmp_path):
    raw, entities = tmp_path / "raw.txt", tmp_path / "names.tsv"
    raw.write_text("Ada met Ada. It rained. A net broke.\nA NET. It rained .\n", encoding="utf8")
    entities.write_text("Ada\tperson\nnet\tfield\nBob\tperson\n", encoding="utf8")
    return raw, entities


def test_table_and_statistics(files, tmp_path):
    raw, entities = files
    out = tmp_path / "out.txt"
    code, output = run(raw, "--entities", entities, "--types", "field, person", "-o", out)
    assert code == 0, output
    assert "domain-level 4 10 (1.00x) entity-level 1 3 (0.30x) task-level 2 6 (0.60x)" in output
    assert "integrated-level * 5 15 (1.50x)" in output
    assert "5 sentences read, 1 duplicates and 0 excluded sentences skipped" in output
    assert "The levels should grow from task over entity to domain, but have 6, 3 and 10 tokens" in output
    assert "out.txt: 5 sentences, 15 tokens of the integrated level" in output
    assert json.loads((tmp_path / "out.txt.json").read_text(encoding="utf8"))["settings"]["types"] == [
        "field",
        "person",
    ]


def test_every_option(files, tmp_path):
    raw, entities = files
    out, test, dev = tmp_path / "out.txt", tmp_path / "test.txt", tmp_path / "dev.txt"
    test.write_text("Ada met Ada .\n", encoding="utf8")
    dev.write_text("A net broke .\n", encoding="utf8")
    common = [raw, "-e", entities, "-o", out]
    code, output = run(
        *[*common, "--level", "task", "-t", "field", "--min-entities", 3, "--min-special", 1, "--upsample", 3],
        *["--exclude", test, "-x", dev, "--split", "--ignore-case", "--filter-size", 1, "--share", 1],
    )
    assert code == 0, output
    assert out.read_text(encoding="utf8") == "A NET.\n"
    settings = json.loads((tmp_path / "out.txt.json").read_text(encoding="utf8"))["settings"]
    assert settings == {
        "types": ["field"],
        "min_entities": 3,
        "min_special": 1,
        "upsample": 3,
        "split": True,
        "ignore_case": True,
        "filter_size": 1,
        "share": 1.0,
        "raw": ["raw.txt"],
        "entities": "names.tsv",
        "exclude": ["test.txt", "dev.txt"],
    }
    code, output = run(*common, "--level", "domain", "--lines", "--filter-size", 1)
    assert code == 0, output
    assert out.read_text(encoding="utf8") == raw.read_text(encoding="utf8")


def test_an_error_is_one_message_and_a_failure(files, tmp_path):
    raw, entities = files
    entities.write_text("Ada\tperson\n\tfield\n", encoding="utf8")
    code, output = run(raw, "-e", entities, "-o", tmp_path / "out.txt")
    assert code == 1
    assert "[C404]" in output
    assert "line 2: found an empty name" in output
    assert "Traceback" not in output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["names.tsv", "raw.txt"]


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--level", "tasks"], "tasks"), (["--types", "a,,b"], "is not of the form T,...")],
)
def test_wrong_options(files, tmp_path, options, message):
    raw, entities = files
    code, output = run(raw, "-e", entities, "-o", tmp_path / "out.txt", *options)
    assert code == 2
    assert message in output
