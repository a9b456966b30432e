"""Vocabulary overlap between domains (CrossNER, Figure 1)."""

from collections import Counter
from itertools import combinations
from typing import AbstractSet, Dict, Iterable, Mapping, Set, Tuple

from .normal_form import name_key

VOCABULARY_SIZE = 5000


def count_words(words: Iterable[str], stop_words: AbstractSet[str]) -> "Counter[str]":
    """Count words for a vocabulary.

    words (Iterable[str]): the tokens. A token without a letter is no word; words are counted by their normal forms,
        ignoring case.
    stop_words (AbstractSet[str]): words left out, by their normal forms.
    RETURNS (Counter[str]): how often each word occurs.
    """
    keys = (name_key(word, ignore_case=True) for word in words if any(map(str.isalpha, word)))
    return Counter(key for key in keys if key not in stop_words)


def top_words(counts: Mapping[str, int], size: int = VOCABULARY_SIZE) -> Set[str]:
    """Return the most frequent words; equally frequent ones in alphabetical order."""
    return set(sorted(counts, key=lambda word: (-counts[word], word))[:size])


def vocabulary_overlap(
    counts: Mapping[str, Mapping[str, int]], size: int = VOCABULARY_SIZE
) -> Dict[Tuple[str, str], float]:
    """Return the vocabulary overlap of each pair of domains, in percent.

    The vocabulary of a domain is its `size` most frequent words. The overlap of two domains is the number of words
    in both vocabularies, divided by the number of words in the smaller one: 100 if one contains the other. With enough
    text both vocabularies have `size` words. A domain without words has an overlap of 0. The paper does not state its
    divisor; this one does not penalize a set that is too small to fill a vocabulary.

    counts (Mapping[str, Mapping[str, int]]): word counts by domain.
    size (int): the size of a vocabulary.
    RETURNS (Dict[Tuple[str, str], float]): percentage by pair of domains, each pair once, in the order given.
    """
    tops = {domain: top_words(words, size) for domain, words in counts.items()}
    return {
        (first, second): 100 * len(tops[first] & tops[second]) / max(1, min(len(tops[first]), len(tops[second])))
        for first, second in combinations(tops, 2)
    }
