"""The pieces of words are those of the tokenizer, whatever the tokenizer, the words, and the state of the cache."""

from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from transformers import BertTokenizer, BertTokenizerFast

from spacy_crossner.annotations.words import see_words
from spacy_crossner.encoders import word_pieces as module
from spacy_crossner.encoders.word_pieces import WordPieces
from spacy_crossner.errors import CrossnerError

from .small_encoders import BERTS
from .small_tokenizers import ALPHABET, FAMILIES, NLP, STRANGE, WORDS, given_words, pieces_by_hand, tokenizer_of

CATEGORIES = ["L", "M", "N", "P", "S", "Z", "Cc", "Cf", "Co", "Cn"]
ANY_WORD = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(STRANGE),
    st.text(st.sampled_from(ALPHABET), min_size=1, max_size=8),
    st.text(st.characters(categories=CATEGORIES), min_size=1, max_size=6),
    st.sampled_from([" ", "\n", "\n\n", "\t", "\u3000", "\u00a0"]),
)
TOKENS = st.lists(st.tuples(ANY_WORD, st.booleans()), max_size=12)


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def warm(family):
    """Return the pieces of a tokenizer, the same for all examples of a test, so that the cache fills."""
    return WordPieces(tokenizer_of(family))


def make_docs(docs):
    return [
        Doc(NLP.vocab, words=[word for word, _ in doc], spaces=[space for _, space in doc]) if doc else Doc(NLP.vocab)
        for doc in docs
    ]


def split(pieces, docs):
    """Return the pieces of each word of docs."""
    counts, ids = pieces(see_words(docs))
    assert (counts.dtype, ids.dtype, len(ids)) == (np.int64, np.int64, counts.sum())
    ends = np.cumsum(counts)
    return [ids[end - n : end].tolist() for end, n in zip(ends.tolist(), counts.tolist(), strict=True)]


def by_hand(tokenizer, docs, splits_spaces):
    return [each for doc in docs for each in pieces_by_hand(tokenizer, given_words(doc, splits_spaces))]


@given(texts=st.lists(TOKENS, min_size=1, max_size=4))
def test_pieces_are_those_of_one_call_for_all_words_of_a_doc(family, warm, texts):
    tokenizer, splits_spaces = tokenizer_of(family), FAMILIES[family][1]
    docs = make_docs(texts)
    wanted = by_hand(tokenizer, docs, splits_spaces)
    assert split(warm, docs) == wanted
    assert split(warm, docs[::-1] + docs) == by_hand(tokenizer, docs[::-1], splits_spaces) + wanted


@given(texts=TOKENS)
def test_pieces_are_those_of_a_call_of_the_class_with_split_words(family, warm, texts):
    (doc,) = make_docs([[("a", True), *texts]])
    words = given_words(doc, FAMILIES[family][1])
    try:
        found = tokenizer_of(family)(words, is_split_into_words=True, add_special_tokens=False, verbose=False)
    except AssertionError:
        assert not warm.takes_words
        assert family == "roberta"
        return
    assert warm.takes_words
    assert list(chain.from_iterable(split(warm, [doc]))) == found["input_ids"]


@given(words=st.lists(st.sampled_from(WORDS) | st.text(st.sampled_from(ALPHABET), min_size=1, max_size=8), max_size=12))
def test_pieces_are_those_of_running_text_with_words_at_white_space(family, warm, words):
    found = tokenizer_of(family)(" ".join(words), add_special_tokens=False, verbose=False)["input_ids"]
    plain = make_docs([[(word, True) for word in words]])
    # A blank before the first word changes nothing.
    between = make_docs([[("\n", False), *(each for word in words for each in ((word, False), ("  ", False)))]])
    for docs in (plain, between):
        assert list(chain.from_iterable(split(warm, docs))) == found


def test_how_a_tokenizer_splits_is_found_out(family, warm):
    assert (warm.splits_spaces, warm.is_wordwise) == (FAMILIES[family][1], True)
    whole = tokenizer_of(family)("a", return_token_type_ids=True)
    plain = tokenizer_of(family)("a", add_special_tokens=False)["input_ids"]
    before, after = warm.special.before, warm.special.after
    assert [*before, *plain, *after] == whole["input_ids"]
    assert (len(before), len(after)) == ((0, 0) if family == "modernbert" else (1, 1))
    assert warm.special.types == ((0,) * len(before), 0, (0,) * len(after))
    assert warm.special.padding == tokenizer_of(family).pad_token_id


