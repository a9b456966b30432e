"""Averaged probabilities, against an average by hand; teachers that do not fit each other."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc

from spacy_crossner.annotations.tags import label_tags
from spacy_crossner.errors import CrossnerError
from spacy_crossner.silver.teachers import Teachers

from .conftest import TOK2VEC


def test_the_average_is_the_mean_by_tag(teachers):
    together = Teachers(teachers)
    assert (together.labels, together.lang) == (["person", "place", "thing"], "xx")
    docs = [Doc(spacy.blank("xx").vocab, words=words) for words in (["Ada", "met", "the", "Z3"], [], ["Oslo"])]
    found = together.average(docs)
    tags = label_tags(together.labels)
    for doc, of_doc in zip(docs, found, strict=True):
        assert of_doc.shape == (len(doc), 7)
        for token in range(len(doc)):
            for column, tag in enumerate(tags):
                values = []
                for path in teachers:
                    nlp = spacy.load(path)
                    ner = nlp.get_pipe("ner")
                    copy = Doc(nlp.vocab, words=[word.text for word in doc])
                    values.append(ner.tag_probabilities([copy])[0][token, label_tags(ner.labels).index(tag)])
                assert of_doc[token, column] == pytest.approx(sum(values) / 2, abs=1e-6)
    # The two differ, and each is flattened by its own temperature.
    alone = [Teachers([path]).average(docs)[0] for path in teachers]
    assert np.abs(alone[0] - alone[1]).max() > 0.01
    nlp = spacy.load(teachers[0])
    nlp.get_pipe("ner").cfg["temperature"] = 1.0
    cold = nlp.get_pipe("ner").tag_probabilities([Doc(nlp.vocab, words=["Ada", "met", "the", "Z3"])])[0]
    assert cold.max() > alone[0].max()


def test_teachers_that_do_not_fit_each_other(teachers, tmp_path):
    nlp = spacy.blank("xx")
    ner = nlp.add_pipe("crf_ner", name="ner", config={"model": {"tok2vec": TOK2VEC}})
    ner.add_labels(["person", "city"])
    ner.model.initialize(X=[Doc(nlp.vocab, words=["a"])], Y=list(ner.labels))
    ner.cfg["width"] = 32
    nlp.to_disk(tmp_path / "other")
    with pytest.raises(CrossnerError, match=r"\[C605\] The teacher .*other has .*: city, place, thing are labels"):
        Teachers([teachers[0], str(tmp_path / "other")])
    spacy.blank("xx").to_disk(tmp_path / "empty")
    with pytest.raises(CrossnerError, match=r"\[C608\].*it has no components"):
        Teachers([str(tmp_path / "empty")])
    nlp = spacy.load(teachers[1])
    german = spacy.blank("de")
    german.add_pipe("ner", source=nlp)
    german.to_disk(tmp_path / "german")
    with pytest.raises(CrossnerError, match=r"\[C615\].*german has the language 'de', and .* has 'xx'"):
        Teachers([teachers[0], str(tmp_path / "german")])
    with pytest.raises(CrossnerError, match=r"\[C203\]"):
        Teachers([str(tmp_path / "none")])
