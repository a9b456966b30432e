"""Checkpoints of domain-adaptive pre-training, laid out as those of `training/checkpoint.py`.

All that is random in a step is drawn from the seed and the step's number. So the step is the place in the data, in the
schedule and in every random sequence at once; what remains to be kept are the weights and the optimizer's moments.
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

# One may turn out to be damaged.
KEPT = 2
# How often something is written makes no difference to the weights.
NOT_IN_FINGERPRINT = ("save_every", "eval_every", "log_every", "precision")


@dataclass
class SavedState:
    """What the next step depends on.

    step (int): steps taken.
    numbers (Dict[str, Any]): the running loss of the log.
    weights (Dict[str, Tensor]): weights by name.
    moments (Dict[str, Tensor]): the optimizer's tensors by name of weight and tensor, `name/exp_avg`.
    """

    step: int
    numbers: Dict[str, Any]
    weights: Dict[str, Tensor]
    moments: Dict[str, Tensor]


class DaptCheckpoints:
    """The checkpoints of a run: the last two, so that one is left if the last is damaged.

    folder (Path): their folder.
    fingerprint (Fingerprint): what the run depends on, by name.
    """

    def __init__(self, folder: Path, fingerprint: Fingerprint) -> None:
        self.folder = folder
        self.checkpoints = Checkpoints(folder, fingerprint)

    def write(self, state: SavedState) -> None:
        """Write a checkpoint, then remove the older ones but the last two."""
        with new_folder(self.folder / str(state.step)) as new:
            save_file({name: _copy(tensor) for name, tensor in state.weights.items()}, new / WEIGHTS)
            save_file({name: _copy(tensor) for name, tensor in state.moments.items()}, new / OPTIMIZER)
            srsly.write_msgpack(new / STATE, {"step": state.step, "numbers": state.numbers})
            files = {name: file_digest(new / name) for name in (WEIGHTS, OPTIMIZER, STATE)}
            srsly.write_json(new / MANIFEST, {"fingerprint": self.checkpoints.fingerprint, "files": files})
        steps = sorted(int(path.name) for path in self.folder.iterdir() if path.name.isdigit())
        # A later one is damaged, or the run would have resumed from it.
        keep = [str(step) for step in steps if step <= state.step][-KEPT:]
        for path in self.folder.iterdir():
            if path.name not in keep:
                shutil.rmtree(path)

    def read(self) -> Optional[SavedState]:
        """Return the last whole checkpoint of this run; None, with a line that says why, if it is of another."""
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
    """Return all that the weights in the end depend on, by name.

    encoder (str): see `find_encoder`.
    texts (Sequence[Path]): the texts to train on.
    held_out_text (Optional[Path]): the text to evaluate on; None for a share of the others.
    masking (Masking): what is masked.
    settings (DaptSettings): how it is trained.
    device (torch.device): what it is trained on; which of several GPUs makes no difference.
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
