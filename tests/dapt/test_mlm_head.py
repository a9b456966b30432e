import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    AlbertConfig,
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    GPT2Config,
    MPNetConfig,
    RobertaConfig,
)

from spacy_crossner.dapt.mlm_head import (
    MaskedLanguageModel,
    count_positions,
    head_parameters,
    load_masked_model,
    load_tokenizer,
    save_adapted,
)
from spacy_crossner.errors import CrossnerError

SIZES = {"vocab_size": 99, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
POSITIONS = {"max_position_embeddings": 40}
CONFIGS = {
    "bert": BertConfig(**SIZES, **POSITIONS),
    "roberta": RobertaConfig(**SIZES, **POSITIONS, pad_token_id=1),
    "distilbert": DistilBertConfig(vocab_size=99, dim=16, n_layers=1, n_heads=2, hidden_dim=32, **POSITIONS),
    "electra": ElectraConfig(**SIZES, **POSITIONS, embedding_size=12),
    "mpnet": MPNetConfig(**SIZES, **POSITIONS),
    "albert": AlbertConfig(**SIZES, **POSITIONS, embedding_size=12),
}


def save_encoder(tiny_encoder, folder, config, with_head):
    """Write a model with random weights beside the tiny encoder's tokenizer."""
    shutil.copytree(tiny_encoder, folder)
    torch.manual_seed(1)
    (AutoModelForMaskedLM if with_head else AutoModel).from_config(config).save_pretrained(folder)
    return str(folder)


def batch(n_blocks=3, size=10):
    ids = torch.randint(5, 99, (n_blocks, size), generator=torch.Generator().manual_seed(0))
    positions = torch.tensor([1, 4, 5, 17, 22, 29])
    return ids, positions, torch.arange(40, 46)


def labels_of(ids, positions, targets):
    labels = torch.full((ids.numel(),), -100)
    labels[positions] = targets
    return labels.reshape(ids.shape)


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("with_head", [True, False])
def test_loss_and_gradient_are_those_of_the_whole_output_layer(tiny_encoder, tmp_path, kind, with_head):
    folder = save_encoder(tiny_encoder, tmp_path / kind, CONFIGS[kind], with_head)
    model, is_new = load_masked_model(folder)
    assert is_new != with_head
    ids, positions, targets = batch()
    model.eval()
    # Before the gathering is hooked in.
    expected = len(targets) * model(input_ids=ids, labels=labels_of(ids, positions, targets)).loss
    expected.backward()
    gradients = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    loss = MaskedLanguageModel(model).eval()(ids, positions, targets)
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert len(gradients) > 15
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.grad, gradients.get(name), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", CONFIGS)
def test_an_own_output_layer_is_kept(tiny_encoder, tmp_path, kind):
    folder = save_encoder(tiny_encoder, tmp_path / kind, CONFIGS[kind], with_head=True)
    torch.manual_seed(1)
    original = AutoModelForMaskedLM.from_config(CONFIGS[kind]).eval()
    found, is_new = load_masked_model(folder)
    assert not is_new
    ids, _, _ = batch()
    torch.testing.assert_close(found.eval()(input_ids=ids).logits, original(input_ids=ids).logits)


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "mpnet"])
def test_a_new_output_layer_begins_as_the_identity_below_the_word_embeddings(tiny_encoder, tmp_path, kind):
    folder = save_encoder(tiny_encoder, tmp_path / kind, CONFIGS[kind], with_head=False)
    model, is_new = load_masked_model(folder)
    assert is_new
    ids, _, _ = batch()
    model.eval()
    with torch.no_grad():
        hidden = model.base_model(input_ids=ids).last_hidden_state
        words = model.get_input_embeddings().weight
        expected = nn.functional.layer_norm(hidden, (16,)) @ words.T
        found = model(input_ids=ids).logits
    # gelu bends a little.
    assert torch.corrcoef(torch.stack([found.ravel(), expected.ravel()]))[0, 1] > 0.98
    assert found.std().item() == pytest.approx(expected.std().item(), rel=0.05)
    assert model.get_output_embeddings().weight is words


