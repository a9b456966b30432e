"""Checkpoints of domain-adaptive pre-training, in the format of `training/checkpoint.py`.

All random numbers of a step depend on the seed and the step number only. So a checkpoint needs the step number, the
weights and the optimizer's moments, but no random states and no position in the data.
"""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Sequence

import srsly
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..fingerprints import Fingerprint, encoder_digest, file_digest, text_digest, version_fingerprint
from ..training.checkpoint import MANIFEST, Checkpoints, new_folder
from ..training.state import OPTIMIZER, STATE, WEIGHTS
from .masking import Masking
from .settings import DaptSettings

# Number of checkpoints to keep, in case the last one is damaged.
KEPT = 2
# Settings without effect on the weights. The actual precision has its own entry.
NOT_IN_FINGERPRINT = ("save_every", "eval_every", "log_every", "precision")


@dataclass
class SavedState:
    """The state that the next step depends on.

    step (int): number of steps taken.
    numbers (Dict[str, Any]): the running loss of the log.
    weights (Dict[str, Tensor]): weights by name.
    moments (Dict[str, Tensor]): the optimizer's tensors by weight and field, such as `name/exp_avg`.
    """

    step: int
    numbers: Dict[str, Any]
    weights: Dict[str, Tensor]
    moments: Dict[str, Tensor]


class DaptCheckpoints:
    """The checkpoints of a run. The last two are kept, in case the last one is damaged.

    folder (Path): the folder of the checkpoints.
    fingerprint (Fingerprint): the inputs of the run.
    """

    def __init__(self, folder: Path, fingerprint: Fingerprint) -> None:
        self.folder = folder
        self.checkpoints = Checkpoints(folder, fingerprint)

    def write(self, state: SavedState) -> None:
        """Write a checkpoint, then remove all but the last two."""
        with new_folder(self.folder / str(state.step)) as new:
            save_file({name: _copy(tensor) for name, tensor in state.weights.items()}, new / WEIGHTS)
            save_file({name: _copy(tensor) for name, tensor in state.moments.items()}, new / OPTIMIZER)
            srsly.write_msgpack(new / STATE, {"step": state.step, "numbers": state.numbers})
            files = {name: file_digest(new / name) for name in (WEIGHTS, OPTIMIZER, STATE)}
            srsly.write_json(new / MANIFEST, {"fingerprint": self.checkpoints.fingerprint, "files": files})
        steps = sorted(int(path.name) for path in self.folder.iterdir() if path.name.isdigit())
        # Checkpoints of later steps are damaged: otherwise the run would have resumed from them.
        keep = [str(step) for step in steps if step <= state.step][-KEPT:]
        for path in self.folder.iterdir():
            if path.name not in keep:
                shutil.rmtree(path)

    def read(self) -> Optional[SavedState]:
        """Return the last complete checkpoint of this run. If there is none, print the reason and return None."""
        path = self.checkpoints.find()
        if path is None:
            return None
        state = srsly.read_msgpack(path / STATE)
        return SavedState(state["step"], state["numbers"], load_file(path / WEIGHTS), load_file(path / OPTIMIZER))

    def remove(self) -> None:
        """Remove all checkpoints."""
        self.checkpoints.remove()


def dapt_fingerprint(
    encoder: str,
    texts: Sequence[Path],
    held_out_text: Optional[Path],
    *,
    masking: Masking,
    settings: DaptSettings,
    device: torch.device,
    processes: int,
) -> Fingerprint:
    """Return the fingerprint of a run: everything that the final weights depend on.

    encoder (str): see `find_encoder`.
    texts (Sequence[Path]): the texts to train on.
    held_out_text (Optional[Path]): the text to evaluate on; None to hold out lines of the training texts.
    masking (Masking): the masking settings.
    settings (DaptSettings): the training settings.
    device (torch.device): the training device. Only its type counts, not the number of the GPU.
    processes (int): number of processes.
    RAISES (CrossnerError): a text cannot be read.
    """
    fingerprint = {f"masking.{name}": str(value) for name, value in asdict(masking).items()}
    fingerprint.update({name: str(value) for name, value in asdict(settings).items() if name not in NOT_IN_FINGERPRINT})
    fingerprint["the text"] = " ".join(text_digest(path) for path in texts)
    fingerprint["the held-out text"] = text_digest(held_out_text) if held_out_text else "a share"
    fingerprint["the encoder"] = encoder_digest(encoder)
    fingerprint.update(version_fingerprint())
    fingerprint["the device"] = device.type
    fingerprint["the precision"] = str(settings.dtype(device))
    fingerprint["the number of processes"] = str(processes)
    return fingerprint


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()
