"""Only the layers of `encoders/spacy_trf` import spacy-transformers, and only pipelines with such a layer load them."""

import ast
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from spacy_crossner.errors import CrossnerError

ROOT = Path(__file__).parents[1] / "spacy_crossner"

# Everything that is registered but the layers themselves; then pipelines trained, run, saved and loaded.
PROGRAM = """
import sys
BLOCKED = {blocked}
if BLOCKED:
    sys.modules["spacy_transformers"] = None
from importlib.metadata import distribution, entry_points
import catalogue
# spaCy loads the factories of all packages; those of spacy-transformers are left out, as if it were not installed.
catalogue.AVAILABLE_ENTRY_POINTS = {{
    group: [point for point in entry_points(group=group) if not point.value.startswith("spacy_transformers")]
    for group in entry_points().groups
}}
points = [p for p in distribution("spacy-crossner").entry_points if ".spacy_trf." not in p.value]
assert len(points) > 30
for point in points:
    point.load()
import numpy as np
import spacy
from spacy.tokens import Doc
from spacy.training import Example
CNN = {{"@architectures": "spacy.HashEmbedCNN.v2", "width": 16, "depth": 1, "embed_size": 50, "window_size": 1}}
CNN.update(maxout_pieces=2, subword_features=True, pretrained_vectors=None)
BILSTM = {{"@architectures": "spacy_crossner.BiLSTM.v1", "hidden": 8}}
ENCODER = {{"@architectures": "spacy_crossner.Encoder.v1", "name": {encoder!r}}}
for tok2vec, learn_rate in ((CNN, 0.05), (BILSTM, 0.05), (ENCODER, 0.01)):
    nlp = spacy.blank("xx")
    nlp.vocab.set_vector("Ada", np.ones(4, dtype="f"))
    nlp.add_pipe("crf_ner", config={{"model": {{"tok2vec": tok2vec}}}})
    gold = Doc(nlp.vocab, words=["Ada", "met", "Bo"], ents=["B-person", "O", "O"])
    examples = [Example(nlp.make_doc("Ada met Bo"), gold)]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = learn_rate
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
    loaded = spacy.blank("xx").from_config(nlp.config).from_bytes(nlp.to_bytes())
    (doc, _) = loaded.pipe(["Ada met Bo", ""])
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Ada", "person")], doc.ents
loaded = sorted(name for name, module in sys.modules.items() if name.startswith("spacy_transformers") and module)
assert not loaded, loaded
print("done")
"""


@pytest.mark.parametrize("blocked", [False, True])
def test_components_on_other_layers_do_not_import_it(blocked, tiny_encoder):
    command = [sys.executable, "-c", PROGRAM.format(blocked=blocked, encoder=str(tiny_encoder))]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "done"


def test_a_layer_that_needs_it_says_so(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("spacy_crossner.encoders.spacy_trf")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "spacy_transformers", None)
    for point in distribution("spacy-crossner").entry_points:
        if ".spacy_trf." in point.value:
            with pytest.raises(CrossnerError, match=r"C502.*Tok2VecTransformer.v1 need spacy-transformers"):
                point.load()


def test_one_folder_imports_it():
    users, importers = set(), set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names.append(node.module or "")
            if any(name.split(".")[0] == "spacy_transformers" for name in names):
                importers.add(path.parent.relative_to(ROOT).as_posix())
            if any("spacy_trf" in name.split(".") for name in names):
                users.add(path)
    assert importers == {"encoders/spacy_trf"}
    assert not users
