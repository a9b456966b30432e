"""Windows are encoded in chunks of a bounded size, and in training all at once."""

import numpy as np
import pytest
import torch
from thinc.api import reduce_mean
from transformers import AutoModel

from spacy_crossner.encoders.piece_windows import PieceWindows
from spacy_crossner.encoders.spacy_trf.transformer import build_tok2vec_transformer

from ..window_checks import bounds, make_doc, make_words
from .window_encoders import make_encoder, pool, vectors_by_hand


@pytest.mark.parametrize("settings", [{}, {"output_hidden_states": True, "output_attentions": True}])
def test_chunks_give_what_one_pass_gives(tiny_encoder, settings):
    if settings:
        settings = {**settings, "attn_implementation": "eager"}
    model = make_encoder(tiny_encoder, transformer_config=settings)
    docs = [make_doc(make_words(n, n)) for n in (3, 0, 150, 1, 7, 90)]
    shim = model.layers[0].shims[0]
    outputs = {}
    for shim.max_pieces in (1, 100, 10**9):
        outputs[shim.max_pieces] = model.predict(docs)
    whole = outputs.pop(10**9)
    mask = whole.wordpieces.attention_mask.astype(bool)
    assert mask.shape[0] > 10
    for output in outputs.values():
        assert list(output.model_output) == list(whole.model_output)
        for name, expected in whole.model_output.items():
            found = output.model_output[name]
            pairs = zip(found, expected, strict=True) if isinstance(expected, tuple) else [(found, expected)]
            for a, b in pairs:
                assert (a.shape, a.dtype) == (b.shape, b.dtype)
                if a.dim() == 3:
                    a, b = a[mask], b[mask]
                elif a.dim() == 4:
                    a, b = (x.transpose(1, 2)[mask] for x in (a, b))
                torch.testing.assert_close(a, b, rtol=0, atol=2e-6)
        for i in range(len(docs)):
            if len(docs[i]):
                np.testing.assert_allclose(pool(output, i), pool(whole, i), atol=2e-6)


def test_less_than_a_chunk_is_one_pass(tiny_encoder, monkeypatch):
    model = make_encoder(tiny_encoder)
    docs = [make_doc(make_words(n, n)) for n in (3, 5, 7)]
    sizes = []
    forward = model.transformer.forward

    def record(**kwargs):
        sizes.append(tuple(kwargs["input_ids"].shape))
        return forward(**kwargs)

    monkeypatch.setattr(model.transformer, "forward", record)
    output = model.predict(docs)
    pieces = output.wordpieces
    assert sizes == [pieces.input_ids.shape]
    with torch.no_grad():
        direct = AutoModel.from_pretrained(tiny_encoder).eval()(
            input_ids=torch.tensor(pieces.input_ids), attention_mask=torch.tensor(pieces.attention_mask)
        )
    assert torch.equal(output.model_output.last_hidden_state, direct.last_hidden_state)

    sizes.clear()
    model.layers[0].shims[0].max_pieces = 256
    n_windows = len(model.predict([make_doc(make_words(2000))]).wordpieces)
    assert n_windows > 100
    assert sum(rows for rows, _ in sizes) == n_windows
    assert max(rows * width for rows, width in sizes) <= 256


def test_a_longer_doc_needs_no_more_than_its_chunk(tiny_encoder, monkeypatch):
    """What the encoder holds at once: the windows in its hands, whatever the doc's length."""
    model = make_encoder(tiny_encoder, max_pieces=128)
    largest = []
    layer = model.transformer.encoder.layer[0]
    layer.register_forward_hook(lambda module, inputs, output: largest.append(inputs[0].numel()))
    seen = []
    for n in (100, 1000):
        model.predict([make_doc(make_words(n))])
        seen.append(max(largest))
        largest.clear()
    assert seen[0] == seen[1] <= 128 * 16


def test_training_runs_all_windows_at_once(tiny_encoder):
    quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    doc = make_doc(make_words(150))
    model = build_tok2vec_transformer(
        str(tiny_encoder), PieceWindows(), reduce_mean(), transformer_config=quiet, max_pieces=1
    )
    model.initialize(X=[doc])
    (vectors,), backprop = model.begin_update([doc])
    weight = np.random.default_rng(0).normal(size=vectors.shape).astype("f")
    backprop([weight])
    encoder = model.layers[0].layers[0]
    found = {name: p.grad for name, p in encoder.transformer.named_parameters() if p.grad is not None}

    windows = bounds(encoder.predict([doc]).spans[0])
    assert len(windows) > 5
    by_hand = AutoModel.from_pretrained(tiny_encoder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AutoModel, "from_pretrained", lambda folder: by_hand)
        expected = vectors_by_hand(tiny_encoder, doc, windows)
    (expected * torch.tensor(weight)).sum().backward()
    np.testing.assert_allclose(vectors, expected.detach(), atol=2e-6)
    gradients = {name: p.grad for name, p in by_hand.named_parameters() if p.grad is not None}
    assert len(gradients) > 30
    for name, gradient in gradients.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-4)
