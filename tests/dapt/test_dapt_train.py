import json
import math
import os
import resource
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import srsly
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForMaskedLM, BertConfig

from spacy_crossner.dapt.adaptation import Adaptation
from spacy_crossner.dapt.checkpoint import DaptCheckpoints
from spacy_crossner.dapt.masking import Masking
from spacy_crossner.dapt.settings import DaptSettings, has_bf16, linear_rate
from spacy_crossner.dapt.train import adapt_encoder
from spacy_crossner.encoders.piece_windows import PieceWindows
from spacy_crossner.encoders.transformer import build_transformer_model
from spacy_crossner.errors import CrossnerError

MASKING = Masking(level="span")
WORD_EMBEDDINGS = "embeddings.word_embeddings"
SETTINGS = DaptSettings(
    max_steps=9,
    head_steps=4,
    block_size=16,
    batch_size=6,
    rate=1e-3,
    held_out=0.1,
    eval_every=4,
    save_every=2,
    log_every=2,
    precision="fp32",
)
STEPS = SETTINGS.head_steps + SETTINGS.max_steps


class Killed(BaseException):
    """What nothing handles, as a kill."""


def write_text(folder):
    path = folder / "text.txt"
    lines = [f"ada met {a} in paris, the {b} works at {c} lab of {a}." for a in "abcdef" for b in "ghijk" for c in "lm"]
    path.write_text("\n".join(lines) + "\n", encoding="utf8")
    return path


@pytest.fixture
def text(tmp_path):
    return write_text(tmp_path)


@pytest.fixture(scope="module")
def whole(tiny_encoder, tmp_path_factory):
    """Give the output of an unbroken run on the same text."""
    folder = tmp_path_factory.mktemp("whole")
    adapt(tiny_encoder, write_text(folder), folder / "out")
    return folder / "out"


@pytest.fixture
def still_encoder(tiny_encoder, tmp_path):
    """Give the folder of the tiny encoder without dropout."""
    folder = tmp_path / "still"
    shutil.copytree(tiny_encoder, folder)
    config = json.loads((folder / "config.json").read_text())
    config.update(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def adapt(encoder, text, output, *, masking=MASKING, resume=True, held_out_text=None, **settings):
    return adapt_encoder(
        str(encoder),
        text,
        output,
        masking=masking,
        settings=replace(SETTINGS, **settings),
        gpu_id=-1,
        resume=resume,
        held_out_text=held_out_text,
    )


def die_at(monkeypatch, step, method="take_step", owner=Adaptation):
    """Let training be cut off before a step is taken, or before another method has an effect."""
    original = getattr(owner, method)

    def dying(self, *args):
        if (self.step if isinstance(self, Adaptation) else args[0].step) == step:
            raise Killed
        return original(self, *args)

    monkeypatch.setattr(owner, method, dying)


def weights_of(output):
    return {
        **load_file(output / "model.safetensors"),
        **{f"head {name}": tensor for name, tensor in load_file(output / "mlm" / "head.safetensors").items()},
    }


def rows_of(output):
    return [{**row, "tokens_per_second": 0} for row in srsly.read_jsonl(output / "log.jsonl")]


def assert_same(output, expected):
    found, wanted = weights_of(output), weights_of(expected)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert rows_of(output) == rows_of(expected)


def test_the_loss_on_held_out_text_falls(still_encoder, tmp_path):
    words = ["ada", "paris", "lab", "works"]
    (tmp_path / "text.txt").write_text("".join(f"{' '.join([words[i % 4]] * (25 + i // 4))}\n" for i in range(40)))
    options = {"max_steps": 300, "batch_size": 24, "rate": 3e-3, "eval_every": 1000, "masking": Masking(level="token")}
    # Its weights are random: no word stands for anything yet.
    options["train_embeddings"] = True
    report = adapt(still_encoder, tmp_path / "text.txt", tmp_path / "out", **options)
    assert [step for step, _ in report.held_out] == [0, 4, 304]
    start, middle, end = (loss for _, loss in report.held_out)
    # The vocabulary has 118 tokens.
    assert start == pytest.approx(math.log(118), rel=0.1)
    assert start > middle
    # Each word is as frequent as the next: to do better than by chance takes a look at what stands beside the mask.
    assert end < 0.7 * math.log(4)


def test_the_adapted_encoder_is_loaded_by_a_pipeline(tiny_encoder, text, tmp_path):
    report = adapt(tiny_encoder, text, tmp_path / "out")
    model = build_transformer_model(str(tmp_path / "out"), PieceWindows())
    model.initialize()
    loaded = model.transformer.state_dict()
    before = AutoModel.from_pretrained(tiny_encoder).state_dict()
    saved = load_file(tmp_path / "out" / "model.safetensors")
    assert all(torch.equal(loaded[name], saved[name]) for name in saved)
    assert loaded.keys() == before.keys()
    changed = {name for name in before if not torch.equal(before[name], saved[name])}
    # Below a new output layer words stay where they are.
    assert changed == {name for name in before if not name.startswith(("pooler.", WORD_EMBEDDINGS))}
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "README.md", "log.jsonl", "mlm"}
    assert not names & {"checkpoint", "work"}
    assert report.tokens == STEPS * 6 * 16
    assert report.resumed_from == 0
    assert report.is_main


