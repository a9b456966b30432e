"""`assets`: files come from git at a pinned commit and are checked; without a network there is one clear sentence."""

import hashlib
import json
import subprocess

import pytest
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.data import assets
from spacy_crossner.data.assets import LISTING, SUMS, fetch_assets
from spacy_crossner.errors import CrossnerError

FILES = {"ai/train.txt": b"Ada\tB-person\r\n", "ai/dev.txt": "Köln\tB-place\n".encode(), "book/train.txt": b"x\tO\n"}


def git(folder, *arguments):
    words = ["git", "-c", "user.name=n", "-c", "user.email=n@example.org", *arguments]
    return subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def published(tmp_path):
    """Give a listing of a repository with a later commit, in which a file has changed; one file has no known sum."""
    repository = tmp_path / "repository"
    for name, content in FILES.items():
        (repository / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / "data" / name).write_bytes(content)
    git(tmp_path, "init", "--quiet", str(repository))
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "first")
    commit = git(repository, "rev-parse", "HEAD")
    (repository / "data" / "ai" / "train.txt").write_text("changed")
    git(repository, "commit", "--quiet", "-a", "-m", "second")
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    listing = {"repository": repository.as_uri(), "commit": commit, "folder": "data"}
    path = tmp_path / "listing.json"
    path.write_text(json.dumps({**listing, "sha256": {**sums, "book/train.txt": None}}))
    return path


def test_files_are_those_of_the_pinned_commit_byte_by_byte(published, tmp_path):
    assert fetch_assets(tmp_path / "out", published)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in FILES} == FILES
    lines = (tmp_path / "out" / SUMS).read_text().splitlines()
    assert lines == [f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in FILES.items()]


@pytest.mark.parametrize("name", FILES)
def test_what_is_there_with_the_right_sum_is_not_fetched_again(published, tmp_path, monkeypatch, name):
    fetch_assets(tmp_path / "out", published)
    with monkeypatch.context() as patch:
        patch.setattr(assets, "_git", None)
        assert not fetch_assets(tmp_path / "out", published)
    # Damaged or lost, also one whose sum only the first fetch has told.
    (tmp_path / "out" / name).write_bytes(b"damaged")
    assert fetch_assets(tmp_path / "out", published)
    (tmp_path / "out" / name).unlink()
    assert fetch_assets(tmp_path / "out", published)
    assert (tmp_path / "out" / name).read_bytes() == FILES[name]


def test_a_wrong_sum_writes_nothing(published, tmp_path):
    listing = json.loads(published.read_text())
    listing["sha256"]["ai/dev.txt"] = "0" * 64
    published.write_text(json.dumps(listing))
    with pytest.raises(CrossnerError, match=r"C095.*ai/dev.txt"):
        fetch_assets(tmp_path / "out", published)
    assert not (tmp_path / "out").exists()


def test_a_commit_that_is_not_there_is_an_error(published, tmp_path):
    listing = json.loads(published.read_text())
    published.write_text(json.dumps({**listing, "commit": "0" * 40}))
    with pytest.raises(CrossnerError, match="C017"):
        fetch_assets(tmp_path / "out", published)


def test_a_missing_network_is_one_sentence(tmp_path, monkeypatch):
    # Port 9 of this machine: nothing listens there.
    listing = {**json.loads(LISTING.read_text()), "repository": "http://127.0.0.1:9/data"}
    (tmp_path / "listing.json").write_text(json.dumps(listing))
    monkeypatch.setattr(fetch_assets, "__defaults__", (tmp_path / "listing.json",))
    result = CliRunner().invoke(app, ["assets", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "[C017] Cannot fetch the data with git: fatal:" in " ".join(result.output.split())
    assert "127.0.0.1" in result.output
    assert not (tmp_path / "out").exists()


def test_a_missing_git_is_one_sentence(published, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CrossnerError, match=r"C017.*git: No such file"):
        fetch_assets(tmp_path / "out", published)


def test_an_output_that_cannot_be_written_is_named(published, tmp_path):
    (tmp_path / "file").write_text("mine")
    result = CliRunner().invoke(app, ["assets", str(tmp_path / "file" / "out")])
    assert result.exit_code == 1
    assert "file" in result.output
    assert (tmp_path / "file").read_text() == "mine"
