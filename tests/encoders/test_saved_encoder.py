"""Encoders that were saved under transformers 4 and 5 give the same pieces and vectors under both.

`saved_encoders/4` was written under transformers 4.53.2 and `saved_encoders/5` under 5.24.0. They hold encoders with
random weights from `small_encoders`, in the form in which a pipeline saves them, the pieces of `TEXTS`, and the
vectors of the first text.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
import srsly
import torch

from spacy_crossner.encoders.opening import open_encoder
from spacy_crossner.encoders.saved_encoder import (
    encoder_to_saved,
    make_encoder,
    tokenizer_from_saved,
    tokenizer_to_saved,
)
from spacy_crossner.encoders.serialization import module_from_bytes, weights_dtype
from spacy_crossner.errors import CrossnerError

FOLDER = Path(__file__).with_name("saved_encoders")
TEXTS = [
    "Ada met Grace in Paris, and it rained.",
    "  two  spaces\nand lines",
    "Ünïcödé ÀB İstanbul 漢字 한국어",
    "[MASK] <mask> don't 1,234.5!?",
    "",
    "<s>Ada</s> [CLS]",
    "lab-works",
]


@pytest.mark.parametrize("kind", ["albert", "bert", "modernbert"])
@pytest.mark.parametrize("version", ["4", "5"])
def test_pieces_and_vectors_stay_the_same(version, kind):
    saved = srsly.read_msgpack(FOLDER / version / f"{kind}.msgpack")
    tokenizer, config = tokenizer_from_saved(saved)
    assert [tokenizer(text)["input_ids"] for text in TEXTS] == saved["ids"]
    # As it is saved again.
    again, _ = tokenizer_from_saved(tokenizer_to_saved(tokenizer, config))
    assert [again(text)["input_ids"] for text in TEXTS] == saved["ids"]
    model = make_encoder(config, saved["attention"], weights_dtype(saved["weights"])).eval()
    module_from_bytes(model, saved["weights"], torch.device("cpu"))
    with torch.no_grad():
        vectors = model(torch.tensor(saved["ids"][:1])).last_hidden_state.numpy()
    wanted = np.frombuffer(saved["vectors"], dtype="<f4").reshape(vectors.shape)
    assert np.abs(wanted).max() > 1
    np.testing.assert_allclose(vectors, wanted, atol=5e-6)


def test_a_saved_tokenizer_without_a_vocabulary_is_refused():
    saved = srsly.read_msgpack(FOLDER / "5" / "bert.msgpack")
    del saved["tokenizer"]["tokenizer.json"]
    with pytest.raises(CrossnerError, match=r"C082.*'saved in this pipeline' cannot be used"):
        tokenizer_from_saved(saved)


def test_the_folder_of_an_encoder_is_not_saved(tiny_encoder, tmp_path):
    """Two pipelines with the same weights have the same bytes, wherever their encoders came from."""
    saved = []
    for name in ("a", "longer name"):
        shutil.copytree(tiny_encoder, tmp_path / name)
        saved.append(srsly.msgpack_dumps(encoder_to_saved(*open_encoder(str(tmp_path / name), {}, {}))))
    assert saved[0] == saved[1]
    assert str(tmp_path).encode() not in saved[0]
