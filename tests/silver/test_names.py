"""Names from lists, a map and gold sentences: which give labels, and which are left open."""

import numpy as np
import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_crossner.errors import CrossnerError
from spacy_crossner.silver.names import count_types, read_type_map, read_weak_names

VOCAB = Vocab()


@pytest.fixture
def write(tmp_path):
    """Return a function that writes lines to a file."""

    def write(name, *lines):
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf8")
        return path

    return write


def gold_doc(text):
    """Make a doc from tokens, a tagged one as token|tag."""
    pairs = [token.partition("|") for token in text.split()]
    return Doc(VOCAB, words=[word for word, _, _ in pairs], ents=[tag or "O" for _, _, tag in pairs])


def types_of(weak):
    return {name: weak.type_of(i) for i, name in enumerate(weak.names)}


def test_types_are_mapped_and_a_name_of_several_types_gives_no_label(write):
    one = write("one.tsv", "SVM\tMethod", "BLEU\tMetric", "COCO\tMaterial", "- shot\tMaterial", "Sarsa -\tMethod")
    two = write("two.tsv", "SVM\tTask", "BLEU\tScore", "CIFAR-10\tMaterial", "CIFAR - 10\tMaterial")
    weak = read_weak_names([one, two], None, [])
    assert types_of(weak) == {"SVM": None, "BLEU": None, "COCO": "Material", "CIFAR-10": "Material"}
    mapping = write("map.tsv", "Method\talgorithm", "Task\t", "", "Metric\tmetrics", "Score\tmetrics", "Material\t")
    weak = read_weak_names([one, two], mapping, [])
    # Two types that are mapped to one label are one type.
    assert types_of(weak) == {"SVM": None, "BLEU": "metrics", "COCO": "Material", "CIFAR-10": "Material"}
    assert weak.known_types() == ["Material", "Task", "algorithm", "metrics"]


def test_gold_entities_are_names_and_their_types_replace_those_of_a_list(write):
    listed = write("list.tsv", "SVM\tMethod", "SVM\tTask", "Oslo\tTask")
    gold = [gold_doc("Ada|B-person Lovelace|I-person met SVM|B-algorithm"), gold_doc("R|B-misc and R|B-language")]
    weak = read_weak_names([listed], None, gold)
    assert types_of(weak) == {"SVM": "algorithm", "Oslo": "Task", "Ada Lovelace": "person", "R": None}
    assert count_types(gold) == {"person": 1, "algorithm": 1, "misc": 1, "language": 1}
    assert read_weak_names([], None, []) is None
    assert types_of(read_weak_names([], None, gold)) == {"Ada Lovelace": "person", "SVM": "algorithm", "R": None}


def test_gold_sentences_refute_and_confirm_names(write):
    listed = write("list.tsv", "model\tMethod", "network\tMethod", "art\tMaterial", "net\tMethod", "tree\tMethod")
    gold = [
        gold_doc("a model of a network|B-Method , a network , no model"),
        gold_doc("art is in modern|B-field art|I-field , and net|B-other is none"),
    ]
    weak = read_weak_names([listed], None, gold)
    # `art` is once no entity; within an entity it says nothing. `network` is an entity as often as not.
    balance = dict(zip(weak.names, weak.balance.tolist(), strict=True))
    assert balance == {"model": -2, "network": 0, "art": -1, "net": 1, "tree": 0, "modern art": 1}
    assert types_of(weak)["model"] is types_of(weak)["art"] is None
    assert (types_of(weak)["network"], types_of(weak)["net"]) == ("Method", "other")
    weak.set_common(np.ones(len(weak.names), dtype=bool))
    # What the gold sentences confirm is no common word.
    assert {name for name, kind in types_of(weak).items() if kind} == {"net", "modern art"}


def test_case_can_be_ignored(write):
    listed = write("list.tsv", "Svm\tMethod", "SVM\tTask")
    assert types_of(read_weak_names([listed], None, [])) == {"Svm": "Method", "SVM": "Task"}
    assert types_of(read_weak_names([listed], None, [], ignore_case=True)) == {"Svm": None}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["Method"], r"line 1: found 'Method' with 0 tabs"),
        (["Method\ta", "Task\tb\tc"], r"line 2: found .* with 2 tabs"),
        (["\ta"], r"line 1: found an empty type"),
        (["Method\ta", "Method\tb"], r"line 2: found the type 'Method' for the second time"),
    ],
)
def test_a_map_of_another_form_is_refused(write, lines, message):
    with pytest.raises(CrossnerError, match=rf"\[C602\].*map.tsv, {message}"):
        read_type_map(write("map.tsv", *lines))


def test_lists_and_maps_that_do_not_fit(write):
    plain, typed = write("plain.tsv", "SVM"), write("typed.tsv", "SVM\tMethod")
    with pytest.raises(CrossnerError, match=r"\[C601\].*plain.tsv: found names without types"):
        read_weak_names([plain], None, [])
    mapping = write("map.tsv", "Task\ttask")
    with pytest.raises(CrossnerError, match=r"\[C603\].*map.tsv does not name the type 'Method' of .*typed.tsv"):
        read_weak_names([typed], mapping, [])
