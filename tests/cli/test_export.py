import json

import pytest
import spacy
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.evaluation.evaluate import evaluate_files

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def run(*arguments):
    result = CliRunner().invoke(app, ["export", *map(str, arguments)])
    return result, " ".join(result.output.split())


def meta(folder):
    return json.loads((folder / "meta.json").read_text(encoding="utf8"))


def test_figures_are_printed_and_saved(good, tmp_path):
    model, data = good / "model_with_encoder", good / "docs.spacy"
    result, output = run(model, tmp_path / "out", "--backend", "onnx", "--data", data, "--int8")
    assert result.exit_code == 0, output
    figures = meta(tmp_path / "out")["spacy_crossner_export"]
    assert (figures["backend"], figures["int8"], figures["components"]) == ("onnx", True, ["ner"])
    assert figures["data"]["path"] == str(data)
    loaded = spacy.load(tmp_path / "out").meta["spacy_crossner_export"]
    assert loaded["after"] == pytest.approx(figures["after"])
    for key, folder in (("before", model), ("after", tmp_path / "out")):
        assert figures[key]["f"] == round(evaluate_files(str(folder), data)["strict"]["f"], 5)
        assert figures[key]["words_per_second"] > 0
        assert f"{figures[key]['words_per_second']:,.0f}" in output
        assert f"{100 * figures[key]['f']:.2f}" in output


def test_speed_without_data(good, tmp_path):
    result, output = run(good / "model_with_encoder", tmp_path / "out", "--backend", "onnx")
    assert result.exit_code == 0, output
    figures = meta(tmp_path / "out")["spacy_crossner_export"]
    assert figures["data"] is None
    assert set(figures["after"]) == {"words_per_second", "encoder_mb"}
    assert "F1" not in output


def test_refused(good, tmp_path):
    model = good / "model_with_encoder"
    (tmp_path / "full").mkdir()
    for words, expected in [
        ((good / "model", tmp_path / "out", "--backend", "onnx"), "C216"),
        ((model, tmp_path / "out", "--backend", "tensorrt"), "C511"),
        ((model, tmp_path / "full", "--backend", "onnx"), "C217"),
    ]:
        result, output = run(*words)
        assert result.exit_code == 1
        assert expected in output
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".")) == ["full"]


def test_an_exported_pipeline_is_not_exported_again(good, tmp_path):
    assert run(good / "model_with_encoder", tmp_path / "out", "--backend", "onnx")[0].exit_code == 0
    result, output = run(tmp_path / "out", tmp_path / "again", "--backend", "onnx")
    assert result.exit_code == 1
    assert "C216" in output
