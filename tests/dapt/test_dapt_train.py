import math
import os
import socket
from contextlib import redirect_stdout
from multiprocessing import get_context

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForMaskedLM, BertConfig

from spacy_crossner.cli import app
from spacy_crossner.dapt.checkpoint import DaptCheckpoints
from spacy_crossner.dapt.masking import Masking
from spacy_crossner.dapt.settings import DaptSettings
from spacy_crossner.encoders.opening import open_encoder

WORD_EMBEDDINGS = "embeddings.word_embeddings"


def test_the_loss_on_held_out_text_falls(adapt, still_encoder, tmp_path):
    words = ["ada", "paris", "lab", "works"]
    (tmp_path / "text.txt").write_text("".join(f"{' '.join([words[i % 4]] * (25 + i // 4))}\n" for i in range(40)))
    options = {
        "max_steps": 160,
        "batch_size": 24,
        "rate": 1e-2,
        "eval_every": 1000,
        "save_every": 1000,
        "masking": Masking(level="token"),
    }
    # Its weights are random: no word stands for anything yet.
    options["train_embeddings"] = True
    report = adapt(still_encoder, tmp_path / "text.txt", tmp_path / "out", **options)
    assert [step for step, _ in report.held_out] == [0, 4, 164]
    start, middle, end = (loss for _, loss in report.held_out)
    # The vocabulary has 118 tokens.
    assert start == pytest.approx(math.log(118), rel=0.1)
    assert start > middle
    # Each word is as frequent as the next: to do better than by chance takes a look at what stands beside the mask.
    assert end < 0.7 * math.log(4)


def test_the_adapted_encoder_is_loaded_by_a_pipeline(whole_run, dapt_settings, tiny_encoder):
    output, report = whole_run
    loaded = open_encoder(str(output), {}, {}).model.state_dict()
    before = AutoModel.from_pretrained(tiny_encoder).state_dict()
    saved = load_file(output / "model.safetensors")
    assert all(torch.equal(loaded[name], saved[name]) for name in saved)
    assert loaded.keys() == before.keys()
    changed = {name for name in before if not torch.equal(before[name], saved[name])}
    # Below a new output layer words stay where they are.
    assert changed == {name for name in before if not name.startswith(("pooler.", WORD_EMBEDDINGS))}
    names = {path.name for path in output.iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "README.md", "log.jsonl", "mlm"}
    assert not names & {"checkpoint", "work"}
    assert report.tokens == (dapt_settings.head_steps + dapt_settings.max_steps) * 6 * 16
    assert report.resumed_from == 0
    assert report.is_main


def test_the_report_counts_the_corpus(whole_run):
    counts = whole_run[1].counts
    assert counts["lines to train on"] + counts["lines held out"] == 60
    assert 1 <= counts["lines held out"] <= 15
    rest = counts["unused tokens at the end"]
    assert counts["tokens to train on"] == counts["blocks to train on"] * 14 + rest
    assert rest < 14


def test_a_short_text_has_more_held_out(adapt, tiny_encoder, text, tmp_path):
    counts = adapt(tiny_encoder, text, tmp_path / "out", held_out=1e-6).counts
    assert 1 <= counts["held-out blocks"] <= counts["blocks to train on"]


def test_the_encoder_rests_while_a_new_output_layer_begins(adapt, tiny_encoder, text, tmp_path, monkeypatch):
    states = {}
    monkeypatch.setattr(DaptCheckpoints, "write", lambda self, state: states.update({state.step: copy_of(state)}))
    adapt(tiny_encoder, text, tmp_path / "out")
    start, end, later = (states[step] for step in (2, 4, 6))
    moved = {name for name in start if not torch.equal(start[name], end[name])}
    assert moved
    assert not any(name.startswith("model.bert.") for name in moved)
    kept = {f"model.bert.{WORD_EMBEDDINGS}.weight"}
    assert {name for name in start if not torch.equal(end[name], later[name])} == start.keys() - kept


def copy_of(state):
    return {name: weight.detach().clone() for name, weight in state.weights.items()}


