import shutil

import pytest
import srsly
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from spacy_crossner.dapt.adaptation import Adaptation
from spacy_crossner.dapt.masking import Masking


@pytest.mark.parametrize("step", [0, 1, 3, 4, 5, 8, 12])
def test_a_killed_run_goes_on_to_the_same_weights(
    adapt, run_killed, assert_same, whole, tiny_encoder, text, tmp_path, step, capsys
):
    run_killed(step, tiny_encoder, text, tmp_path / "out")
    report = adapt(tiny_encoder, text, tmp_path / "out")
    assert report.resumed_from == step // 2 * 2
    assert ("goes on after" in capsys.readouterr().out) == (step >= 2)
    assert_same(tmp_path / "out", whole)


def test_a_run_may_be_killed_while_it_writes(adapt, assert_same, whole, tiny_encoder, text, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        # The weights of step 6 are written, the rest is not.
        original = srsly.write_msgpack

        def dying(path, content):
            if content["step"] == 6:
                raise KeyboardInterrupt
            return original(path, content)

        patch.setattr(srsly, "write_msgpack", dying)
        with pytest.raises(KeyboardInterrupt):
            adapt(tiny_encoder, text, tmp_path / "out")
    assert adapt(tiny_encoder, text, tmp_path / "out").resumed_from == 4
    assert_same(tmp_path / "out", whole)


def test_two_checkpoints_are_kept_and_a_damaged_one_is_passed_over(
    adapt, run_killed, assert_same, whole, tiny_encoder, text, tmp_path, capsys
):
    run_killed(9, tiny_encoder, text, tmp_path / "out")
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
def test_another_run_starts_anew_and_says_why(
    adapt, killed_at_5, tiny_encoder, still_encoder, text, tmp_path, capsys, change
):
    shutil.copytree(killed_at_5, tmp_path / "out")
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


def test_what_does_not_touch_the_weights_may_change(
    adapt, killed_at_5, weights_of, whole, tiny_encoder, text, tmp_path
):
    shutil.copytree(killed_at_5, tmp_path / "out")
    report = adapt(tiny_encoder, text, tmp_path / "out", save_every=50, eval_every=50, log_every=5)
    assert report.resumed_from == 4
    found, wanted = weights_of(tmp_path / "out"), weights_of(whole)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_finished_encoder_is_kept_while_nothing_changes(adapt, still_encoder, text, tmp_path, monkeypatch, capsys):
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
    assert "Changed since it was made: the encoder" in " ".join(capsys.readouterr().out.split())
    (tmp_path / "out" / "README.md").write_text("mine")
    assert not adapt(still_encoder, text, tmp_path / "out").is_kept
