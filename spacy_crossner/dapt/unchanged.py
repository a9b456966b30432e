"""Save an encoder without an adaptation, for a project without raw text: later stages find it in the usual folder."""

import os
import shutil
from pathlib import Path
from typing import Sequence

from ..fingerprints import RECORD, encoder_digest, encoder_title, is_up_to_date, version_fingerprint, write_record
from ..storage.locks import only_writer
from ..training.checkpoint import new_folder
from ..training.divergence import forget_divergence
from .mlm_head import load_masked_model, load_tokenizer, save_adapted
from .output import LOG, WORK, check_output, named_write_errors, place_files


def is_without_text(texts: Sequence[Path]) -> bool:
    """Return whether there is no text: no file is given, or all are empty. A missing file is not empty."""
    return all(path.is_file() and not os.path.getsize(path) for path in texts)


def save_unchanged(encoder: str, output: Path) -> None:
    """Save an encoder in the form of an adapted one, with its original weights. A finished output is kept.

    encoder (str): see `find_encoder`.
    output (Path): the output folder.
    RAISES (CrossnerError): the encoder cannot be loaded, or the folder cannot be written.
    """
    check_output(output)
    with only_writer(output), named_write_errors(output):
        fingerprint = {"the encoder": encoder_digest(encoder), "the text": "none", **version_fingerprint()}
        if is_up_to_date(output, fingerprint):
            return
        model, _ = load_masked_model(encoder)
        with new_folder(output / WORK / "encoder") as folder:
            save_adapted(model, load_tokenizer(encoder), encoder, folder)
        made = [path.name for path in (output / WORK / "encoder").iterdir()]
        (output / RECORD).unlink(missing_ok=True)
        # Of an adaptation that was here before.
        forget_divergence(output)
        (output / LOG).unlink(missing_ok=True)
        place_files(output / WORK / "encoder", output)
        fingerprint["the encoder"] = encoder_digest(encoder)
        write_record(output, fingerprint, made, base=encoder_title(encoder))
        shutil.rmtree(output / WORK, ignore_errors=True)
