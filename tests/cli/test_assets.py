"""`assets`: files are fetched and checked; without a network there is one clear sentence."""

import hashlib
import subprocess

import pytest
from typer.testing import CliRunner

from spacy_crossner.cli import app


def write_project(folder, url, text="token\n", dest="got/data.txt"):
    digest = hashlib.md5(text.encode()).hexdigest()
    lines = ["title: t", "assets:", f"  - dest: {dest}", f"    url: {url}", "    extra: true"]
    lines.append(f"    checksum: {digest}")
    (folder / "project.yml").write_text("\n".join(lines) + "\n", encoding="utf8")


def test_a_missing_network_is_one_sentence(tmp_path):
    # Port 9 of this machine: nothing listens there.
    write_project(tmp_path, "http://127.0.0.1:9/data.txt")
    result = CliRunner().invoke(app, ["assets", str(tmp_path)])
    assert result.exit_code == 1
    assert "C017" in " ".join(result.output.split())


def test_what_is_there_is_not_fetched_again(tmp_path):
    write_project(tmp_path, "http://127.0.0.1:9/data.txt")
    (tmp_path / "got").mkdir()
    (tmp_path / "got" / "data.txt").write_text("token\n", encoding="utf8")
    assert CliRunner().invoke(app, ["assets", str(tmp_path)]).exit_code == 0


@pytest.mark.parametrize(
    ("dest", "problem"),
    [
        ("../data.txt", "leads out of the project"),
        ("got/../../data.txt", "leads out of the project"),
        ("{folder}/data.txt", "leads out of the project"),
        ("linked/data.txt", "is or goes through a link to"),
        ("linked.txt", "is or goes through a link to"),
        (".", "is the project's own folder"),
    ],
)
def test_an_asset_is_written_into_the_project_alone(tmp_path, dest, problem):
    project = tmp_path / "project"
    outside = tmp_path / "outside"
    for folder in (project, outside):
        folder.mkdir()
    (project / "linked").symlink_to(outside, target_is_directory=True)
    (project / "linked.txt").symlink_to(outside / "new.txt")
    (tmp_path / "source.txt").write_text("token\n", encoding="utf8")
    write_project(project, tmp_path / "source.txt", dest=dest.format(folder=outside))
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    result = CliRunner().invoke(app, ["assets", str(project)])
    assert result.exit_code == 1
    output = " ".join(result.output.split())
    assert "C088" in output
    assert problem in output
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before


def test_a_link_inside_the_project_is_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "got").symlink_to("disk", target_is_directory=True)
    (tmp_path / "source.txt").write_text("token\n", encoding="utf8")
    write_project(tmp_path, tmp_path / "source.txt")
    # Where the network is not asked first, a file is copied.
    CliRunner().invoke(app, ["assets", str(tmp_path)])
    assert (tmp_path / "disk" / "data.txt").read_text(encoding="utf8") == "token\n"


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("repo", "--upload-pack=touch"),
        ("repo", "ext::sh"),
        ("repo", "source --upload-pack=touch"),
        ("branch", "--upload-pack=touch"),
    ],
)
def test_git_is_given_no_options(tmp_path, monkeypatch, part, value):
    def fail(*args, **kwargs):
        raise AssertionError("git was called")

    monkeypatch.setattr(subprocess, "run", fail)
    git = {"repo": "https://example.org/data", "branch": "main", "path": "data", part: value}
    lines = ["title: t", "assets:", "  - dest: got", "    extra: true", "    git:"]
    lines += [f'      {name}: "{text}"' for name, text in git.items()]
    (tmp_path / "project.yml").write_text("\n".join(lines), encoding="utf8")
    result = CliRunner().invoke(app, ["assets", str(tmp_path)])
    assert result.exit_code == 1
    assert "C090" in result.output
    assert part in result.output