def test_an_encoder_with_an_output_layer_needs_no_such_phase(
    adapt, rows_of, dapt_settings, still_encoder, text, tmp_path
):
    config = BertConfig.from_pretrained(still_encoder)
    torch.manual_seed(0)
    AutoModelForMaskedLM.from_config(config).save_pretrained(still_encoder)
    adapt(still_encoder, text, tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert {row["phase"] for row in rows if "phase" in row} == {"all"}
    assert rows[-1]["step"] == dapt_settings.max_steps


@pytest.mark.parametrize("has_head", [False, True])
@pytest.mark.parametrize("wanted", [None, False, True])
def test_word_embeddings_are_trained_below_an_output_layer_of_their_own(
    adapt, still_encoder, text, tmp_path, has_head, wanted
):
    if has_head:
        torch.manual_seed(0)
        AutoModelForMaskedLM.from_config(BertConfig.from_pretrained(still_encoder)).save_pretrained(still_encoder)
    before = AutoModel.from_pretrained(still_encoder).state_dict()
    adapt(still_encoder, text, tmp_path / "out", max_steps=3, train_embeddings=wanted)
    saved = load_file(tmp_path / "out" / "model.safetensors")
    name = f"{WORD_EMBEDDINGS}.weight"
    assert torch.equal(saved[name], before[name]) == (not has_head if wanted is None else not wanted)
    query = "encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(saved[query], before[query])


def test_a_share_of_the_weights_is_saved_as_it_was(adapt, still_encoder, text, tmp_path):
    before = AutoModel.from_pretrained(still_encoder).state_dict()
    for name, share in (("none", 0.0), ("some", 0.3)):
        adapt(still_encoder, text, tmp_path / name, max_steps=3, weight_interpolation=share)
    none, some = (load_file(tmp_path / name / "model.safetensors") for name in ("none", "some"))
    assert none.keys() == some.keys() == before.keys()
    for name, weights in before.items():
        torch.testing.assert_close(some[name], 0.7 * none[name] + 0.3 * weights)
    query = "encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(some[query], none[query])


def test_an_adapted_encoder_goes_on_with_its_output_layer(adapt, still_encoder, text, tmp_path):
    first = adapt(still_encoder, text, tmp_path / "first")
    second = adapt(tmp_path / "first", text, tmp_path / "second", max_steps=2)
    assert [step for step, _ in second.held_out] == [0, 2]
    assert second.held_out[0][1] == pytest.approx(first.held_out[-1][1], abs=1e-6)


def test_the_log_has_losses_over_tokens(rows_of, whole_run):
    output, report = whole_run
    rows = rows_of(output)
    losses = [row for row in rows if "loss" in row]
    assert [row["step"] for row in losses] == [2, 4, 6, 8, 10, 12, 13]
    assert [row["phase"] for row in losses] == ["head"] * 2 + ["all"] * 5
    assert all(row["tokens"] == row["step"] * 6 * 16 for row in rows)
    looks = [row for row in rows if "held_out_loss" in row]
    assert [row["step"] for row in looks] == [0, 4, 8, 12, 13]
    assert [(row["step"], pytest.approx(row["held_out_loss"])) for row in looks] == report.held_out
    assert all(row["perplexity"] == pytest.approx(math.exp(row["held_out_loss"]), rel=1e-6) for row in looks)


def test_length_in_passes_over_the_text(adapt, dapt_settings, whole_run, tiny_encoder, text, tmp_path):
    n_blocks = whole_run[1].counts["blocks to train on"]
    by_epochs = adapt(tiny_encoder, text, tmp_path / "epochs", epochs=1.5, max_steps=1)
    steps = by_epochs.tokens / dapt_settings.block_size / dapt_settings.batch_size - dapt_settings.head_steps
    assert steps == round(1.5 * n_blocks / dapt_settings.batch_size)
    assert DaptSettings(epochs=0.01).for_blocks(8).max_steps == 1


def test_seeds_have_results_of_their_own(adapt, assert_same, weights_of, whole_run, tiny_encoder, text, tmp_path):
    whole, whole_report = whole_run
    adapt(tiny_encoder, text, tmp_path / "same")
    assert_same(tmp_path / "same", whole)
    report = adapt(tiny_encoder, text, tmp_path / "other", seed=1)
    name = "encoder.layer.0.output.dense.weight"
    assert not torch.equal(weights_of(tmp_path / "other")[name], weights_of(whole)[name])
    # Both are evaluated on the same text with the same masks.
    assert report.held_out[0] == whole_report.held_out[0]


def test_accumulation_makes_no_difference(adapt, rows_of, still_run, still_encoder, text, tmp_path):
    output, report = still_run
    losses = [row["loss"] for row in rows_of(output) if "loss" in row]
    for accumulate in (2, 4):
        folder = tmp_path / str(accumulate)
        other = adapt(still_encoder, text, folder, accumulate=accumulate, rate=1e-4)
        assert other.held_out[-1][1] == pytest.approx(report.held_out[-1][1], abs=1e-5)
        assert [row["loss"] for row in rows_of(folder) if "loss" in row] == pytest.approx(losses, abs=1e-5)


def run_process(rank, port, arguments, output):
    """Run the command as one of two processes, in the surroundings that `accelerate launch --cpu` makes for each."""
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", LOCAL_WORLD_SIZE="2")
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), ACCELERATE_USE_CPU="true")
    AcceleratorState._reset_state(reset_partial_state=True)
    with output.open("w", encoding="utf8") as file, redirect_stdout(file):
        app(arguments, standalone_mode=False)


