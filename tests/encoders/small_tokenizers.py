"""Tokenizers of all families, trained in the test on words of several scripts, and an oracle for their pieces."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import spacy
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertTokenizer,
    BertTokenizerFast,
    MPNetTokenizerFast,
    PreTrainedTokenizerFast,
    RobertaTokenizerFast,
)

from .small_encoders import BERTS, SPECIAL, byte_pairs, modernbert

TEXT = """
the The THE of and Ada ada met Paris New York - based U.S. U.S don't can't un believable unbelievable 10 % ,
000 1,000.50
( ) . .. ... ! ? 's 'll n't http://x.org/a_b #tag @user C++ e-mail İstanbul Straße STRASSE naïve naïve Ångström Ångström
ﬁnd Москва москва Ελλάδα Ἑλλάς ЀЍ 東京 大学 東京大学 中 国 カタカナ ｶﾀｶﾅ ひらがな 한국어 한국어 नमस्ते हिन्दी العربية
مُحَمَّد עברית שָׁלוֹם ไทย ສະບາຍດີ ქართული Հայերեն አማርኛ 😀 👩‍🔬 🏳️‍🌈 ½ ² Ⅷ ｆｕｌｌ ①
"""
WORDS = TEXT.split()
SENTENCES = [" ".join(WORDS[start:] + WORDS[:start]) for start in range(0, len(WORDS), 9)]
ALPHABET = sorted(set("".join(WORDS)))
# What a tokenizer may take for its own: special tokens, the marks of pieces, controls, invisible and blank characters.
STRANGE = ["[MASK]", "[CLS]", "[UNK]", "<s>", "</s>", "<mask>", "<pad>", "<unk>", "##ing", "▁", "▁the", "Ġ", "Ġthe"]
STRANGE += ["\u0301", "e\u0301", "\u200d", "\u200b", "\ufeff", "\ufffd", "\x00", "\x07", "a\x1fb", "\u202e", "\xad"]
STRANGE += [
    "a b",
    "New York",
    "a\nb",
    "x" * 150,
    "東" * 120,
    "1" * 40,
    "a\u00a0b",
    "\u00b4",
    "\ufdfa",
    "<mask>s",
    "a<s>",
]

NLP = spacy.blank("xx")


def word_piece(tokenizer_class, special, *, lower):
    trained = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    trained.normalizer = normalizers.BertNormalizer(lowercase=lower)
    trained.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=900, special_tokens=special, initial_alphabet=ALPHABET, show_progress=False
    )
    trained.train_from_iterator(SENTENCES, trainer)
    pieces = sorted(trained.get_vocab(), key=trained.get_vocab().get)
    with TemporaryDirectory() as folder:
        (Path(folder) / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf8")
        return tokenizer_class.from_pretrained(folder, do_lower_case=lower)


def roberta(**settings):
    with TemporaryDirectory() as folder:
        byte_pairs(Path(folder), SPECIAL).save_model(folder)
        return RobertaTokenizerFast(f"{folder}/vocab.json", f"{folder}/merges.txt", **settings)


def sentence_piece(normalizer, pre_tokenizer, special):
    """Return a tokenizer of unigrams, with its special tokens around a text: [begin, padding, end, unknown, mask]."""
    trained = Tokenizer(models.Unigram())
    trained.normalizer, trained.pre_tokenizer = normalizer, pre_tokenizer
    trainer = trainers.UnigramTrainer(
        vocab_size=700, special_tokens=special, unk_token=special[3], initial_alphabet=ALPHABET, show_progress=False
    )
    trained.train_from_iterator(SENTENCES, trainer)
    return in_class(trained, special)


def in_class(trained, special):
    begin, padding, end, unknown, mask = special
    trained.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        special_tokens=[(begin, trained.token_to_id(begin)), (end, trained.token_to_id(end))],
    )
    names = {"cls_token": begin, "pad_token": padding, "sep_token": end, "unk_token": unknown, "mask_token": mask}
    return PreTrainedTokenizerFast(tokenizer_object=trained, **names)


def xlm_roberta():
    split = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    return sentence_piece(normalizers.NFKC(), split, SPECIAL)


def deberta_v3():
    spaces = normalizers.Replace(Regex(" {2,}"), "▁")
    normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.NFKC(), spaces])
    special = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"]
    return sentence_piece(normalizer, pre_tokenizers.Metaspace(), special)


def mm_bert():
    """Return a tokenizer like Gemma's, which marks spaces, but adds none before a word, and splits nothing before."""
    trained = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    special = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=special, show_progress=False)
    trained.train_from_iterator(SENTENCES, trainer)
    trained.normalizer = normalizers.Replace(" ", "▁")
    trained.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    trained.decoder = decoders.ByteFallback()
    return in_class(trained, SPECIAL)


# Each family, and whether it splits a word differently after white space.
FAMILIES = {
    "bert": (lambda: word_piece(BertTokenizerFast, BERTS, lower=False), False),
    "bert_uncased": (lambda: word_piece(BertTokenizerFast, BERTS, lower=True), False),
    "bert_slow": (lambda: word_piece(BertTokenizer, BERTS, lower=True), False),
    "mpnet": (lambda: word_piece(MPNetTokenizerFast, [*SPECIAL, "[UNK]"], lower=True), False),
    "roberta": (lambda: roberta(add_prefix_space=False), True),
    "roberta_prefix": (lambda: roberta(add_prefix_space=True), False),
    "modernbert": (lambda: modernbert(None)[0], True),
    "xlm_roberta": (xlm_roberta, False),
    "deberta_v3": (deberta_v3, False),
    "mm_bert": (mm_bert, True),
}


@cache
def tokenizer_of(family):
    return FAMILIES[family][0]()


def given_words(doc, splits_spaces):
    """Return the words of a doc as they are given to a tokenizer."""
    words, space = [], False
    for token in doc:
        if not token.is_space:
            words.append(" " + token.text if splits_spaces and space and words else token.text)
        space = token.is_space or bool(token.whitespace_)
    return words


def pieces_by_hand(tokenizer, words):
    """Return the pieces of each word, by one call for all words of a doc."""
    if not tokenizer.is_fast:
        return [tokenizer([word], is_split_into_words=True, add_special_tokens=False)["input_ids"] for word in words]
    # As `is_split_into_words=True`, which RoBERTa's class refuses without `add_prefix_space`.
    encoded = tokenizer.backend_tokenizer.encode(words, is_pretokenized=True, add_special_tokens=False)
    pieces = [[] for _ in words]
    for word, piece in zip(encoded.word_ids, encoded.ids, strict=True):
        pieces[word].append(piece)
    return pieces
