"""The choice among candidates, against a plain loop that compares all with all."""

import math
import random
from collections import Counter
from itertools import islice

import pytest

from spacy_crossner.data.json_forms.imports import SuggestedSpan, Suggestion
from spacy_crossner.silver.diversity import choose_diverse, features_of, types_of


def suggestion(words, uncertainty):
    """Make a suggestion; an upper-case word is an entity whose label is its first letter."""
    text, spans = " ".join(words), []
    start = 0
    for word in words:
        if word.isupper():
            spans.append(SuggestedSpan(start, start + len(word), word[0], 0.5))
        start += len(word) + 1
    return Suggestion(text, [], spans, uncertainty)


def random_candidates(seed, number=60):
    draw = random.Random(seed)
    words = [f"w{'abcdefghij'[i]}" for i in range(10)] + ["AX", "AX", "AY", "BX", "CX"]
    return [suggestion(draw.choices(words, k=draw.randint(1, 6)), draw.randint(0, 20) / 20) for _ in range(number)]


def plain_choice(candidates, shares, number):
    """Choose by the equations, one sentence after another."""
    features = []
    for each in candidates:
        words = {word for word in each.text.lower().split() if word.isalpha()}
        features.append(words | {(span.label, each.text[span.start : span.end].lower()) for span in each.spans})
    n_with = Counter(name for names in features for name in names)

    def value(name):
        return math.log(1 + len(candidates) / n_with[name])

    def cosine(a, b):
        dot = sum(value(name) ** 2 for name in features[a] & features[b])
        lengths = [math.sqrt(sum(value(name) ** 2 for name in features[i])) for i in (a, b)]
        return dot / (lengths[0] * lengths[1]) if dot else 0.0

    chosen = []
    while len(chosen) < min(number, len(candidates)):
        left = [i for i in range(len(candidates)) if i not in chosen]
        drawn = Counter(name for i in chosen for name in types_of(candidates[i]))
        names = {name for i in left for name in types_of(candidates[i])}
        new = [name for name in names if not drawn[name]]
        if new:
            wanted = min(new, key=lambda name: (shares[name], name))
        else:
            wanted = min(names, key=lambda name: (drawn[name] - shares[name] * (len(chosen) + 1), name))
        best, best_value = None, -1.0
        for i in left:
            if wanted in types_of(candidates[i]):
                nearest = max([cosine(i, c) for c in chosen], default=0.0)
                found = round(candidates[i].uncertainty * (1 - min(nearest, 1.0)), 6)
                if found > best_value:
                    best, best_value = i, found
        chosen.append(best)
    return [candidates[i] for i in chosen]


def shares_of(candidates):
    total = sum(each.uncertainty for each in candidates)
    names = {name for each in candidates for name in types_of(each)}
    return {
        name: sum(each.uncertainty for each in candidates if name in types_of(each)) / total for name in sorted(names)
    }


@pytest.mark.parametrize("seed", range(8))
def test_it_is_that_of_a_plain_loop(seed):
    candidates = random_candidates(seed)
    shares = shares_of(candidates)
    assert list(choose_diverse(candidates, shares)) == plain_choice(candidates, shares, len(candidates))


def test_every_type_is_there_and_has_its_share():
    candidates = random_candidates(1, 300)
    shares = shares_of(candidates)
    assert list(shares) == ["", "A", "B", "C"]
    few = list(islice(choose_diverse(candidates, shares), 4))
    assert set().union(*map(types_of, few)) == set(shares)
    many = list(islice(choose_diverse(candidates, shares), 100))
    drawn = Counter(name for each in many for name in types_of(each))
    assert all(drawn[name] >= math.floor(100 * share) for name, share in shares.items())


def test_a_sentence_like_a_chosen_one_comes_late():
    first, like, other = (
        suggestion(["we", "met", "the", "AX", "near", "a", "river"], 0.9),
        suggestion(["we", "met", "the", "AX", "near", "the", "river"], 0.8),
        suggestion(["nobody", "saw", "AY", "on", "monday"], 0.5),
    )
    assert list(choose_diverse([first, like, other], {"A": 1.0})) == [first, other, like]


def test_what_is_compared():
    # Neither numbers nor symbols are words.
    assert features_of(suggestion(["The", "AX", "and", "3", "the", "x2", "."], 0)) == {"the", "ax", "and", "x", "A\nax"}
    assert types_of(suggestion(["x"], 0)) == {""}


def test_no_candidates():
    assert list(choose_diverse([], {})) == []
    assert list(choose_diverse([suggestion(["3"], 0.0)], {"": 0.0})) == [suggestion(["3"], 0.0)]
