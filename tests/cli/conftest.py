"""Fixtures for the tests of all commands."""

import shutil

import pytest
from spacy.tokens import Doc
from thinc.api import Config

from spacy_crossner.data.docbin import write_docbin

from .calls import CRF

PROJECT = """
vars: {method: crf, domain: ai, seed: 0, target_sentences: 0}
workflows: {one: [score]}
commands:
  - name: score
    script: ["python -c pass ${vars.method} ${vars.domain} ${vars.seed} ${vars.target_sentences}"]
    outputs: ["metrics/${vars.method}.json"]
"""


@pytest.fixture(scope="session")
def good(tmp_path_factory, tiny_encoder, annotated_docs, learn_by_heart):
    """Give a folder with an input of each kind that is as it should be."""
    folder = tmp_path_factory.mktemp("good")
    nlp, docs = learn_by_heart("crf_ner", {"model": CRF["model"]}, lang="xx")
    nlp.to_disk(folder / "model")
    encoder = {"@architectures": "spacy_crossner.Encoder.v1", "name": str(tiny_encoder)}
    learn_by_heart("crf_ner", {"model": {**CRF["model"], "tok2vec": encoder}}, lang="xx", updates=1)[0].to_disk(
        folder / "model_with_encoder"
    )
    for name in ("docs", "docs_a", "docs_b"):
        write_docbin(docs, folder / f"{name}.spacy")
        for doc in docs:
            doc._.domain = "b"
    write_docbin([Doc(nlp.vocab, words=["Elsewhere"], ents=["O"])], folder / "seen.spacy")
    lines = [f"Ada met {a} in Paris , {b} works at the {a} lab in Oslo .\n" for a in "abcdefg" for b in "hijklmn"]
    (folder / "text.txt").write_text("".join(lines))
    (folder / "names.tsv").write_text("Ada\tperson\nOslo\tplace\n")
    (folder / "files").mkdir()
    labelled = [f"[Ada](person) met {a} in [Oslo](place) .\n" for a in "abcdefghij"]
    (folder / "files" / "letters.txt").write_text("".join(labelled))
    (folder / "files" / "raw.txt").write_text("".join(lines))
    (folder / "files" / "names.tsv").write_text("Ada\tperson\nOslo\tplace\n")
    (folder / "labels.json").write_text('["person", "place"]')
    (folder / "known.jsonl").write_text("")
    (folder / "project").mkdir()
    (folder / "project" / "project.yml").write_text(PROJECT)
    shutil.copytree(tiny_encoder, folder / "encoder")
    reader = {"@readers": "spacy_crossner.DomainReader.v1", "domains": {"a": {"path": str(folder / "docs.spacy")}}}
    training = {"train_corpus": "corpora.train", "dev_corpus": "corpora.dev", "seed": 0, "gpu_allocator": None}
    training.update(max_steps=1, eval_frequency=1, batcher={"@batchers": "spacy_crossner.PaddedBatcher.v1", "size": 8})
    Config(
        {
            "nlp": {"lang": "xx", "pipeline": ["ner"]},
            "components": {"ner": CRF},
            "corpora": {"train": reader, "dev": reader},
            "training": {**training, "score_weights": {"ents_f": 1.0}},
            "initialize": {},
        }
    ).to_disk(folder / "config.cfg")
    return folder
