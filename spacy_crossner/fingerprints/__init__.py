"""Fingerprints of results: their settings, the contents of the files and encoders they read, and package versions.

Training, adaptation, vectors and comparisons identify their results by a fingerprint. A result is only reused if all
its inputs are the same. A finished output stores its fingerprint in `fingerprint.json`.
"""

from .contents import file_digest, path_digest, text_digest
from .encoders import encoder_digest, encoder_title, is_adapted_encoder
from .packages import PACKAGES, version_fingerprint, versions
from .record import RECORD, Fingerprint, differences, in_words, is_up_to_date, record_path, write_record
from .settings import named_contents, take_fingerprint

__all__ = [
    "PACKAGES",
    "RECORD",
    "Fingerprint",
    "differences",
    "encoder_digest",
    "encoder_title",
    "file_digest",
    "in_words",
    "is_adapted_encoder",
    "is_up_to_date",
    "named_contents",
    "path_digest",
    "record_path",
    "take_fingerprint",
    "text_digest",
    "version_fingerprint",
    "versions",
    "write_record",
]
