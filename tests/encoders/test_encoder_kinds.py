"""`train` and `dapt` take encoders of all common architectures: one step each, and what is saved gives the same."""

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed
from tokenizers import ByteLevelBPETokenizer, SentencePieceUnigramTokenizer
from transformers import (
    AlbertConfig,
    AlbertModel,
    AlbertTokenizerFast,
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    BertTokenizerFast,
    DebertaV2Config,
    DebertaV2Model,
    DebertaV2TokenizerFast,
    DistilBertConfig,
    DistilBertModel,
    DistilBertTokenizerFast,
    ElectraConfig,
    ElectraModel,
    ElectraTokenizerFast,
    ModernBertConfig,
    ModernBertModel,
    MPNetConfig,
    MPNetModel,
    MPNetTokenizerFast,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    RobertaTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaModel,
    XLMRobertaTokenizerFast,
)

from spacy_crossner.dapt.settings import DaptSettings
from spacy_crossner.dapt.train import adapt_encoder

TEXT = ["Ada met Grace in Paris , and the lab of Ada works .", "Nobody came .", "It rained all day in the town ."] * 4
CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,-'?!"
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
POSITIONS = {"max_position_embeddings": 64}
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
BERTS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def word_pieces(tokenizer_class, folder, special):
    pieces = [*special, *CHARACTERS.lower()[:26], *(f"##{c}" for c in CHARACTERS[:26]), *CHARACTERS[52:], "ada", "met"]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(pieces)) + "\n", encoding="utf8")
    return tokenizer_class.from_pretrained(folder, model_max_length=64)


def unigrams(tokenizer_class, folder, special):
    trainer = SentencePieceUnigramTokenizer()
    settings = {"vocab_size": 90, "unk_token": special[3], "special_tokens": special, "show_progress": False}
    trainer.train_from_iterator([*TEXT, *CHARACTERS], initial_alphabet=list(CHARACTERS), **settings)
    trainer.save(str(folder / "unigrams.json"))
    return tokenizer_class(tokenizer_file=str(folder / "unigrams.json"), model_max_length=64)


def byte_pairs(folder, special):
    trainer = ByteLevelBPETokenizer()
    trainer.train_from_iterator(TEXT, vocab_size=300, special_tokens=special, show_progress=False)
    return trainer


def bert(folder):
    return word_pieces(BertTokenizerFast, folder, BERTS), BertModel, BertConfig(**SIZES, **POSITIONS)


def distilbert(folder):
    config = DistilBertConfig(dim=16, n_layers=1, n_heads=2, hidden_dim=32, **POSITIONS)
    return word_pieces(DistilBertTokenizerFast, folder, BERTS), DistilBertModel, config


def distilbert_with_berts_tokenizer(folder):
    return word_pieces(BertTokenizerFast, folder, BERTS), *distilbert(folder)[1:]


def electra(folder):
    config = ElectraConfig(**SIZES, **POSITIONS, embedding_size=12)
    return word_pieces(ElectraTokenizerFast, folder, BERTS), ElectraModel, config


def mpnet(folder):
    tokenizer = word_pieces(MPNetTokenizerFast, folder, [*SPECIAL, "[UNK]"])
    return tokenizer, MPNetModel, MPNetConfig(**SIZES, **POSITIONS)


def albert(folder):
    tokenizer = unigrams(AlbertTokenizerFast, folder, ["<pad>", "[CLS]", "[SEP]", "<unk>", "[MASK]"])
    return tokenizer, AlbertModel, AlbertConfig(**SIZES, **POSITIONS, embedding_size=12)


def deberta(folder):
    tokenizer = unigrams(DebertaV2TokenizerFast, folder, ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"])
    relative = {"relative_attention": True, "position_biased_input": False, "pos_att_type": ["p2c", "c2p"]}
    return tokenizer, DebertaV2Model, DebertaV2Config(**SIZES, **POSITIONS, **relative, type_vocab_size=0)


def roberta(folder):
    byte_pairs(folder, SPECIAL).save_model(str(folder))
    tokenizer = RobertaTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"))
    return tokenizer, RobertaModel, RobertaConfig(**SIZES, max_position_embeddings=66)


def xlm_roberta(folder):
    tokenizer = unigrams(XLMRobertaTokenizerFast, folder, SPECIAL)
    return tokenizer, XLMRobertaModel, XLMRobertaConfig(**SIZES, max_position_embeddings=66)


def modernbert(folder):
    trainer = byte_pairs(folder, ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"])
    names = {f"{name.lower()}_token": f"[{name}]" for name in ("CLS", "PAD", "SEP", "UNK", "MASK")}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=trainer._tokenizer, model_max_length=64, **names)
    ids = {"cls_token_id": 0, "bos_token_id": 0, "pad_token_id": 1, "sep_token_id": 2, "eos_token_id": 2}
    return tokenizer, ModernBertModel, ModernBertConfig(**SIZES, **POSITIONS, **ids)


KINDS = [bert, distilbert, distilbert_with_berts_tokenizer, electra, mpnet, albert, deberta, roberta, xlm_roberta]
KINDS.append(modernbert)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.__name__)
def encoder(request, tmp_path_factory):
    """Give the folder of an encoder with random weights."""
    folder = tmp_path_factory.mktemp(request.param.__name__)
    tokenizer, model_class, config = request.param(folder)
    config.vocab_size = len(tokenizer)
    torch.manual_seed(0)
    for path in folder.iterdir():
        path.unlink()
    model_class(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


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
