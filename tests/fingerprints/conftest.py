import os
import shutil

import pytest
from safetensors.torch import load_file, save_file


@pytest.fixture
def encoder(tmp_path, tiny_encoder):
    """Give the folder of a copy of the tiny encoder."""
    shutil.copytree(tiny_encoder, tmp_path / "encoder")
    return tmp_path / "encoder"


@pytest.fixture
def change_one_weight():
    """Give a function that changes one weight of an encoder; the size and the time of the file stay."""

    def change(folder):
        path = folder / "model.safetensors"
        before = path.stat()
        weights = load_file(path)
        weights["embeddings.LayerNorm.bias"][3] += 1
        save_file(weights, path, metadata={"format": "pt"})
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.stat().st_size == before.st_size

    return change
