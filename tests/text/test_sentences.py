import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_crossner.text.sentences import ABBREVIATIONS, BEFORE_NUMBERS, split_line, split_sentences

WORDS = ["net", "Nets", "learning", "x", "J", "e.g", "U.S", "al", "Fig", "no", "Dr", "Éa", "éa", "3", "", "ab" * 30]
OPENING = st.sampled_from(["", "(", '"', "“", "«(", "-"])
CLOSING = st.sampled_from(["", ".", ".", "?", "!", "…", "...", '."', ".)", "’", ".”", "?»]", ",", ")", "%", ":"])
WORD = st.builds("".join, st.tuples(OPENING, st.sampled_from(WORDS), CLOSING)).filter(bool)


def slow_split(line):
    """Return the sentences of a line, word by word, by the rule that the module states."""
    sentences, words = [], line.split(" ")
    for i, word in enumerate(words):
        if (i and ends_sentence(words[:i], word)) or not i:
            sentences.append([])
        sentences[-1].append(word)
    return [" ".join(sentence) for sentence in sentences]


def ends_sentence(before, after):
    if after[0].islower() or after[0] in ",;:%)]}.!?…”’»":
        return False
    word = before[-1].rstrip("\"')]}”’»")
    if not word or word[-1] not in ".!?…":
        return False
    if word[-1] != "." or word.endswith(".."):
        return True
    apart = word == "." and len(before) > 1
    word = (before[-2] if apart else word[:-1]).lstrip("\"'([{“‘«„¿¡")
    if word in BEFORE_NUMBERS:
        return after[0] not in "0123456789"
    return word not in ABBREVIATIONS and (apart or not re.fullmatch(r"[A-Z]|[A-Za-z](\.[A-Za-z])+", word))


@given(st.lists(WORD, min_size=1, max_size=8).map(" ".join))
def test_sentences_are_those_of_a_loop(line):
    assert list(split_line(line)) == slow_split(line)


@pytest.mark.parametrize(
    "text",
    [
        "Nets learn. | They do! | (Do they?) | Yes.",
        'He said "no." | Then he left… | “Why?” | 7 of them did not.',
        "We follow Smith et al. (2019), i.e. The Book, and J. Doe of the U.S. Navy, see Fig. 3 and Sec. 4.",
        "The value is 3.5 at p. 7. | The nets (CNN) We saw are in no. 5, he said no. | Then",
        "It works, e.g. on images ... and on text. | Ünal agrees. émile does not",
        "Nets learn . | They do ? | Smith et al . We saw . | J . | Doe et al . ( 2019 ) the matrix A . | We",
        "Dr. Ada vs. Mr. Bob. | \\alpha is small.",
        "lower case. follows here! and here",
        "x. | Y",
        "al. We",
        "One",
    ],
)
def test_examples(text):
    sentences = text.split(" | ")
    assert split_sentences(" ".join(sentences)) == sentences


def test_white_space():
    assert split_sentences(" A b.\n\u00a0 C\td. ") == ["A b.", "C d."]
    assert split_sentences(" ") == []


@pytest.mark.parametrize("text", [". É", "A. B", '" É', "?! É", ". . É"])
def test_texts_shorter_than_an_abbreviation(text):
    assert " ".join(split_sentences(text)) == text
