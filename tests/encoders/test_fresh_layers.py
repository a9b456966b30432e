"""New random weights for the top layers of an encoder."""

import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    DebertaV2Config,
    DebertaV2Model,
    DistilBertConfig,
    DistilBertModel,
    ModernBertConfig,
    ModernBertModel,
    MPNetConfig,
    MPNetModel,
)

from spacy_crossner.encoders.encoder import build_encoder, word_encoder
from spacy_crossner.encoders.fresh_layers import layers_of, renew_layers
from spacy_crossner.errors import CrossnerError

from .encoder_checks import opened
from .small_encoders import SIZES

DEEP = {**SIZES, "num_hidden_layers": 3, "vocab_size": 50}
KINDS = {
    "bert": lambda: BertModel(BertConfig(**DEEP)),
    "mpnet": lambda: MPNetModel(MPNetConfig(**DEEP)),
    "modernbert": lambda: ModernBertModel(ModernBertConfig(**DEEP, pad_token_id=0)),
    "deberta": lambda: DebertaV2Model(DebertaV2Config(**DEEP)),
    "distilbert": lambda: DistilBertModel(
        DistilBertConfig(vocab_size=50, dim=16, n_layers=3, n_heads=2, hidden_dim=32)
    ),
}


def weights(model):
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [0, 1, 2])
def test_only_the_top_layers_change(kind, n):
    model = KINDS[kind]()
    # As after training: far from new weights.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(7.0)
            parameter._is_hf_initialized = True
    layers, before = layers_of(model), weights(model)
    assert len(layers) == 3
    renew_layers(model, n)
    top = {id(parameter) for layer in layers[3 - n :] for parameter in layer.parameters()}
    for name, parameter in model.named_parameters():
        changed = not torch.equal(parameter, before[name])
        assert changed == (id(parameter) in top), name
        assert not changed or parameter.abs().max() < 2, name


def test_too_many_layers_are_an_error():
    for n in (-1, 4):
        with pytest.raises(CrossnerError, match=f"C503. {n} layers .* has 3 layers"):
            renew_layers(KINDS["bert"](), n)


def test_a_layer_begins_training_with_fresh_layers_and_keeps_them(tiny_encoder):
    plain, fresh = opened(tiny_encoder), opened(tiny_encoder, fresh_layers=1)
    layer = layers_of(word_encoder(fresh).module)[-1]
    ids = {id(parameter) for parameter in layer.parameters()}
    before = weights(word_encoder(plain).module)
    matrices = [(name, p) for name, p in word_encoder(fresh).module.named_parameters() if p.dim() > 1]
    assert {name for name, p in matrices if not torch.equal(p, before[name])} == {
        name for name, p in matrices if id(p) in ids
    }
    again = build_encoder("no_matter", fresh_layers=1).from_bytes(fresh.to_bytes())
    again.initialize()
    kept = weights(word_encoder(again).module)
    assert all(torch.equal(p, kept[name]) for name, p in word_encoder(fresh).module.named_parameters())


def test_layers_are_left_out(tiny_encoder):
    all_layers = len(layers_of(word_encoder(opened(tiny_encoder)).module))
    model = opened(tiny_encoder, transformer_config={"num_hidden_layers": all_layers - 1})
    assert len(layers_of(word_encoder(model).module)) == all_layers - 1
    again = build_encoder("no_matter").from_bytes(model.to_bytes())
    assert len(layers_of(word_encoder(again).module)) == all_layers - 1
