import gzip
from collections import Counter

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example

from spacy_crossner.annotations.domains import get_domain, set_domain
from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.data.subsets import draw_subset
from spacy_crossner.errors import CrossnerError, DataError
from spacy_crossner.training.readers import DomainReader, corpus_domains, corpus_words


@pytest.fixture
def nlp():
    return spacy.blank("en")


@pytest.fixture
def paths(nlp, annotated_docs, tmp_path):
    """Write the docs as two domains: 14 of news, marked, and 6 of ai, not marked."""
    docs = annotated_docs(nlp)
    for doc in docs[:14]:
        set_domain(doc, "news")
    paths = {"source": tmp_path / "news.spacy", "target": tmp_path / "ai.spacy"}
    write_docbin(docs[:14], paths["source"])
    write_docbin(docs[14:], paths["target"])
    return paths


def texts(examples):
    return [example.reference.text for example in examples]


def blocks(paths, **target):
    return {"source": {"path": paths["source"]}, "target": {"path": paths["target"], **target}}


def test_all_docs_come_in_order_with_gold_tokens_and_annotation(nlp, paths, annotated_docs):
    examples = list(DomainReader(blocks(paths))(nlp))
    docs = annotated_docs(nlp)
    assert texts(examples) == [doc.text for doc in docs]
    for example, doc in zip(examples, docs, strict=True):
        assert [t.text for t in example.predicted] == [t.text for t in doc]
        assert not example.predicted.ents
        assert not example.predicted.has_annotation("ENT_IOB")
        gold = [(ent.start, ent.end, ent.label_) for ent in example.reference.ents]
        assert gold == [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def test_the_mark_is_that_of_the_file_else_the_name_of_the_block(nlp, paths):
    examples = list(DomainReader(blocks(paths))(nlp))
    expected = ["news"] * 14 + ["target"] * 6
    assert [get_domain(example.reference) for example in examples] == expected
    assert [get_domain(example.predicted) for example in examples] == expected
    # As `Language.update` copies examples.
    copies = [Example(example.predicted.copy(), example.reference) for example in examples]
    assert [get_domain(example.predicted) for example in copies] == expected


def test_the_mark_reaches_a_component_in_training(nlp, paths):
    seen = []

    @spacy.Language.component("see_domains")
    def see_domains(doc):
        seen.append((get_domain(doc), doc._.domain))
        return doc

    nlp.add_pipe("see_domains")
    nlp.update(list(DomainReader(blocks(paths))(nlp)), annotates=["see_domains"])
    assert seen == [("news", "news")] * 14 + [("target", "target")] * 6


def test_mentions_are_replaced_anew_in_each_pass(nlp, paths):
    reader = DomainReader(blocks(paths, replace_mentions=0.5))
    passes = [texts(reader(nlp)) for _ in range(3)]
    assert passes[0][:14] == passes[1][:14] == passes[2][:14]
    assert len({tuple(found[14:]) for found in passes}) == 3
    again = DomainReader(blocks(paths, replace_mentions=0.5))
    assert [texts(again(nlp)) for _ in range(3)] == passes


def test_unlabelled_text_has_a_mark_and_no_annotation(nlp, paths):
    examples = list(DomainReader(blocks(paths, role="unlabelled"))(nlp))
    assert [example.reference.has_annotation("ENT_IOB") for example in examples] == [True] * 14 + [False] * 6
    for example in examples[14:]:
        assert example.get_aligned_ner() == [None] * len(example)
        assert get_domain(example.reference) == get_domain(example.predicted) == "target"
    assert texts(examples) == texts(DomainReader(blocks(paths))(nlp))


def test_spaces_are_kept(nlp, tmp_path):
    write_docbin([Doc(nlp.vocab, words=["it", "'s", "here"], spaces=[False, True, False])], tmp_path / "one.spacy")
    (example,) = DomainReader({"a": {"path": tmp_path / "one.spacy", "role": "unlabelled"}})(nlp)
    assert example.predicted.text == example.reference.text == "it's here"


@pytest.mark.parametrize("shuffle", [False, True])
def test_upsampled_docs_come_so_often(nlp, paths, shuffle):
    examples = list(DomainReader(blocks(paths, upsample=3), shuffle=shuffle)(nlp))
    assert len(examples) == 14 + 3 * 6
    seen = Counter((domain_of(example), example.reference.text) for example in examples)
    assert len(seen) == 20
    assert all(n == (3 if domain == "target" else 1) for (domain, _), n in seen.items())
    # The pipeline writes into predicted docs: no two examples share one.
    assert len({id(example.predicted) for example in examples}) == len(examples)


def domain_of(example):
    return get_domain(example.predicted)


def test_shuffle_mixes_anew_in_each_pass_and_repeats_with_the_seed(nlp, paths):
    def passes(seed, n=3):
        reader = DomainReader(blocks(paths), shuffle=True, seed=seed)
        return [texts(reader(nlp)) for _ in range(n)]

    found = passes(1)
    assert found == passes(1)
    assert found != passes(2)
    assert len({tuple(order) for order in found}) == 3
    plain = texts(DomainReader(blocks(paths))(nlp))
    assert all(sorted(order) == sorted(plain) and order != plain for order in found)


def test_limit_is_for_each_domain(nlp, paths):
    examples = list(DomainReader(blocks(paths, upsample=2), limit=4)(nlp))
    assert Counter(map(domain_of, examples)) == {"news": 4, "target": 8}
    assert len(set(texts(examples)[:4])) == 4


def test_a_limit_draws_a_subset_by_the_seed_that_all_passes_have(nlp, paths, annotated_docs):
    docs = annotated_docs(nlp)[:14]
    types = [{ent.label_ for ent in doc.ents} for doc in docs]

    def passes(seed, limit=5, **settings):
        reader = DomainReader({"source": {"path": paths["source"]}}, seed=seed, limit=limit, **settings)
        return [texts(reader(nlp)) for _ in range(2)]

    subset = [doc.text for doc in draw_subset(docs, types, 5, seed=1)]
    assert passes(1) == [subset, subset]
    assert passes(1, shuffle=True)[0] != subset
    assert sorted(passes(1, shuffle=True)[1]) == sorted(subset)
    assert len({tuple(passes(seed)[0]) for seed in range(10)}) > 5
    # A limit that is not below the size changes nothing, not even the order.
    assert passes(1, limit=14) == passes(1, limit=0) == passes(2, limit=99)


def test_a_limit_draws_unlabelled_docs_without_a_look_at_their_types(nlp, paths, annotated_docs, tmp_path):
    plain = [doc.text.strip() for doc in annotated_docs(nlp)[:14]]
    (tmp_path / "raw.txt").write_text("\n".join(plain) + "\n")
    block = {"path": tmp_path / "raw.txt", "role": "unlabelled"}
    lines = texts(DomainReader({"raw": block}, seed=3, limit=5)(nlp))
    block = {"path": paths["source"], "role": "unlabelled"}
    docs = texts(DomainReader({"raw": block}, seed=3, limit=5)(nlp))
    assert lines == [text.strip() for text in docs] == draw_subset(plain, [()] * 14, 5, seed=3)


def test_a_sample_is_drawn_anew_in_each_pass(nlp, paths):
    reader = DomainReader({"source": {"path": paths["source"], "sample": 5}}, seed=1)
    passes = [texts(reader(nlp)) for _ in range(4)]
    assert [len(found) for found in passes] == [5] * 4
    assert len({tuple(found) for found in passes}) == 4
    every = texts(DomainReader({"source": {"path": paths["source"]}})(nlp))
    assert all(len(set(found)) == 5 and set(found) <= set(every) for found in passes)
    # A sample that is larger than the set is the set.
    assert texts(DomainReader({"source": {"path": paths["source"], "sample": 99}})(nlp)) == every


def test_a_domain_may_be_named(nlp, paths):
    blocks = {name: {"path": path, "domain": "ai"} for name, path in paths.items()}
    assert {domain_of(example) for example in DomainReader(blocks)(nlp)} == {"ai"}


@pytest.mark.parametrize("name", ["raw.txt", "raw.txt.gz"])
def test_unlabelled_text_is_tokenized(nlp, tmp_path, name):
    lines = ["Ada met Grace.", "", "It\u00a0rained — all day."]
    content = "\r\n".join(lines).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    block = {"path": tmp_path / name, "role": "unlabelled", "domain": "ai"}
    examples = list(DomainReader({"raw": block})(nlp))
    assert [[token.text for token in example.predicted] for example in examples] == [
        ["Ada", "met", "Grace", "."],
        ["It", "rained", "—", "all", "day", "."],
    ]
    assert not any(example.reference.has_annotation("ENT_IOB") for example in examples)
    assert {domain_of(example) for example in examples} == {"ai"}
    assert len(list(DomainReader({"raw": {**block, "sample": 1}})(nlp))) == 1


def test_labelled_text_is_a_docbin(nlp, tmp_path):
    (tmp_path / "raw.txt").write_text("Ada met Grace.")
    with pytest.raises(DataError, match=r"raw\.txt"):
        list(DomainReader({"raw": {"path": tmp_path / "raw.txt"}})(nlp))


@pytest.mark.parametrize("path", [None, ""])
def test_a_block_without_a_path_is_passed_over(nlp, paths, path):
    reader = DomainReader({"source": {"path": path}, "target": {"path": paths["target"]}, "empty": {}})
    assert [domain_of(example) for example in reader(nlp)] == ["target"] * 6


@pytest.mark.parametrize("domains", [{"source": {"path": None}, "target": {"path": ""}}, {"source": {}, "target": {}}])
def test_nothing_to_read_is_an_error(domains):
    with pytest.raises(CrossnerError, match=r"C006.*source, target"):
        DomainReader(domains)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rolle": "labelled"},
        {"role": "half-labelled"},
        {"role": None},
        {"upsample": 0},
        {"upsample": -1},
        {"upsample": 2.5},
        {"upsample": "often"},
        {"sample": -1},
        {"sample": 0.5},
    ],
)
def test_a_wrong_setting_is_an_error(paths, wrong):
    with pytest.raises(CrossnerError, match=r"C007.*'target'"):
        DomainReader(blocks(paths, **wrong))


