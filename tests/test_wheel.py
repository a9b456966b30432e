"""The wheel has a copy of the project: what `init` needs without a clone."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
NEEDED = ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in", "CHANGELOG.md")
TEMPLATE = "spacy_crossner/template/"


def test_the_project_in_the_wheel_is_that_of_the_repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    for name in (*NEEDED, "constraints.txt", "project.yml"):
        shutil.copy(ROOT / name, folder)
    for name in ("configs", "assets/sample", "spacy_crossner"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    words = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(folder)]
    built = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert built.returncode == 0, built.stderr[-2000:]
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        found = {
            name.removeprefix(TEMPLATE): packed.read(name) for name in packed.namelist() if name.startswith(TEMPLATE)
        }
    expected = {"project.yml": (ROOT / "project.yml").read_bytes()}
    for path in [*(ROOT / "configs").glob("*.cfg"), *(ROOT / "assets" / "sample").rglob("*")]:
        if path.is_file():
            expected[path.relative_to(ROOT).as_posix()] = path.read_bytes()
    assert found == expected
