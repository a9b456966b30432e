"""Fetch a published data set with git, at a pinned commit, and check every file.

In git, the name of an object is the hash of its content, and the name of a commit covers all its files. So git itself
checks the content of a pinned commit. A listing adds the SHA-256 of each file, if it is known.
"""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

import srsly

from ..errors import CrossnerError, Errors
from .files import write_files

LISTING = Path(__file__).with_name("crossner.json")
SUMS = "SHA256SUMS"

C095 = (
    "[C095] {name} in {repository} has the SHA-256 {found}, not {expected}. Nothing was written. Correct the listing."
)


def fetch_assets(output: Path, listing: Path = LISTING) -> bool:
    """Fetch the files of a listing, unless all files exist with the expected checksums.

    output (Path): the folder for the files, and for `SHA256SUMS`, the checksums of all files.
    listing (Path): JSON with `repository`, `commit`, `folder` (in the repository) and `sha256`: the checksum by file,
        or null for a file that only git checks.
    RETURNS (bool): whether the files were fetched.
    RAISES (CrossnerError): git fails, the network is not available, or a file has another checksum.
    """
    source = srsly.read_json(listing)
    expected = {**_read_sums(output / SUMS), **{name: found for name, found in source["sha256"].items() if found}}
    if all(name in expected and _digest(output / name) == expected[name] for name in source["sha256"]):
        return False
    contents = _fetch(source)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    for name, found in source["sha256"].items():
        if found and sums[name] != found:
            raise CrossnerError(
                C095.format(name=name, repository=source["repository"], found=sums[name], expected=found)
            )
    lines = "".join(f"{found}  {name}\n" for name, found in sums.items())
    write_files({**{output / name: content for name, content in contents.items()}, output / SUMS: lines.encode()})
    return True


def _fetch(source: Mapping[str, Any]) -> Dict[str, bytes]:
    """Return the contents of the files by name."""
    with tempfile.TemporaryDirectory() as folder:
        _git(folder, "init", "--quiet")
        _git(folder, "fetch", "--quiet", "--depth", "1", "--", source["repository"], source["commit"])
        place = f"{source['commit']}:{source['folder']}"
        return {name: _git(folder, "cat-file", "blob", f"{place}/{name}") for name in source["sha256"]}


def _git(folder: str, *arguments: str) -> bytes:
    try:
        result = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
            capture_output=True,
            check=True,
        )
    except OSError as error:
        raise CrossnerError(Errors.C017.format(error=f"git: {error.strerror}")) from error
    except subprocess.CalledProcessError as error:
        problem = " ".join(error.stderr.decode(errors="replace").split())
        raise CrossnerError(Errors.C017.format(error=problem or f"git {arguments[0]} failed")) from error
    return result.stdout


def _read_sums(path: Path) -> Dict[str, str]:
    """Return the checksums of a file in the format of `sha256sum`; none if the file does not exist."""
    try:
        lines = path.read_text(encoding="utf8").splitlines()
    except (OSError, ValueError):
        return {}
    return {name: found for found, _, name in (line.partition("  ") for line in lines)}


def _digest(path: Path) -> Optional[str]:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
