"""Checkpoints of domain-adaptive pre-training, laid out as those of `training/checkpoint.py`.

All that is random in a step is drawn from the seed and the step's number. So the step is the place in the data, in the
schedule and in every random sequence at once; what remains to be kept are the weights and the optimizer's moments.
"""

import hashlib
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, Optional

import numpy as np
import srsly
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from .. import __version__
from ..training.checkpoint import MANIFEST, Checkpoints, new_folder
from ..training.fingerprint import file_digest
from ..training.state import OPTIMIZER, STATE, WEIGHTS
from .blocks import tokenizer_digest
from .corpus import DaptCorpus
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
    numbers (Dict[str, Any]): what the log goes on from.
    weights (Dict[str, Tensor]): weights by name.
    moments (Dict[str, Tensor]): the optimizer's tensors by name of weight and tensor, `name/exp_avg`.
    """

    step: int
    numbers: Dict[str, Any]
    weights: Dict[str, Tensor]
    moments: Dict[str, Tensor]


class DaptCheckpoints:
    """The checkpoints of a run: the last two, so that there is one to go on from if the last is damaged.

    folder (Path): their folder.
    fingerprint (Dict[str, str]): what the run depends on, by name.
    """

    def __init__(self, folder: Path, fingerprint: Dict[str, str]) -> None:
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
        # A later one is damaged, or it would have been gone on from.
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


def take_fingerprint(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    corpus: DaptCorpus,
    *,
    masking: Masking,
    settings: DaptSettings,
    device: torch.device,
    processes: int,
) -> Dict[str, str]:
    """Return all that the weights in the end depend on, by name.

    model (PreTrainedModel): the model before its first step.
    tokenizer (PreTrainedTokenizerBase): its tokenizer.
    corpus (DaptCorpus): the text.
    masking (Masking): what is masked.
    settings (DaptSettings): how it is trained.
    device (torch.device): what it is trained on; which of several GPUs makes no difference.
    processes (int): number of processes.
    """
    found = {f"masking.{name}": str(value) for name, value in asdict(masking).items()}
    found.update({name: str(value) for name, value in asdict(settings).items() if name not in NOT_IN_FINGERPRINT})
    found["the text"] = corpus.train_stream.digest
    found["the held-out text"] = corpus.held_out_stream.digest
    found["the encoder's weights"] = weights_digest(model)
    found["the encoder's tokenizer"] = tokenizer_digest(tokenizer)
    found["the version of spacy-crossner"] = __version__
    found["the version of torch"] = str(torch.__version__)
    found["the version of transformers"] = transformers.__version__
    found["the device"] = device.type
    found["the precision"] = str(settings.dtype(device))
    found["the number of processes"] = str(processes)
    return found


def weights_digest(model: PreTrainedModel) -> str:
    """Return the SHA-256 of a model's weights and of their names."""
    total = hashlib.sha256()
    for name, parameter in model.named_parameters():
        total.update(f"{name} {tuple(parameter.shape)}\n".encode())
        total.update(np.ascontiguousarray(parameter.detach().cpu().numpy()).data)
    return total.hexdigest()


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()