def test_the_report_counts_the_corpus(tiny_encoder, text, tmp_path):
    counts = adapt(tiny_encoder, text, tmp_path / "out").counts
    assert counts["lines to train on"] + counts["lines held out"] == 60
    assert 1 <= counts["lines held out"] <= 15
    rest = counts["of these, at the end, in no block"]
    assert counts["tokens to train on"] == counts["blocks to train on"] * 14 + rest
    assert rest < 14


def test_a_short_text_has_more_held_out(tiny_encoder, text, tmp_path):
    counts = adapt(tiny_encoder, text, tmp_path / "out", held_out=1e-6).counts
    assert 1 <= counts["blocks looked at"] <= counts["blocks to train on"]


def test_the_encoder_rests_while_a_new_output_layer_begins(tiny_encoder, text, tmp_path, monkeypatch):
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


def test_an_encoder_with_an_output_layer_needs_no_such_phase(still_encoder, text, tmp_path):
    config = BertConfig.from_pretrained(still_encoder)
    torch.manual_seed(0)
    AutoModelForMaskedLM.from_config(config).save_pretrained(still_encoder)
    adapt(still_encoder, text, tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert {row["phase"] for row in rows if "phase" in row} == {"all"}
    assert rows[-1]["step"] == SETTINGS.max_steps


@pytest.mark.parametrize("has_head", [False, True])
@pytest.mark.parametrize("wanted", [None, False, True])
def test_word_embeddings_are_trained_below_an_output_layer_of_their_own(
    still_encoder, text, tmp_path, has_head, wanted
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


def test_a_share_of_the_weights_is_saved_as_it_was(still_encoder, text, tmp_path):
    before = AutoModel.from_pretrained(still_encoder).state_dict()
    for name, share in (("none", 0.0), ("some", 0.3)):
        adapt(still_encoder, text, tmp_path / name, max_steps=3, weight_interpolation=share)
    none, some = (load_file(tmp_path / name / "model.safetensors") for name in ("none", "some"))
    assert none.keys() == some.keys() == before.keys()
    for name, weights in before.items():
        torch.testing.assert_close(some[name], 0.7 * none[name] + 0.3 * weights)
    query = "encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(some[query], none[query])


def test_an_adapted_encoder_goes_on_with_its_output_layer(still_encoder, text, tmp_path):
    first = adapt(still_encoder, text, tmp_path / "first")
    second = adapt(tmp_path / "first", text, tmp_path / "second", max_steps=2)
    assert [step for step, _ in second.held_out] == [0, 2]
    assert second.held_out[0][1] == pytest.approx(first.held_out[-1][1], abs=1e-6)


def test_the_log_has_losses_over_tokens(tiny_encoder, text, tmp_path):
    report = adapt(tiny_encoder, text, tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    losses = [row for row in rows if "loss" in row]
    assert [row["step"] for row in losses] == [2, 4, 6, 8, 10, 12, 13]
    assert [row["phase"] for row in losses] == ["head"] * 2 + ["all"] * 5
    assert all(row["tokens"] == row["step"] * 6 * 16 for row in rows)
    looks = [row for row in rows if "held_out_loss" in row]
    assert [row["step"] for row in looks] == [0, 4, 8, 12, 13]
    assert [(row["step"], pytest.approx(row["held_out_loss"])) for row in looks] == report.held_out
    assert all(row["perplexity"] == pytest.approx(math.exp(row["held_out_loss"]), rel=1e-6) for row in looks)


@pytest.mark.parametrize("step", [0, 1, 3, 4, 5, 8, 12])
def test_a_killed_run_goes_on_to_the_same_weights(whole, tiny_encoder, text, tmp_path, monkeypatch, step, capsys):
    with monkeypatch.context() as patch:
        die_at(patch, step)
        with pytest.raises(Killed):
            adapt(tiny_encoder, text, tmp_path / "out")
    report = adapt(tiny_encoder, text, tmp_path / "out")
    assert report.resumed_from == step // 2 * 2
    assert ("goes on after" in capsys.readouterr().out) == (step >= 2)
    assert_same(tmp_path / "out", whole)


def test_a_run_may_be_killed_while_it_writes(whole, tiny_encoder, text, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        # The weights of step 6 are written, the rest is not.
        original = srsly.write_msgpack

        def dying(path, content):
            if content["step"] == 6:
                raise Killed
            return original(path, content)

        patch.setattr(srsly, "write_msgpack", dying)
        with pytest.raises(Killed):
            adapt(tiny_encoder, text, tmp_path / "out")
    assert adapt(tiny_encoder, text, tmp_path / "out").resumed_from == 4
    assert_same(tmp_path / "out", whole)


def test_two_checkpoints_are_kept_and_a_damaged_one_is_passed_over(
    whole, tiny_encoder, text, tmp_path, monkeypatch, capsys
):
    with monkeypatch.context() as patch:
        die_at(patch, 9)
        with pytest.raises(Killed):
            adapt(tiny_encoder, text, tmp_path / "out")
    checkpoints = tmp_path / "out" / "checkpoint"
    assert sorted(path.name for path in checkpoints.iterdir()) == ["6", "8"]
    path = checkpoints / "8" / "optimizer.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert adapt(tiny_encoder, text, tmp_path / "out").resumed_from == 6
    assert "C021" in capsys.readouterr().out
    assert_same(tmp_path / "out", whole)


@pytest.mark.parametrize("change", ["rate", "masking", "text", "held_out_text", "encoder", "no_resume"])
def test_another_run_starts_anew_and_says_why(tiny_encoder, still_encoder, text, tmp_path, monkeypatch, capsys, change):
    with monkeypatch.context() as patch:
        die_at(patch, 5)
        with pytest.raises(Killed):
            adapt(tiny_encoder, text, tmp_path / "out")
    encoder, options = tiny_encoder, {}
    if change == "rate":
        options, said = {"rate": 1e-4}, "rate"
    elif change == "masking":
        options, said = {"masking": Masking(level="token")}, "masking.level"
    elif change == "text":
        text.write_text(text.read_text() + "one more line of text.\n")
        said = "the text"
    elif change == "held_out_text":
        options, said = {"held_out_text": text}, "the held-out text"
    elif change == "encoder":
        encoder, said = still_encoder, "the encoder"
        model = AutoModel.from_pretrained(tiny_encoder)
        model.embeddings.word_embeddings.weight.data += 1.0
        model.save_pretrained(still_encoder)
    else:
        options, said = {"resume": False}, ""
    capsys.readouterr()
    assert adapt(encoder, text, tmp_path / "out", max_steps=1, **options).resumed_from == 0
    assert said in " ".join(capsys.readouterr().out.split())


def test_length_in_passes_over_the_text(tiny_encoder, text, tmp_path):
    by_steps = adapt(tiny_encoder, text, tmp_path / "steps")
    n_blocks = by_steps.counts["blocks to train on"]
    by_epochs = adapt(tiny_encoder, text, tmp_path / "epochs", epochs=2.5, max_steps=1)
    steps = by_epochs.tokens / SETTINGS.block_size / SETTINGS.batch_size - SETTINGS.head_steps
    assert steps == round(2.5 * n_blocks / SETTINGS.batch_size)
    assert DaptSettings(epochs=0.01).for_blocks(8).max_steps == 1


def test_what_does_not_touch_the_weights_may_change(whole, tiny_encoder, text, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        die_at(patch, 5)
        with pytest.raises(Killed):
            adapt(tiny_encoder, text, tmp_path / "out")
    report = adapt(tiny_encoder, text, tmp_path / "out", save_every=50, eval_every=50, log_every=5)
    assert report.resumed_from == 4
    found, wanted = weights_of(tmp_path / "out"), weights_of(whole)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_seeds_have_results_of_their_own(tiny_encoder, text, tmp_path):
    found = []
    for run, seed in enumerate((0, 0, 1)):
        report = adapt(tiny_encoder, text, tmp_path / f"out-{run}", seed=seed)
        found.append((weights_of(tmp_path / f"out-{run}")["encoder.layer.0.output.dense.weight"], report.held_out[0]))
    assert torch.equal(found[0][0], found[1][0])
    assert not torch.equal(found[0][0], found[2][0])
    # They are looked at with the same text and masks.
    assert found[0][1] == found[2][1]


@pytest.mark.parametrize("accumulate", [2, 4])
def test_accumulation_makes_no_difference(still_encoder, text, tmp_path, accumulate):
    # Not in proportion to a rounding error, as Adam's steps would be.
    reports = [adapt(still_encoder, text, tmp_path / str(n), accumulate=n, rate=1e-4) for n in (1, accumulate)]
    assert reports[1].held_out[-1][1] == pytest.approx(reports[0].held_out[-1][1], abs=1e-5)
    losses = [[row["loss"] for row in rows_of(tmp_path / str(n)) if "loss" in row] for n in (1, accumulate)]
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)


def test_two_processes_take_the_steps_of_one(still_encoder, text, tmp_path):
    report = adapt(still_encoder, text, tmp_path / "one", rate=1e-4)
    command = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    command += ["--num_machines", "1", "--main_process_port", "0", "--mixed_precision", "no", "--dynamo_backend", "no"]
    command += ["-m", "spacy", "crossner", "dapt", str(still_encoder), str(text), "--output", str(tmp_path / "two")]
    options = {"max_steps": 9, "head_steps": 4, "block_size": 16, "batch_size": 6, "rate": 1e-4, "held_out": 0.1}
    options.update(eval_every=4, save_every=2, precision="fp32", gpu_id=-1)
    command += [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Encoder saved") == 1
    found = [(row["step"], row["held_out_loss"]) for row in rows_of(tmp_path / "two") if "held_out_loss" in row]
    assert [step for step, _ in found] == [step for step, _ in report.held_out]
    assert [loss for _, loss in found] == pytest.approx([loss for _, loss in report.held_out], abs=1e-5)


def test_held_out_text_takes_the_place_of_a_share(still_encoder, text, tmp_path):
    (tmp_path / "other.txt").write_text("zzz qqq (x) & / %\n" * 20)
    long = {"max_steps": 40, "train_embeddings": True}
    report = adapt(still_encoder, text, tmp_path / "out", held_out_text=tmp_path / "other.txt", **long)
    assert report.counts["blocks looked at"] == (20 * 13) // 14
    assert report.counts["lines to train on"] == 60
    share = adapt(still_encoder, text, tmp_path / "share", **long)
    # It is of another kind.
    assert report.held_out[-1][1] > share.held_out[-1][1] + 0.3


def test_the_card_says_what_text_and_which_settings(tiny_encoder, text, tmp_path):
    statistics = {"level": "integrated", "sentences": 60, "tokens": {"domain": 1234}, "files": ["a.txt", "b.txt"]}
    srsly.write_json(tmp_path / "text.txt.json", statistics)
    adapt(tiny_encoder, text, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| level | integrated |" in card
    assert "| tokens.domain | 1234 |" in card
    assert "| files | a.txt, b.txt |" in card
    assert "| masking.level | span |" in card
    assert "| training.rate | 0.001 |" in card
    assert "| blocks looked at |" in card
    for name in ("README.md", "config.json", "tokenizer_config.json", "log.jsonl"):
        assert str(tiny_encoder.parent) not in (tmp_path / "out" / name).read_text()
        assert str(tmp_path) not in (tmp_path / "out" / name).read_text()


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        ("", {}, "C423"),
        ("ada met grace\nada met alan", {}, "C424|C432"),
        ("ada met grace in paris in the lab of arlington", {"held_out_text": "short.txt"}, r"C432.*short\.txt"),
        ("ada met grace", {"held_out_text": "long.txt"}, r"C424.*text\.txt"),
        ("ada met grace in paris in the lab of arlington", {}, "C424|C432"),
        ("ada " * 100, {"block_size": 65}, "C426.*64"),
        ("ada " * 100, {"block_size": 2}, "C426"),
        ("ada " * 100, {"accumulate": 7}, "C430"),
    ],
)
def test_what_cannot_be_trained_on_is_named(tiny_encoder, text, tmp_path, content, settings, message):
    text.write_text(content)
    (tmp_path / "short.txt").write_text("ada")
    (tmp_path / "long.txt").write_text("ada " * 100)
    if "held_out_text" in settings:
        settings = {"held_out_text": tmp_path / settings["held_out_text"]}
    with pytest.raises(CrossnerError, match=message):
        adapt(tiny_encoder, text, tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_an_encoder_is_not_adapted_in_its_own_folder(still_encoder, text):
    before = sorted(path.name for path in still_encoder.iterdir())
    with pytest.raises(CrossnerError, match=r"C433.*still"):
        adapt(still_encoder, text, still_encoder.parent / "." / "still")
    assert sorted(path.name for path in still_encoder.iterdir()) == before


def test_a_gpu_that_is_not_there_is_named(tiny_encoder, text, tmp_path):
    with pytest.raises(CrossnerError, match=r"C429.*99"):
        adapt_encoder(str(tiny_encoder), text, tmp_path / "out", settings=SETTINGS, gpu_id=99)


def test_an_output_that_is_a_file_is_named(tiny_encoder, text, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(CrossnerError, match=r"C092.*out is not replaced: it is a file"):
        adapt(tiny_encoder, text, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_full_disk_is_named_and_leaves_the_checkpoint_and_the_old_encoder(tiny_encoder, text, tmp_path, monkeypatch):
    adapt(tiny_encoder, text, tmp_path / "out", seed=1)
    old = weights_of(tmp_path / "out")
    with monkeypatch.context() as patch:
        die_at(patch, 5)
        with pytest.raises(Killed):
            adapt(tiny_encoder, text, tmp_path / "out")
    # No file may grow to the size of the weights: what the system says is all but what it says of a full disk.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(CrossnerError, match=r"C427.*out"):
            adapt(tiny_encoder, text, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in (tmp_path / "out" / "checkpoint").iterdir() if path.name.isdigit()]
    kept = weights_of(tmp_path / "out")
    assert all(torch.equal(kept[name], old[name]) for name in old)
    assert adapt(tiny_encoder, text, tmp_path / "out").resumed_from == 4
    assert not all(torch.equal(weights_of(tmp_path / "out")[name], old[name]) for name in old)


def test_training_that_diverges_says_so(tiny_encoder, text, tmp_path, monkeypatch):
    original = Adaptation.take_step

    def spoil(self, batch):
        original(self, batch)
        if self.step == 6:
            self.loss.fill_(math.nan)

    monkeypatch.setattr(Adaptation, "take_step", spoil)
    with pytest.raises(CrossnerError, match=r"C431.*step 6"):
        adapt(tiny_encoder, text, tmp_path / "out")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("max_steps", 0),
        ("head_steps", -1),
        ("rate", 0.0),
        ("warmup", 1.5),
        ("held_out", 0.0),
        ("precision", "fp16"),
        ("weight_interpolation", 1.0),
    ],
)
def test_settings_that_make_no_sense(setting, value):
    with pytest.raises(CrossnerError, match=f"C425.*{setting} = {value}"):
        DaptSettings(**{setting: value})


@pytest.mark.parametrize(("total", "warmup"), [(100, 0.06), (7, 0.5), (5, 0.0), (1, 0.06), (4, 1.0)])
def test_the_rate_rises_and_falls(total, warmup):
    rates = [linear_rate(step, total, 2.0, warmup) for step in range(total)]
    peak = rates.index(max(rates))
    assert all(0 < rate <= 2.0 for rate in rates)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert peak <= math.ceil(warmup * total)
    if warmup < 1:
        # As much as at each step after the peak: the step after the last one would have a rate of 0.
        assert rates[-1] == pytest.approx(2.0 / (total - warmup * total), rel=1e-6) or total == 1


def test_precision_is_that_of_the_hardware_unless_set():
    device = torch.device("cpu")
    assert DaptSettings(precision="fp32").dtype(device) == torch.float32
    assert DaptSettings(precision="bf16").dtype(device) == torch.bfloat16
    assert DaptSettings().dtype(device) == (torch.bfloat16 if has_bf16(device) else torch.float32)


def spoil_weights(monkeypatch, step):
    """Let a weight be infinite after a step, as a gradient that is no number leaves it."""
    original = Adaptation.take_step

    def spoil(self, batch):
        original(self, batch)
        if self.step == step:
            with torch.no_grad():
                next(self.model.parameters()).fill_(math.inf)

    monkeypatch.setattr(Adaptation, "take_step", spoil)


@pytest.mark.parametrize(("step", "kept"), [(5, ["2", "4"]), (6, ["2", "4"]), (7, ["4", "6"]), (STEPS, ["10", "12"])])
def test_diverged_weights_are_never_saved(tiny_encoder, text, tmp_path, monkeypatch, step, kept):
    adapt(tiny_encoder, text, tmp_path / "out", seed=1)
    old = weights_of(tmp_path / "out")
    with monkeypatch.context() as patch:
        spoil_weights(patch, step)
        with pytest.raises(CrossnerError, match=r"C431.*at step \d+ .*--rate, 0.001"):
            adapt(tiny_encoder, text, tmp_path / "out")
    found = weights_of(tmp_path / "out")
    assert all(torch.equal(found[name], old[name]) for name in old)
    folder = tmp_path / "out" / "checkpoint"
    assert sorted(path.name for path in folder.iterdir()) == sorted(kept)
    for name in kept:
        saved = {
            **load_file(folder / name / "weights.safetensors"),
            **load_file(folder / name / "optimizer.safetensors"),
        }
        assert all(bool(torch.isfinite(tensor).all()) for tensor in saved.values())
    with pytest.raises(CrossnerError, match=r"C071.*C431"):
        adapt(tiny_encoder, text, tmp_path / "out")
    assert adapt(tiny_encoder, text, tmp_path / "out", rate=1e-4).resumed_from == 0
    assert not (tmp_path / "out" / "diverged.json").exists()


def test_the_step_that_diverged_is_named_whenever_it_is_found(tiny_encoder, text, tmp_path, monkeypatch):
    spoil_weights(monkeypatch, 6)
    with pytest.raises(CrossnerError, match=r"C431.*at step 7 the loss of the masked language model is"):
        adapt(tiny_encoder, text, tmp_path / "out", log_every=10, save_every=100, eval_every=100)


def test_a_finished_encoder_is_kept_while_nothing_changes(still_encoder, text, tmp_path, monkeypatch, capsys):
    adapt(still_encoder, text, tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(Adaptation, "take_step", None)
        assert adapt(still_encoder, text, tmp_path / "out").is_kept
    assert "nothing changed" in " ".join(capsys.readouterr().out.split())
    path = still_encoder / "model.safetensors"
    weights = load_file(path)
    weights["embeddings.LayerNorm.bias"][3] += 1
    save_file(weights, path, metadata={"format": "pt"})
    assert not adapt(still_encoder, text, tmp_path / "out").is_kept
    assert "not as when it was made: the encoder" in " ".join(capsys.readouterr().out.split())
    (tmp_path / "out" / "README.md").write_text("mine")
    assert not adapt(still_encoder, text, tmp_path / "out").is_kept
