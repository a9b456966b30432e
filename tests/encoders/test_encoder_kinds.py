"""`train` and `dapt` take encoders of all common architectures: one step each, and what is saved gives the same."""

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed
from transformers import AutoModel, AutoTokenizer

from spacy_crossner.dapt.settings import DaptSettings
from spacy_crossner.dapt.train import adapt_encoder

from .small_encoders import KINDS, TEXT, save_encoder


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.__name__)
def encoder(request, tmp_path_factory):
    """Give the folder of an encoder with random weights."""
    return save_encoder(request.param, tmp_path_factory.mktemp(request.param.__name__))


def vectors(nlp):
    docs = [nlp.make_doc(text) for text in ("Ada met Grace in Paris.", "", "It rained", "a-b?! " * 40)]
    docs = list(nlp.get_pipe("transformer").pipe(docs))
    return [rows for rows in nlp.get_pipe("ner").model.get_ref("tok2vec").predict(docs) if len(rows)]


@pytest.mark.spacy_trf
def test_a_pipeline_is_trained_saved_and_loaded(encoder, tmp_path):
    nlp = spacy.blank("xx")
    spans = {"@span_getters": "spacy_crossner.PieceWindows.v1"}
    model = {"@architectures": "spacy_crossner.TransformerModel.v1", "name": str(encoder), "get_spans": spans}
    nlp.add_pipe("transformer", config={"model": model})
    listener = {"@architectures": "spacy-transformers.TransformerListener.v1", "pooling": {"@layers": "reduce_mean.v1"}}
    head = {"@architectures": "spacy_crossner.CRF.v1", "tok2vec": {**listener, "grad_factor": 1.0}}
    nlp.add_pipe("crf_ner", name="ner", config={"model": head})
    tags = ["B-person", "O", "B-person", "O", "B-place", *["O"] * 8]
    gold = Doc(nlp.vocab, words=TEXT[0].split(), ents=tags)
    examples = [Example(nlp.make_doc(TEXT[0]), gold), Example(nlp.make_doc(TEXT[1]), nlp.make_doc(TEXT[1]))]
    fix_random_seed(0)
    optimizer = nlp.initialize(lambda: examples)
    before = {name: p.clone() for name, p in nlp.get_pipe("transformer").model.transformer.named_parameters()}
    losses = nlp.update(examples, sgd=optimizer)
    nlp.update(examples, sgd=optimizer)
    assert np.isfinite(losses["ner"])
    after = dict(nlp.get_pipe("transformer").model.transformer.named_parameters())
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert len(moved) > len(before) // 2
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    ours, theirs = vectors(loaded), vectors(nlp)
    assert len(ours) == 3
    assert all(np.array_equal(a, b) and np.isfinite(a).all() for a, b in zip(ours, theirs, strict=True))
    # Each doc by itself gives what it gives beside longer ones.
    (alone,) = [rows for rows in vectors_of(loaded, "It rained") if len(rows)]
    np.testing.assert_allclose(alone, ours[1], atol=1e-5)


def vectors_of(nlp, text):
    docs = list(nlp.get_pipe("transformer").pipe([nlp.make_doc(text)]))
    return nlp.get_pipe("ner").model.get_ref("tok2vec").predict(docs)


def test_an_encoder_is_adapted(encoder, tmp_path):
    lines = [f"{name} met {other} in Paris , it rained all day ." for name in TEXT[0].split() for other in "abcdef"]
    (tmp_path / "raw.txt").write_text("\n".join(lines), encoding="utf8")
    settings = DaptSettings(block_size=16, batch_size=2, max_steps=1, head_steps=0, rate=1e-2, held_out=0.2)
    report = adapt_encoder(str(encoder), tmp_path / "raw.txt", tmp_path / "out", settings=settings, gpu_id=-1)
    assert all(np.isfinite(loss) for _, loss in report.held_out)
    before, after = (AutoModel.from_pretrained(folder).state_dict() for folder in (encoder, tmp_path / "out"))
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert len(moved) > len(before) // 2
    tokens = [AutoTokenizer.from_pretrained(folder)(TEXT[0])["input_ids"] for folder in (encoder, tmp_path / "out")]
    assert tokens[0] == tokens[1]
