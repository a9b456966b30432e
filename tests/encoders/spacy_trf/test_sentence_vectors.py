"""Sentence vectors against a forward pass of torch alone, and the gradients of both kinds of vectors through it."""

import shutil

import numpy as np
import pytest
import spacy
import srsly
import torch
from spacy.tokens import Doc
from spacy.training import Example
from spacy_transformers.data_classes import TransformerData
from thinc.api import SGD, fix_random_seed

from spacy_crossner.annotations.domains import set_domain, without_annotation
from spacy_crossner.core.likelihood import TagLikelihood
from spacy_crossner.core.losses import LossTerm
from spacy_crossner.encoders.sentence_vectors import with_first_piece
from spacy_crossner.methods.pdaln.mmd import SentenceMMD

LISTENER = {"@architectures": "spacy-transformers.TransformerListener.v1", "pooling": {"@layers": "reduce_mean.v1"}}


class Probe(LossTerm):
    """Weighs sentence vectors and token vectors with fixed numbers, so that both have a gradient."""

    needs_sentences = True

    def __call__(self, inputs):
        self.sentences = inputs.output.sentences.detach().clone()
        weights = torch.linspace(-1, 1, self.sentences.numel()).reshape(self.sentences.shape)
        return (inputs.output.sentences * weights).sum() + 0.3 * inputs.output.tokens.square().sum()


@pytest.fixture
def pipeline(tiny_encoder, annotated_docs, tmp_path):
    fix_random_seed(0)
    still = tmp_path / "still"
    shutil.copytree(tiny_encoder, still)
    settings = srsly.read_json(still / "config.json")
    settings.update(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    srsly.write_json(still / "config.json", settings)
    nlp = spacy.blank("xx")
    spans = {"@span_getters": "spacy_crossner.PieceWindows.v1", "pieces": 12, "overlap": 0}
    model = {"@architectures": "spacy_crossner.TransformerModel.v1", "name": str(still), "get_spans": spans}
    nlp.add_pipe("transformer", config={"model": model})
    ner = nlp.add_pipe("crf_ner", name="ner", config={"model": {"tok2vec": LISTENER}})
    docs = annotated_docs(nlp)
    docs.insert(2, Doc(nlp.vocab))
    examples = [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs[:6]]
    nlp.initialize(lambda: examples)
    ner.losses = {"probe": Probe()}
    return nlp, examples


def encoder_of(nlp):
    return next(node.shims[0]._model for node in nlp.get_pipe("transformer").model.walk() if node.shims)


def torch_vectors(nlp, docs):
    """Return token and sentence vectors of docs from the encoder's own forward pass, window by window."""
    encoder = encoder_of(nlp)
    tokens, sentences = [], []
    for doc in docs:
        data = doc._.trf_data
        pieces = data.wordpieces
        ids, mask = (torch.tensor(np.asarray(part)) for part in (pieces.input_ids, pieces.attention_mask))
        hidden = encoder(input_ids=ids.long(), attention_mask=mask.long()).last_hidden_state
        sentences.append(hidden[:, 0].mean(dim=0))
        flat, place = hidden.flatten(0, 1), 0
        for n in data.align.lengths.tolist():
            rows = torch.as_tensor(np.asarray(data.align.dataXd).reshape(-1)[place : place + n]).long()
            tokens.append(flat[rows].mean(dim=0))
            place += n
    return torch.stack(tokens), torch.stack(sentences)


def test_vectors_and_gradients_are_those_of_torch(pipeline):
    nlp, examples = pipeline
    encoder = encoder_of(nlp)
    probe = nlp.get_pipe("ner").losses["probe"]
    nlp.update(examples, sgd=None)
    found = {name: p.grad.clone() for name, p in encoder.named_parameters() if p.grad is not None}

    docs = [nlp.get_pipe("transformer")(without_annotation(eg.reference, nlp.vocab)) for eg in examples]
    docs = [doc for doc in docs if len(doc)]
    # Some are longer than a window.
    assert max(len(doc._.trf_data.wordpieces.input_ids) for doc in docs) > 1
    encoder.zero_grad()
    tokens, sentences = torch_vectors(nlp, docs)
    torch.testing.assert_close(probe.sentences, sentences.detach(), rtol=1e-4, atol=1e-5)
    weights = torch.linspace(-1, 1, sentences.numel()).reshape(sentences.shape)
    ((sentences * weights).sum() + 0.3 * tokens.square().sum()).backward()
    expected = {name: p.grad for name, p in encoder.named_parameters() if p.grad is not None}
    assert set(expected) == set(found)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5, msg=name)


def test_the_first_piece_of_a_window_is_not_padding():
    # As spacy-transformers' own encoder gives it with a tokenizer that pads on the left.
    data = TransformerData.zeros(3, 4)
    data.model_output["last_hidden_state"] = np.zeros((2, 5, 4), dtype="f")
    data.wordpieces.attention_mask = np.array([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]], dtype="f")
    align = with_first_piece(data).align
    assert align.lengths.tolist() == [1, 1, 1, 2]
    assert align.data.reshape(-1).tolist() == [0, 1, 2, 2, 5]


def test_a_term_that_asks_for_them_brings_domains_together(pipeline):
    nlp, examples = pipeline
    ner = nlp.get_pipe("ner")
    ner.losses = {"mmd": SentenceMMD("ai")}
    for i, example in enumerate(examples):
        set_domain(example.predicted, "ai" if i % 2 else "news")
    nlp.resume_training()
    found = []
    for _ in range(8):
        found.append(nlp.update(examples, sgd=None)["ner.mmd"])
        # `nlp.update` with an optimizer steps the encoder before the head has given it its gradient.
        for _, pipe in nlp.pipeline:
            pipe.finish_update(SGD(0.0001, grad_clip=0.0))
    assert found == sorted(found, reverse=True)
    assert 0 < found[-1] < 0.95 * found[0]


def emissions(nlp, texts):
    docs = [nlp.get_pipe("transformer")(nlp.make_doc(text)) for text in texts]
    return nlp.get_pipe("ner").model.predict(docs).emissions


def test_a_pass_with_sentence_vectors_leaves_no_trace_in_what_is_saved(pipeline):
    nlp, examples = pipeline
    ner = nlp.get_pipe("ner")
    probe, ner.losses = ner.losses, {"nll": TagLikelihood()}
    # The gradients alone, first of a term without sentence vectors.
    nlp.update(examples, sgd=False)
    without = nlp.to_bytes()
    ner.losses = probe
    nlp.update(examples, sgd=False)
    assert ner.losses["probe"].sentences.any()
    assert nlp.to_bytes() == without


def test_a_pipeline_trained_with_sentence_vectors_is_loaded_without_them(pipeline, tmp_path):
    nlp, examples = pipeline
    texts = ["Ada met Grace in Oslo.", "The lamp was still on , all day long , in the station ."]
    untrained = emissions(nlp, texts)
    # The first one moves the head, from which the encoder has its gradient in the second.
    for _ in range(2):
        nlp.update(examples)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert list(loaded.get_pipe("ner").losses) == ["nll"]
    assert torch.equal(emissions(loaded, texts), emissions(nlp, texts))
    assert not torch.equal(emissions(nlp, texts), untrained)