@pytest.mark.parametrize("content", [None, b"not a DocBin"])
def test_a_missing_or_foreign_file_is_named(nlp, paths, content):
    paths["target"].unlink()
    if content is not None:
        paths["target"].write_bytes(content)
    with pytest.raises(DataError, match=r"ai\.spacy"):
        list(DomainReader(blocks(paths))(nlp))


def test_domains_and_words_of_a_corpus(nlp, paths, tmp_path):
    (tmp_path / "raw.txt").write_text("Ada met 11 of 12 .\nAda met 2019 .\n")
    domains = {
        "source": {"path": paths["source"], "sample": 1},
        "target": {"path": None},
        "raw": {"path": tmp_path / "raw.txt", "role": "unlabelled", "domain": "ai", "upsample": 5},
    }
    assert corpus_domains(domains) == ["news", "ai"]
    counts = dict(corpus_words(domains, least=1))
    # Digits are all alike, and a word is counted where it stands, not where it is drawn.
    assert counts["00"] == 2
    assert counts["0000"] == 1
    assert counts["met"] == 2
    assert [word for word, _ in corpus_words(domains, most=1)] == ["."]
    assert "2019" not in counts
    assert set(dict(corpus_words(domains))) == {word for word, count in counts.items() if count >= 2}


def test_words_are_those_of_the_languages_tokenizer(tmp_path):
    (tmp_path / "text.txt").write_text("我们去了北京。\n", encoding="utf8")
    domains = {"text": {"path": str(tmp_path / "text.txt"), "role": "unlabelled"}}
    assert ("北", 1) in corpus_words(domains, least=1, lang="zh")
    assert ("北", 1) not in corpus_words(domains, least=1)


def test_a_word_of_a_language_model_has_one_spelling(tmp_path):
    (tmp_path / "text.txt").write_text("Zürich Zu\u0308rich Zü\u00adrich – —\n", encoding="utf8")
    domains = {"text": {"path": str(tmp_path / "text.txt"), "role": "unlabelled"}}
    assert corpus_words(domains, least=1) == [("Zürich", 3), ("-", 2)]
