"""Encoders for the tests of windows, and the token vectors of a doc by hand."""

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from spacy_crossner.encoders.piece_windows import PieceWindows
from spacy_crossner.encoders.spacy_trf.transformer import build_transformer_model

from ..window_checks import bounds


def make_encoder(folder, get_spans=None, **settings):
    tokenizer = settings.pop("tokenizer_config", {"use_fast": True})
    model = build_transformer_model(str(folder), get_spans or PieceWindows(), tokenizer, **settings)
    model.initialize()
    return model


def pool(output, n=0):
    """Return the token vectors of doc n, as a listener makes them."""
    data = output.doc_data[n]
    hidden = data.model_output.last_hidden_state.reshape((-1, data.width))
    rows = np.split(data.align.dataXd, np.cumsum(data.align.lengths)[:-1])
    return np.array([hidden[part].mean(axis=0) if len(part) else np.zeros(data.width, "f") for part in rows])


def vectors_by_hand(folder, doc, windows, maximum=64):
    """Return the token vectors of a doc as a tensor, one window after the other with transformers alone."""
    tokenizer, encoder = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    best = [(-1, None)] * len(doc)
    for start, end in windows:
        span = doc[start:end]
        pieces = tokenizer(span.text, return_offsets_mapping=True, verbose=False)
        *ids, last = pieces["input_ids"]
        hidden = encoder(torch.tensor([[*ids[: maximum - 1], last]])).last_hidden_state[0]
        for token in span:
            first = token.idx - span.start_char
            rows = [
                row
                for row, (a, b) in enumerate(pieces["offset_mapping"][: maximum - 1])
                if max(a, first) < min(b, first + len(token.text_with_ws))
            ]
            context = min(token.i - start, end - 1 - token.i)
            if context > best[token.i][0]:
                best[token.i] = (context, hidden[rows].mean(dim=0) if rows else hidden.new_zeros(hidden.shape[1]))
    return torch.stack([vector for _, vector in best])


def assert_by_hand(folder, model, doc, maximum=64):
    output = model.predict([doc])
    with torch.no_grad():
        expected = vectors_by_hand(folder, doc, bounds(output.spans[0]), maximum).numpy()
    np.testing.assert_allclose(pool(output), expected, atol=2e-6)
    return expected
