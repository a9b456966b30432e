from functools import partial

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_crossner.errors import CrossnerError
from spacy_crossner.text import raw as raw_module
from spacy_crossner.text.sizes import Level

# Sentences that are split without doubt: the first word begins with an upper-case letter, no word is an abbreviation.
WORD = st.sampled_from(["deep", "net", "nets", "Ada", "ADA", "Oslo", "deep-net", "net_", "(net)", "émile", "It"])
SENTENCE = st.tuples(st.sampled_from(["Ada", "Net", "The", "Émile"]), st.lists(WORD, max_size=5)).map(
    lambda parts: " ".join([parts[0], *parts[1]])
)
LINES = st.lists(st.lists(SENTENCE, max_size=3), min_size=1, max_size=12)


def naive_levels(lines, entities, *, special, excluded, min_entities, min_special, ignore_case):
    """Return the sentences of each level, one after the other, by loops over words."""

    def words(text):
        text = text.casefold() if ignore_case else text
        return "".join(f" {c} " if not (c.isalnum() or c == "_") else c for c in text).split()

    types = {}
    for name, kind in entities.items():
        types.setdefault(tuple(words(name)), set()).add(kind)
    levels = {"domain": [], "entity": [], "task": []}
    seen = {"".join(sentence.split()).casefold() for sentence in excluded}
    for sentence in (sentence for line in lines for sentence in line):
        key = "".join(sentence.split()).casefold()
        if key in seen:
            continue
        seen.add(key)
        found, rest = [], words(sentence)
        while rest:
            size = max((len(name) for name in types if tuple(rest[: len(name)]) == name), default=0)
            found += [types[tuple(rest[:size])]] if size else []
            rest = rest[size or 1 :]
        levels["domain"].append(sentence)
        if len(found) >= min_entities:
            levels["entity"].append(sentence)
        if sum(bool(kinds & special) for kinds in found) >= min_special:
            levels["task"].append(sentence)
    return {**levels, "integrated": levels["entity"] + 2 * levels["task"]}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    LINES,
    st.sampled_from(Level),
    st.integers(1, 3),
    st.integers(1, 2),
    st.booleans(),
    st.lists(SENTENCE.filter(lambda sentence: len(sentence.replace(" ", "")) < 18), min_size=1, max_size=2),
    st.integers(1, 200),
)
def test_the_selection_is_that_of_a_loop(
    select, read, files, monkeypatch, lines, level, min_entities, min_special, ignore_case, excluded, block
):
    raw, entities = files
    names = dict(line.split("\t") for line in read(entities))
    lines = [[f"{sentence}." for sentence in line] for line in lines]
    excluded = [f"{sentence} ." for sentence in excluded]
    raw.write_text("\n".join(" ".join(line) for line in lines), encoding="utf8")
    test, out = raw.with_name("test.txt"), raw.with_name("out.txt")
    test.write_text("\n".join(excluded), encoding="utf8")
    out.write_text("before", encoding="utf8")
    options = {"min_entities": min_entities, "min_special": min_special, "ignore_case": ignore_case}
    expected = naive_levels(lines, names, special={"field"}, excluded=excluded, **options)
    # Blocks of a few lines, so that what counts over blocks is seen.
    monkeypatch.setattr("spacy_crossner.text.selection.read_blocks", partial(raw_module.read_blocks, block=block))
    try:
        report = select(raw, out, entities=entities, level=level, types=["field"], exclude=[test], **options)
    except CrossnerError:
        assert read(out) == ["before"]
        # There is nothing to write, or nothing of the list in the text.
        assert (
            not expected[level]
            or not naive_levels(lines, names, special=set(), excluded=excluded, **{**options, "min_entities": 1})[
                "entity"
            ]
        )
    else:
        assert read(out) == expected[level]
        assert {name: size.sentences for name, size in report.levels.items()} == {
            name: len(sentences) for name, sentences in expected.items()
        }
        assert {name: size.tokens for name, size in report.levels.items()} == {
            name: sum(len(sentence.split()) for sentence in sentences) for name, sentences in expected.items()
        }
