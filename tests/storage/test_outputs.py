"""Commands replace only folders that they have written themselves."""

import pytest
import spacy
from typer.testing import CliRunner

from spacy_crossner.cli import app

CONFIG = """
[nlp]
lang = "en"
pipeline = []
"""


@pytest.fixture
def inputs(tmp_path):
    folder = tmp_path / "inputs"
    folder.mkdir()
    (folder / "config.cfg").write_text(CONFIG)
    (folder / "text.txt").write_text("ada met paris\n" * 99)
    return folder


@pytest.mark.parametrize(
    ("command", "place", "named"),
    [
        ("train", "out/model-best", "out/model-best"),
        ("train", "out/model-last", "out/model-last"),
        ("train", "out/checkpoint", "out/checkpoint"),
        ("dapt", "out", "out"),
        ("dapt", "out/work", "out/work"),
        ("dapt", "out/checkpoint", "out/checkpoint"),
        ("vectors", "out", "out"),
    ],
)
def test_a_folder_of_someone_elses_is_not_replaced(tiny_encoder, inputs, tmp_path, command, place, named):
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "thesis.txt").write_text("years")
    before = sorted((tmp_path / "out").rglob("*"))
    arguments = {
        "train": [inputs / "config.cfg"],
        "dapt": [tiny_encoder, inputs / "text.txt", "--gpu-id", "-1"],
        "vectors": [inputs / "text.txt"],
    }[command]
    result = CliRunner().invoke(app, [command, *map(str, arguments), "--output", str(tmp_path / "out")])
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    assert f"[C092] {tmp_path / named} is not replaced: it holds thesis.txt. Only an empty folder" in said
    assert sorted((tmp_path / "out").rglob("*")) == before


def test_vectors_do_not_take_the_place_of_a_pipeline(inputs, tmp_path):
    spacy.blank("en").to_disk(tmp_path / "out")
    result = CliRunner().invoke(app, ["vectors", str(inputs / "text.txt"), "--output", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "C092" in result.output
    assert spacy.load(tmp_path / "out").pipe_names == []
