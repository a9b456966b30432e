"""`assets`: files are fetched and checked; without a network there is one clear sentence."""

import hashlib

from typer.testing import CliRunner

from spacy_crossner.cli import app


def write_project(folder, url, text="token\n"):
    digest = hashlib.md5(text.encode()).hexdigest()
    lines = ["title: t", "assets:", "  - dest: got/data.txt", f"    url: {url}", "    extra: true"]
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
