import unicodedata

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spacy_crossner.text.words import TABLE, Vocabulary, find_tokens, hash_tokens, is_word_character, word_characters

# Letters of one to four bytes, marks, a digit that is a letter, symbols of one to four bytes, some of planes 2 and 14.
CHARACTERS = "aB_1ß中\u0301\u0947𝔸𐍈٣ .,-+…€😀\n\U00020000\U000e0100\U000e0001\U0010ffff"
TEXT = st.text(st.sampled_from(CHARACTERS) | st.characters(exclude_categories=("Cs", "Z", "Cc")), max_size=60)


def slow_tokens(text):
    """Return the tokens, character by character."""
    tokens, in_word = [], False
    for character in text:
        is_word = unicodedata.category(character)[0] in "LMN" or character == "_"
        if is_word and in_word:
            tokens[-1] += character
        elif character != " ":
            tokens.append(character)
        in_word = is_word
    return tokens


def tokens_of(text):
    starts, ends = find_tokens(text)
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]


@given(TEXT)
def test_tokens_are_those_of_a_loop(text):
    assert tokens_of(text.encode()) == [token.encode() for token in slow_tokens(text)]


def test_tokens():
    text = "naïve C++, state-of-the-art (n_1=3½) x\n'नमस्ते' 😀😀"
    expected = "naïve|C|+|+|,|state|-|of|-|the|-|art|(|n_1|=|3½|)|x|\n|'|नमस्ते|'|😀|😀"
    assert [token.decode() for token in tokens_of(text.encode())] == expected.split("|")
    assert tokens_of(b"") == []
    assert tokens_of(b" ") == []


def test_the_table_says_what_unicode_says():
    assert [bool(flag) for flag in word_characters()] == [is_word_character(point) for point in range(TABLE)]


@given(st.lists(TEXT.filter(str.strip), max_size=20), TEXT)
def test_words_are_looked_up_as_in_a_dict(listed, text):
    listed = "\n".join(listed).encode()
    vocabulary = Vocabulary.of_tokens(listed, *find_tokens(listed))
    known = set(tokens_of(listed))
    assert vocabulary.size == len(known)
    text = text.encode() + b" " + listed
    numbers = vocabulary.look_up(text, *find_tokens(text))
    number_of = {}
    for token, number in zip(tokens_of(text), numbers.tolist(), strict=True):
        assert (number > 0) == (token in known)
        assert number_of.setdefault(token, number) == number
    assert sorted(number_of[token] for token in known) == list(range(1, len(known) + 1))


def test_many_words_at_once():
    # With 40,000 keys many meet at one place of the table.
    words = [f"{'x' * (i % 23)}{i}".encode() for i in range(50_000)]
    text, listed = b" ".join(words), b" ".join(words[:40_000])
    vocabulary = Vocabulary.of_tokens(listed, *find_tokens(listed))
    numbers = vocabulary.look_up(text, *find_tokens(text))
    assert len(set(numbers[:40_000].tolist())) == 40_000
    assert numbers[:40_000].min() == 1
    assert not numbers[40_000:].any()


def test_words_that_go_on_are_others():
    # Hashes look at eight bytes at a time; differences may lie in any of them, or after the longest known word.
    words = [("abcdefgh" * 4)[:size].encode() for size in range(1, 33)]
    words += [word[:-1] + b"Z" for word in words]
    text = b" ".join(words)
    hashes = hash_tokens(text, *find_tokens(text), longest=32)
    assert len(np.unique(hashes)) == len(set(words))
    vocabulary = Vocabulary.of_tokens(words[15], *find_tokens(words[15]))
    assert np.flatnonzero(vocabulary.look_up(text, *find_tokens(text))).tolist() == [15]