def test_a_new_output_layer_is_the_same_each_time(tiny_encoder, tmp_path):
    folder = save_encoder(tiny_encoder, tmp_path / "bert", CONFIGS["bert"], with_head=False)
    one, other = (load_masked_model(folder)[0].state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("kind", ["bert", "electra"])
def test_untied_word_embeddings_are_tied_for_a_new_output_layer(tiny_encoder, tmp_path, kind):
    config = AutoConfig.for_model(**{**CONFIGS[kind].to_dict(), "tie_word_embeddings": False})
    folder = save_encoder(tiny_encoder, tmp_path / kind, config, with_head=False)
    model, is_new = load_masked_model(folder)
    assert is_new
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert not any(weight.shape == (99, 16) for weight in head_parameters(model).values())


def test_a_frozen_encoder_learns_nothing_and_has_no_dropout(tiny_encoder):
    model, _ = load_masked_model(str(tiny_encoder))
    masked = MaskedLanguageModel(model)
    masked.train_parts(encoder=False, embeddings=True)
    masked.train()
    assert not any(module.training for module in model.base_model.modules())
    masked(*batch()).backward()
    learns = {name for name, weight in model.named_parameters() if weight.grad is not None}
    assert learns == set(head_parameters(model))
    assert not any(name.startswith("bert.") for name in learns)
    masked.train_parts(encoder=True, embeddings=True)
    masked.train()
    assert all(module.training for module in model.modules())
    masked(*batch()).backward()
    assert all(weight.grad is not None for weight in model.parameters())
    masked.zero_grad()
    masked.train_parts(encoder=True, embeddings=False)
    masked(*batch()).backward()
    assert {name for name, weight in model.named_parameters() if weight.grad is None} == {
        "bert.embeddings.word_embeddings.weight"
    }


def test_bf16_is_near_fp32_with_gradients_in_fp32(tiny_encoder):
    losses = {}
    for dtype in (torch.float32, torch.bfloat16):
        model, _ = load_masked_model(str(tiny_encoder))
        loss = MaskedLanguageModel(model, dtype).eval()(*batch())
        loss.backward()
        assert all(weight.grad.dtype == torch.float32 for weight in model.parameters())
        losses[dtype] = loss.item()
    assert losses[torch.bfloat16] == pytest.approx(losses[torch.float32], rel=0.02)
    assert losses[torch.bfloat16] != losses[torch.float32]


@pytest.mark.parametrize(
    ("kind", "expected"), [("bert", 40), ("roberta", 38), ("distilbert", 40), ("mpnet", 38), ("albert", 40)]
)
def test_positions_are_those_that_the_encoder_takes(kind, expected):
    model = AutoModelForMaskedLM.from_config(CONFIGS[kind])
    assert count_positions(model) == expected
    model(input_ids=torch.full((1, expected), 7))
    with pytest.raises((IndexError, RuntimeError)):
        model(input_ids=torch.full((1, expected + 1), 7))


def test_a_saved_encoder_is_loaded_with_its_weights_and_output_layer(tiny_encoder, tmp_path):
    model, _ = load_masked_model(str(tiny_encoder))
    before = AutoModel.from_pretrained(tiny_encoder).state_dict()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.25)
    (tmp_path / "saved").mkdir()
    save_adapted(model, AutoTokenizer.from_pretrained(tiny_encoder), str(tiny_encoder), tmp_path / "saved")
    after, info = AutoModel.from_pretrained(tmp_path / "saved", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert after.state_dict().keys() == before.keys()
    for name, weight in after.state_dict().items():
        # Not part of masked language modelling.
        added = 0.0 if name.startswith("pooler.") else 0.25
        torch.testing.assert_close(weight, before[name] + added, msg=name)
    assert AutoTokenizer.from_pretrained(tmp_path / "saved").tokenize("ada") == ["ada"]
    again, is_new = load_masked_model(str(tmp_path / "saved"))
    assert not is_new
    ids, _, _ = batch()
    torch.testing.assert_close(again.eval()(input_ids=ids).logits, model.eval()(input_ids=ids).logits)


def test_no_random_pooler_is_saved(tiny_encoder, tmp_path):
    folder = save_encoder(tiny_encoder, tmp_path / "bert", CONFIGS["bert"], with_head=True)
    model, _ = load_masked_model(folder)
    (tmp_path / "saved").mkdir()
    save_adapted(model, AutoTokenizer.from_pretrained(folder), folder, tmp_path / "saved")
    names = load_file(tmp_path / "saved" / "model.safetensors").keys()
    assert names == model.base_model.state_dict().keys()
    assert not any("pooler" in name for name in names)


def test_an_output_layer_of_another_model_is_named(tiny_encoder, tmp_path):
    folder = tmp_path / "bert"
    shutil.copytree(tiny_encoder, folder)
    (folder / "mlm").mkdir()
    save_file({"cls.predictions.bias": torch.zeros(7)}, folder / "mlm" / "head.safetensors")
    with pytest.raises(CrossnerError, match=r"C082.*head.safetensors holds the output layer of another model"):
        load_masked_model(str(folder))


@pytest.mark.parametrize("name", ["no-such-encoder", "no_such_package/model"])
def test_an_unknown_encoder_is_named(name):
    for load in (load_masked_model, load_tokenizer):
        with pytest.raises(CrossnerError, match=f"C005.*'{name}'"):
            load(name)


def test_an_encoder_without_some_of_its_weights_is_named(tiny_encoder, tmp_path):
    shutil.copytree(tiny_encoder, tmp_path / "cut")
    weights = load_file(tmp_path / "cut" / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, tmp_path / "cut" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CrossnerError, match=r"C082.*lacks weights .*encoder.layer.1.output.dense.weight"):
        load_masked_model(str(tmp_path / "cut"))


def test_a_model_that_predicts_no_masks_is_named(tiny_encoder, tmp_path):
    folder = save_encoder(tiny_encoder, tmp_path / "gpt", BertConfig(**SIZES), with_head=False)
    GPT2Config(vocab_size=99, n_embd=16, n_layer=1, n_head=2).save_pretrained(folder)
    with pytest.raises(CrossnerError, match=r"C082.*gpt2.*decoder-only"):
        load_masked_model(folder)


def test_a_tokenizer_without_a_mask_token_is_named(tiny_encoder, tmp_path):
    shutil.copytree(tiny_encoder, tmp_path / "maskless")
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    tokenizer.mask_token = None
    tokenizer.save_pretrained(tmp_path / "maskless")
    # A class of its own would put one in.
    path = tmp_path / "maskless" / "tokenizer_config.json"
    path.write_text(path.read_text().replace("BertTokenizer", "PreTrainedTokenizerFast"))
    with pytest.raises(CrossnerError, match=r"C421.*mask token"):
        load_tokenizer(str(tmp_path / "maskless"))
