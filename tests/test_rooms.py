"""Imports run one way: from the commands down to the errors. The order of the rooms stands here and nowhere else."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "spacy_crossner"

# Each room may import those before it, and itself. Rooms in one line do not know each other.
ROOMS = [
    ["errors"],
    ["threads", "tuning", "annotations"],
    ["data"],
    ["storage"],
    ["fingerprints", "text"],
    ["encoders"],
    ["core"],
    ["methods"],
    ["training"],
    ["dapt", "silver", "evaluation", "inference"],
    ["self_training", "cross_validation"],
    ["comparison", "projects"],
    ["cli"],
]
LEVEL = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}

# Files that are torch alone: who reads a method's equations there needs to know no spaCy.
TORCH_FILES = [f"core/{name}.py" for name in ("head", "crf", "lattice", "linear", "losses", "likelihood")]
TORCH_FILES += [f"core/{name}.py" for name in ("rows", "viterbi", "sums", "path_spans", "scan")]
TORCH_NAMES = {"head.py", "losses.py", "greedy.py", "beam.py", "spans.py", "tagging.py", "prefixes.py", "generator.py"}
TORCH_NAMES |= {"cell.py", "scorer.py", "trie.py"}
TORCH_NAMES |= {"mmd.py", "contrastive.py", "distillation.py", "vat.py", "adversarial.py", "learning.py"}
NO_TORCH_FILE = {"spacy", "thinc", "spacy_transformers", "transformers"}


def imports_of(path):
    """Yield the parts of each module that a file imports: of our own those below the package."""
    package = path.relative_to(ROOT).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")
        elif isinstance(node, ast.ImportFrom):
            base = ["spacy_crossner", *package[: len(package) - node.level + 1]]
            names = [node.module.split(".")] if node.module else [[alias.name] for alias in node.names]
            yield from ([*base, *name] for name in names)


def room_of(path):
    return path.relative_to(ROOT).with_suffix("").parts[0]


def files():
    return sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def test_every_room_has_its_place():
    assert {room_of(path) for path in files()} == set(LEVEL)


@pytest.mark.parametrize("room", LEVEL)
def test_a_room_imports_no_room_above_or_beside_it(room):
    wrong = [
        f"{path.relative_to(ROOT)} imports {'.'.join(parts)}"
        for path in files()
        if room_of(path) == room
        for parts in imports_of(path)
        if parts[0] == "spacy_crossner" and len(parts) > 1 and parts[1] in LEVEL
        if parts[1] != room and LEVEL[parts[1]] >= LEVEL[room]
    ]
    assert not wrong


def test_a_method_imports_no_other_method():
    wrong = [
        f"{path.relative_to(ROOT)} imports {'.'.join(parts)}"
        for path in files()
        if room_of(path) == "methods" and len(path.relative_to(ROOT).parts) > 2
        for parts in imports_of(path)
        if parts[:2] == ["spacy_crossner", "methods"] and parts[2] != path.parent.name
    ]
    assert not wrong


def test_no_modules_import_each_other():
    known = {("spacy_crossner", *path.relative_to(ROOT).with_suffix("").parts): path for path in files()}
    edges = {name: {tuple(parts) for parts in imports_of(path)} & set(known) for name, path in known.items()}
    done, open_ = set(), []

    def visit(name):
        assert name not in open_, " -> ".join(".".join(part) for part in [*open_[open_.index(name) :], name])
        if name not in done:
            open_.append(name)
            for other in edges[name]:
                visit(other)
            done.add(open_.pop())

    for name in edges:
        visit(name)


def test_torch_files_import_torch_alone():
    torch_files = [path for path in (ROOT / "methods").rglob("*.py") if path.name in TORCH_NAMES]
    torch_files += [ROOT / name for name in TORCH_FILES]
    assert len(torch_files) >= 18
    wrong = [
        f"{path.relative_to(ROOT)} imports {'.'.join(parts)}"
        for path in torch_files
        for parts in imports_of(path)
        if parts[0] in NO_TORCH_FILE
    ]
    assert not wrong
