"""Every component in processes of their own: one for all, as each takes seconds to import torch."""

import json
import subprocess
import sys

from .components import COMPONENTS

CODE = """
import json, sys
import spacy
# The factories are found with no import of ours.
factories = json.loads(sys.argv[1])
found = {factory: spacy.blank("xx").add_pipe(factory).labels for factory in factories}

import torch
torch.set_num_threads(2)
texts = ["Ada Lovelace wrote notes in London ."] * 8
pipelines = {path: spacy.load(path) for path in sys.argv[2:]}
alone = {path: [[ent.text for ent in doc.ents] for doc in nlp.pipe(texts)] for path, nlp in pipelines.items()}
torch.randn(500, 500) @ torch.randn(500, 500)
# A child that waits for the parent's threads would never end.
both = {
    path: [[(ent.text, ent._.score) for ent in doc.ents] for doc in nlp.pipe(texts, n_process=2, batch_size=2)]
    for path, nlp in pipelines.items()
}
print(json.dumps([found, alone, both]))
"""


def test_factories_are_found_and_two_processes_give_the_answer_of_one(learned, tmp_path):
    folders = {kind: tmp_path / kind for kind in COMPONENTS}
    for kind, folder in folders.items():
        learned(kind).to_disk(folder)
    factories = sorted({factory for factory, _ in COMPONENTS.values()})
    command = [sys.executable, "-W", "ignore", "-c", CODE, json.dumps(factories), *map(str, folders.values())]
    out = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True).stdout
    found, alone, both = json.loads(out.splitlines()[-1])
    assert found == {factory: [] for factory in factories}
    for folder in map(str, folders.values()):
        assert alone[folder] == [["Ada Lovelace", "London"]] * 8
        assert [[text for text, _ in spans] for spans in both[folder]] == alone[folder]
        assert all(0 <= score <= 1 for spans in both[folder] for _, score in spans)
