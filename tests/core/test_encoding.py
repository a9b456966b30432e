"""Word vectors of a batch as one tensor, from any tok2vec layer."""

import numpy as np
import torch

from spacy_crossner.annotations.words import see_words
from spacy_crossner.core.encoding import begin_words

from ..encoders.encoder_checks import STILL, batch, opened


def test_any_layer_and_ours_give_one_tensor(tiny_encoder):
    model = opened(tiny_encoder, transformer_config=STILL)
    words = see_words(batch()[:4])
    encoding = begin_words(model, words, torch.device("cpu"), with_sentences=True)
    # Of the docs with words.
    assert encoding.sentences.shape == (2, 16)
    wanted = np.concatenate(
        [
            rows[each.places] if each.places is not None else rows
            for rows, each in zip(model.predict(batch()[:4]), words, strict=True)
        ]
    )
    np.testing.assert_allclose(encoding.words, wanted, atol=1e-6)