def test_two_processes_take_the_steps_of_one(rows_of, still_run, still_encoder, text, tmp_path):
    options = {"max_steps": 9, "head_steps": 4, "block_size": 16, "batch_size": 6, "rate": 1e-4, "held_out": 0.1}
    options.update(eval_every=4, save_every=2, precision="fp32", gpu_id=-1)
    arguments = ["dapt", str(still_encoder), str(text), "--output", str(tmp_path / "two")]
    arguments += [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Forked, as processes that import everything anew take ten times as long.
    context = get_context("fork")
    printed = [tmp_path / "0.txt", tmp_path / "1.txt"]
    processes = [context.Process(target=run_process, args=(i, port, arguments, printed[i])) for i in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    assert ["Encoder saved" in path.read_text(encoding="utf8") for path in printed] == [True, False]
    expected = still_run[1].held_out
    losses = [(row["step"], row["held_out_loss"]) for row in rows_of(tmp_path / "two") if "held_out_loss" in row]
    assert [step for step, _ in losses] == [step for step, _ in expected]
    assert [loss for _, loss in losses] == pytest.approx([loss for _, loss in expected], abs=1e-5)


def test_held_out_text_takes_the_place_of_a_share(adapt, still_encoder, text, tmp_path):
    (tmp_path / "other.txt").write_text("zzz qqq (x) & / %\n" * 20)
    long = {"max_steps": 40, "save_every": 100, "train_embeddings": True}
    report = adapt(still_encoder, text, tmp_path / "out", held_out_text=tmp_path / "other.txt", **long)
    assert report.counts["held-out blocks"] == (20 * 13) // 14
    assert report.counts["lines to train on"] == 60
    share = adapt(still_encoder, text, tmp_path / "share", **long)
    # It is of another kind.
    assert report.held_out[-1][1] > share.held_out[-1][1] + 0.3


def test_the_card_says_what_text_and_which_settings(whole, tiny_encoder):
    card = (whole / "README.md").read_text()
    assert "| level | integrated |" in card
    assert "| tokens.domain | 1234 |" in card
    assert "| files | a.txt, b.txt |" in card
    assert "| masking.level | span |" in card
    assert "| training.rate | 0.001 |" in card
    assert "| held-out blocks |" in card
    for name in ("README.md", "config.json", "tokenizer_config.json", "log.jsonl"):
        assert str(tiny_encoder.parent) not in (whole / name).read_text()
        assert str(whole.parent) not in (whole / name).read_text()
