"""Whatever is wrong with an option or an output of a command: one message that names it, nothing left behind."""

import resource

import pytest
from thinc.compat import has_torch_cuda_gpu
from typer.main import get_command
from typer.testing import CliRunner

from spacy_crossner.cli import app

from .calls import CALLS, listing, paths, refused, words_of

OUTPUTS = [
    (command, word)
    for command, text in CALLS.items()
    for word in text.split()
    if word.startswith("{new}") and command not in ("package", "split")
]


@pytest.mark.parametrize(("command", "output"), [*OUTPUTS, ("package", "{new}/packages"), ("split", "{new}/out")])
def test_an_output_that_cannot_be_written_is_named(command, output, good, tmp_path):
    (tmp_path / "file").write_text("mine")
    words = words_of(command, {**paths(good), "new": "{new}"})
    words = [word.replace("{new}", str(tmp_path / "file" if word == output else tmp_path)) for word in words]
    refused(words, tmp_path, "file")
    assert (tmp_path / "file").read_text() == "mine"


# Without `export`, which cannot even load an encoder: its tokenizer is read from a temporary folder.
@pytest.mark.parametrize(
    ("command", "output"),
    [*(each for each in OUTPUTS if each[0] != "export"), ("package", "{new}/packages"), ("split", "{new}/out")],
)
def test_a_full_disk_is_said_and_leaves_nothing(command, output, good, tmp_path):
    words = words_of(command, {**paths(good), "new": tmp_path})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file may hold a byte: what the system says is all but what it says of a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        refused(words, tmp_path, tmp_path.name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    "command",
    [command for command in CALLS if command in ("train", "dapt")]
    + [command for command, text in CALLS.items() if "{model" in text and command not in ("package", "export")],
)
@pytest.mark.skipif(has_torch_cuda_gpu, reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named(command, good, tmp_path):
    words = words_of(command, {**paths(good), "new": tmp_path})
    refused([*words, "--gpu-id", "0"], tmp_path, "GPU")


VALUES = {
    "annotate": ["--block 0", "--processes 0", "--block many", "--output out", "--output out.spacy.txt"],
    "augment": ["--source-times -1", "--source-sentences -1"],
    "bootstrap": ["--samples 3", "--samples many"],
    "compare": ["--seeds a", "--settings none", "--budget soon", "--var a", "--vary no_variable=3", "--methods ,"],
    "convert": ["--lang qq", "--format word", "--scheme mine", "--map person"],
    "dapt": [
        "--rate 0",
        "--rate nan",
        "--select-fraction 2",
        "--select-fraction 0",
        "--max-steps 0",
        "--masking all",
        "--block-size 9999",
        "--precision fp8",
        "--weight-interpolation 2",
        "--held-out 1",
        "--batch-size 0",
    ],
    "evaluate": ["--batch-size 0"],
    "label": ["--threshold 2", "--threshold -1", "--threshold nan", "--uncertain 0", "--to prodigy", "--min-words 3"],
    "package": ["--name 3", "--version one"],
    "report": ["--batch-size 0"],
    "select": ["--share 2", "--share 0", "--filter-size 0", "--upsample 0", "--level all", "--min-entities -1"],
    "silver": ["--sure 0.5", "--sure-outside nan", "--most 0", "--outside all", "--share 2", "--ratio 0", "--lang qq"],
    "self-train": ["--sure 0.5", "--most 0", "--teachers 0", "--rounds 0", "--epochs 0", "--preset huge", "--share 2"],
    "split": ["--sizes a", "--sizes a=1,a=2", "--sizes a=-1", "--sizes a=999"],
    "stats": ["--lang qq"],
    "train": [
        "--epochs 0",
        "--epochs nan",
        "--evaluations 0",
        "--min-steps -1 --epochs 1",
        "--training.max_steps many",
        "--training.batcher.size 0",
        "--training.dropout 7",
        "--nowhere.at_all 3",
        "--training.seed",
        "lonely",
    ],
    "vectors": ["--width 0", "--lang qq", "--architecture glove", "--threads 0", "--epochs 0"],
}


@pytest.mark.parametrize(
    ("command", "option"), [(command, option) for command, options in VALUES.items() for option in options]
)
def test_a_value_out_of_range_is_named(command, option, good, tmp_path):
    words = words_of(command, {**paths(good), "new": tmp_path})
    refused([*words, *option.split()], tmp_path)


def test_every_command_is_in_the_table():
    # `assets` asks the network.
    assert {*CALLS, "assets"} == set(get_command(app).commands)


@pytest.mark.parametrize("command", [command for command in CALLS if command not in ("adapt", "compare")])
def test_the_calls_of_the_table_work(command, good, tmp_path):
    """Otherwise a refusal would say nothing."""
    result = CliRunner().invoke(app, words_of(command, {**paths(good), "new": tmp_path}))
    assert result.exit_code == 0, result.output
    assert listing(tmp_path)
