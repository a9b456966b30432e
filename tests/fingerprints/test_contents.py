"""Digests of files and folders: by content, also behind links; each file is read once."""

import hashlib
import os

from spacy_crossner.fingerprints import contents, file_digest, path_digest


def test_files_behind_a_link_to_a_folder_count(tmp_path):
    for name in ("corpus", "outside"):
        (tmp_path / name).mkdir()
    (tmp_path / "outside" / "a.spacy").write_text("1")
    plain = path_digest(tmp_path / "outside")
    (tmp_path / "corpus" / "part").symlink_to(tmp_path / "outside", target_is_directory=True)
    before = path_digest(tmp_path / "corpus")
    (tmp_path / "outside" / "a.spacy").write_text("2")
    assert path_digest(tmp_path / "corpus") != before
    # Links back, and twice to the same, end.
    (tmp_path / "outside" / "a.spacy").write_text("1")
    assert path_digest(tmp_path / "corpus") == before
    (tmp_path / "outside" / "up").symlink_to(tmp_path / "corpus", target_is_directory=True)
    looped = path_digest(tmp_path / "corpus")
    assert looped != before
    (tmp_path / "corpus" / "more").symlink_to(tmp_path / "outside", target_is_directory=True)
    assert path_digest(tmp_path / "corpus") not in (looped, before)
    assert path_digest(tmp_path / "outside") != plain


def test_a_file_is_read_once_and_again_when_it_is_written(tmp_path, monkeypatch):
    path = tmp_path / "large"
    path.write_bytes(b"a" * 100)
    # As one that was written long ago.
    monkeypatch.setattr(contents, "RACY_SECONDS", -1e9)
    before = file_digest(path)
    assert before == hashlib.sha256(b"a" * 100).hexdigest()
    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", None)
        assert file_digest(path) == before
    status = path.stat()
    path.write_bytes(b"b" * 100)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file_digest(path) == hashlib.sha256(b"b" * 100).hexdigest()


def test_a_file_that_was_just_written_is_read_each_time(tmp_path):
    """Within the resolution of the clock a second write may leave the same times."""
    path = tmp_path / "new"
    path.write_bytes(b"a")
    file_digest(path)
    assert not any(digest == hashlib.sha256(b"a").hexdigest() for digest in contents._digest_cache.values())
