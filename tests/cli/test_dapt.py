import pytest
import srsly
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.dapt.masking import Masking
from spacy_crossner.dapt.settings import DaptSettings
from spacy_crossner.dapt.train import DaptReport


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    lines = [f"ada met {a}{b} in paris, in the lab.\n" for a in "abcdef" for b in "ghijk"]
    path.write_text("".join(lines), encoding="utf8")
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["dapt", *map(str, arguments)])


def test_text_in_encoder_out(tiny_encoder, text, tmp_path):
    options = ["--max-steps", 3, "--head-steps", 2, "--block-size", 16, "--batch-size", 4, "--gpu-id", -1]
    result = run(tiny_encoder, text, text, "--output", tmp_path / "out", "--masking", "token", *options)
    assert result.exit_code == 0, result.output
    found = dict(reversed(line.split(maxsplit=1)) for line in result.output.splitlines() if line.startswith(" "))
    assert int(found["lines to train on"]) + int(found["lines held out"]) == 60
    assert "320 tokens seen" in result.output
    looks = [row for row in srsly.read_jsonl(tmp_path / "out" / "log.jsonl") if "held_out_loss" in row]
    assert f"perplexity {looks[0]['perplexity']:.2f} before, {looks[-1]['perplexity']:.2f} after" in result.output
    assert (tmp_path / "out" / "model.safetensors").exists()
    assert "| masking.level | token |" in (tmp_path / "out" / "README.md").read_text()


def test_options_reach_the_function(tmp_path, monkeypatch):
    calls = []

    def adapt(*args, **kwargs):
        calls.append((args, kwargs))
        return DaptReport(tmp_path, {}, [(0, 1.0), (1, 0.5)], 10, 0, 1.0, 10.0, True)

    monkeypatch.setattr("spacy_crossner.dapt.train.adapt_encoder", adapt)
    masking = {
        "level": "token",
        "select_fraction": 0.2,
        "mask_fraction": 0.7,
        "random_fraction": 0.2,
        "whole_words": True,
    }
    settings = {
        "max_steps": 7,
        "epochs": 1.5,
        "head_steps": 3,
        "block_size": 64,
        "batch_size": 8,
        "accumulate": 2,
        "rate": 2e-4,
    }
    settings.update(head_rate=1e-3, warmup=0.1, weight_decay=0.05, held_out=0.2, eval_every=5, save_every=6)
    settings.update(precision="fp32", seed=4)
    options = {"masking": "token", **masking, **settings, "held_out_text": "other.txt", "gpu_id": 0}
    del options["level"], options["whole_words"]
    given = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]
    result = run("an/encoder", "a.txt", "b.txt", "--output", "out", "--whole-words", "--no-resume", *given)
    assert result.exit_code == 0, result.output
    ((args, kwargs),) = calls
    assert [str(args[0]), *map(str, args[1]), str(args[2])] == ["an/encoder", "a.txt", "b.txt", "out"]
    assert kwargs.pop("masking") == Masking(**masking)
    assert kwargs.pop("settings") == DaptSettings(**settings)
    assert {name: str(value) for name, value in kwargs.items()} == {
        "held_out_text": "other.txt",
        "gpu_id": "0",
        "resume": "False",
    }


def test_defaults_are_those_of_the_function(tmp_path, monkeypatch):
    calls = []

    def adapt(*args, **kwargs):
        calls.append(kwargs)
        return DaptReport(tmp_path, {}, [(0, 1.0), (1, 0.5)], 10, 0, 1.0, 10.0, False)

    monkeypatch.setattr("spacy_crossner.dapt.train.adapt_encoder", adapt)
    result = run("an/encoder", "a.txt", "--output", "out")
    assert calls == [
        {
            "masking": Masking(),
            "settings": DaptSettings(),
            "held_out_text": None,
            "gpu_id": None,
            "resume": True,
        }
    ]
    # Of many processes one reports.
    assert result.output == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--masking", "spans"], "C420"),
        (["--select-fraction", "1.5"], "C420"),
        (["--max-steps", "0"], "C425"),
        (["--block-size", "4000"], "C426"),
        (["--gpu-id", "99"], "C429"),
    ],
)
def test_what_is_wrong_is_one_message(tiny_encoder, text, tmp_path, options, message):
    result = run(tiny_encoder, text, "--output", tmp_path / "out", *options)
    assert result.exit_code == 1
    assert message in result.output
    assert not (tmp_path / "out").exists()


def test_an_unknown_encoder_is_one_message(text, tmp_path):
    result = run("no-such-encoder", text, "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert "C005" in result.output
    assert "no-such-encoder" in result.output
