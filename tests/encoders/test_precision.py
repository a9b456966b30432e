"""The number formats of an encoder: what is computed in half precision, and how training with fp16 keeps its range."""

import numpy as np
import pytest
import torch
from thinc.api import SGD

from spacy_crossner.annotations.words import see_words
from spacy_crossner.encoders import precision as module
from spacy_crossner.encoders.encoder import word_encoder
from spacy_crossner.encoders.precision import LossScale, find_dtype

from .encoder_checks import STILL, opened
from .window_checks import make_doc, make_words

CPU = torch.device("cpu")


def opened_still(folder, **settings):
    return opened(folder, transformer_config=STILL, **settings)


def docs():
    return [make_doc(make_words(n, n)) for n in (12, 30, 1)]


def used_in(model, run):
    """Return the types of the outputs of the linear layers."""
    found = set()
    layers = [each for each in word_encoder(model)._model.modules() if isinstance(each, torch.nn.Linear)]
    hooks = [layer.register_forward_hook(lambda layer, inputs, output: found.add(output.dtype)) for layer in layers]
    run()
    for hook in hooks:
        hook.remove()
    return found


def gradients(model):
    named = word_encoder(model)._model.named_parameters()
    return {name: p.grad.clone() for name, p in named if p.grad is not None}


def backward(model, batch, factor=1e-3):
    vectors, _, backprop = word_encoder(model).begin_words(see_words(batch))
    generator = torch.Generator().manual_seed(len(vectors))
    backprop(factor * torch.randn(vectors.shape, generator=generator), None)
    return vectors


@pytest.mark.parametrize(("name", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_half_precision_is_used_and_close(tiny_encoder, name, dtype):
    plain, half = opened_still(tiny_encoder, precision="fp32"), opened_still(tiny_encoder, precision=name)
    assert used_in(half, lambda: half.predict(docs())) == {dtype}
    assert used_in(half, lambda: half.begin_update(docs())) == {dtype}
    assert used_in(plain, lambda: plain.predict(docs())) == {torch.float32}
    found, wanted = (np.concatenate(model.predict(docs())) for model in (half, plain))
    assert found.dtype == np.float32
    assert 0 < np.abs(found - wanted).max() < (0.1 if name == "bf16" else 0.01)
    assert {p.dtype for p in word_encoder(half)._model.parameters()} == {torch.float32}


def test_training_may_have_a_precision_of_its_own(tiny_encoder):
    model = opened_still(tiny_encoder, precision="fp32", train_precision="bf16")
    assert used_in(model, lambda: model.predict(docs())) == {torch.float32}
    assert used_in(model, lambda: model.begin_update(docs())) == {torch.bfloat16}


@pytest.mark.parametrize("is_fast", [True, False])
def test_auto_goes_by_the_device(tiny_encoder, monkeypatch, is_fast):
    monkeypatch.setattr(module, "has_fast_bf16", lambda device: is_fast)
    model = opened_still(tiny_encoder)
    assert used_in(model, lambda: model.predict(docs())) == {torch.bfloat16 if is_fast else torch.float32}
    assert [find_dtype(name, CPU) for name in ("fp32", "bf16", "fp16")] == [None, torch.bfloat16, torch.float16]


def test_what_has_fast_bf16(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    assert module.has_fast_bf16(CPU)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert not module.has_fast_bf16(CPU)
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert not module.has_fast_bf16(CPU)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert not module.has_fast_bf16(torch.device("cuda"))
    assert not module.has_fast_bf16(torch.device("mps"))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_gradients_in_half_precision_are_close(tiny_encoder, precision):
    plain, half = opened_still(tiny_encoder, precision="fp32"), opened_still(tiny_encoder, train_precision=precision)
    for model in (plain, half):
        backward(model, docs())
        # Another pass, whose gradients are added.
        backward(model, docs()[:1], 5e-4)
    scale = word_encoder(half)._loss_scale.scale if precision == "fp16" else 1.0
    found, wanted = gradients(half), gradients(plain)
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        distance = (found[name] / scale - gradient).norm()
        assert distance <= (0.1 if precision == "bf16" else 0.02) * gradient.norm() + 1e-6, name


def test_an_update_in_fp16_is_that_in_fp32(tiny_encoder):
    weights = []
    for precision in ("fp32", "fp16"):
        model = opened_still(tiny_encoder, precision=precision)
        before = {name: p.detach().clone() for name, p in word_encoder(model)._model.named_parameters()}
        backward(model, docs())
        backward(model, docs()[:1])
        model.finish_update(SGD(10.0, L2=0.0, grad_clip=0.0))
        after = dict(word_encoder(model)._model.named_parameters())
        weights.append({name: after[name].detach() - value for name, value in before.items()})
    assert sum(change.any().item() for change in weights[0].values()) > 20
    for name, change in weights[0].items():
        assert (weights[1][name] - change).norm() <= 0.02 * change.norm() + 1e-5, name


def test_an_update_that_overflows_is_left_out(tiny_encoder):
    model = opened_still(tiny_encoder, precision="fp16")
    shim = word_encoder(model)
    before = {name: p.detach().clone() for name, p in shim._model.named_parameters()}
    scale = shim._loss_scale.scale
    backward(model, docs())
    # The second of two passes overflows: both are left out.
    backward(model, docs(), 1e30)
    model.finish_update(SGD(0.1))
    assert shim._loss_scale.scale == scale / 2
    assert all(torch.equal(before[name], p) for name, p in shim._model.named_parameters())
    assert not any(gradient.any() for gradient in gradients(model).values())
    backward(model, docs())
    model.finish_update(SGD(0.1))
    assert any(not torch.equal(before[name], p) for name, p in shim._model.named_parameters())
    assert all(p.isfinite().all() for p in shim._model.parameters())
    assert np.isfinite(np.concatenate(model.predict(docs()))).all()


def test_the_scale_grows_and_shrinks():
    scale = LossScale(scale=8.0, grow_after=3)

    def update(value):
        gradients = [torch.full((2,), 16.0), torch.tensor([1.0, value])]
        before = scale.scale
        is_finite = scale.unscale(gradients)
        if is_finite:
            assert gradients[0].tolist() == [16.0 / before] * 2
        return is_finite, scale.scale

    assert [update(1.0) for _ in range(7)] == [(True, s) for s in (8.0, 8.0, 16.0, 16.0, 16.0, 32.0, 32.0)]
    assert [update(float("inf")), update(float("nan"))] == [(False, 16.0), (False, 8.0)]
    # Counted from the overflow on.
    assert [update(1.0)[1] for _ in range(4)] == [8.0, 8.0, 16.0, 16.0]
    assert scale.unscale([])
    assert scale.scale == 16.0


def test_a_restored_scale_grows_at_the_same_update():
    scale, other = LossScale(scale=8.0, grow_after=3), LossScale(scale=2.0, grow_after=3)
    for _ in range(2):
        scale.unscale([torch.ones(2)])
    other.from_bytes(scale.to_bytes())
    assert other.scale == 8.0
    other.unscale([torch.ones(2)])
    assert other.scale == 16.0