@pytest.mark.parametrize(("words", "pieces"), [(5, 10**9), (10**9, 12)])
def test_the_cache_is_bounded_and_right(family, monkeypatch, words, pieces):
    monkeypatch.setattr(module, "CACHED_WORDS", words)
    monkeypatch.setattr(module, "CACHED_PIECES", pieces)
    splitter = WordPieces(tokenizer_of(family))
    generator = np.random.default_rng(0)
    for _ in range(30):
        docs = make_docs([[(WORDS[i], True) for i in generator.integers(len(WORDS), size=4)] for _ in range(2)])
        assert split(splitter, docs) == by_hand(tokenizer_of(family), docs, FAMILIES[family][1])
        largest = max(len(each) for each in split(splitter, docs))
        # Up to the bound, and the words of one batch.
        assert len(splitter._table.rows) <= words + 8
        assert splitter._table.n_ids <= pieces + 8 * largest


def test_words_are_kept(family):
    splitter = WordPieces(tokenizer_of(family))
    docs = make_docs([[(word, True) for word in WORDS], [], [(word, False) for word in WORDS[::-1]]])
    wanted = split(splitter, docs)
    splitter.tokenizer = None
    assert split(splitter, docs) == wanted


def test_eight_threads_at_once(family, monkeypatch):
    monkeypatch.setattr(module, "CACHED_WORDS", 40)
    splitter = WordPieces(tokenizer_of(family))
    words, generator = WORDS + STRANGE, np.random.default_rng(0)
    choices = generator.integers(len(words), size=(120, 9)).tolist()
    batches = [make_docs([[(words[i], True) for i in choice]] * 2) for choice in choices]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda docs: split(splitter, docs), batches))
    assert found == [by_hand(tokenizer_of(family), docs, FAMILIES[family][1]) for docs in batches]


def test_docs_of_several_vocabularies(warm, family):
    other = Doc(type(NLP.vocab)(), words=["Quizzacious", "Ada"])
    docs = [Doc(NLP.vocab), *make_docs([[("Ada", True)]]), other]
    assert split(warm, docs) == by_hand(tokenizer_of(family), docs, FAMILIES[family][1])


class Neighbours:
    """Mixin for a tokenizer that looks across words: it leaves out a word that is equal to the one before it."""

    def __call__(self, words, is_split_into_words=False, **settings):
        if is_split_into_words and isinstance(words[:1], list) and words and isinstance(words[0], str):
            words = [" " if i and word == words[i - 1] else word for i, word in enumerate(words)]
        return super().__call__(words, is_split_into_words=is_split_into_words, **settings)


class FastNeighbours(Neighbours, BertTokenizerFast):
    pass


class SlowNeighbours(Neighbours, BertTokenizer):
    pass


@pytest.fixture
def vocabulary(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join([*BERTS, *"abc"]) + "\n", encoding="utf8")
    return tmp_path


def test_a_fast_tokenizer_that_looks_across_words_is_called_for_each_doc(vocabulary):
    splitter = WordPieces(FastNeighbours.from_pretrained(vocabulary))
    assert not splitter.is_wordwise
    docs = make_docs([[("a", True), ("a", True), ("b", True)], [], [("\n", False)], [("a", True), ("\n", False)] * 2])
    assert split(splitter, docs) == [[5], [], [6], [5], []]
    assert split(splitter, docs[1:3]) == []


def test_a_slow_tokenizer_that_looks_across_words_is_refused(vocabulary):
    tokenizer = SlowNeighbours.from_pretrained(vocabulary)
    if tokenizer.is_fast:
        pytest.skip("transformers 5 has no slow tokenizer of BERT")
    splitter = WordPieces(tokenizer)
    assert not splitter.is_wordwise
    with pytest.raises(CrossnerError, match=r"C501.*SlowNeighbours"):
        splitter(see_words(make_docs([[("a", True), ("a", True)]])))
