"""Encoders of all common architectures with random weights, and their tokenizers."""

import torch
from tokenizers import ByteLevelBPETokenizer, SentencePieceUnigramTokenizer
from transformers import (
    AlbertConfig,
    AlbertModel,
    AlbertTokenizerFast,
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
    return tokenizer, MPNetModel, MPNetConfig(**SIZES, max_position_embeddings=66)


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


def make_encoder(kind, folder):
    """Return the tokenizer and the model of a kind. The folder takes the files of the vocabulary."""
    tokenizer, model_class, config = kind(folder)
    config.vocab_size = len(tokenizer)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return tokenizer, model_class(config).eval()


def save_encoder(kind, folder):
    """Save the tokenizer and the model of a kind to a folder."""
    tokenizer, model = make_encoder(kind, folder)
    # The files of the vocabulary would be found before those that are saved.
    for path in folder.iterdir():
        path.unlink()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
