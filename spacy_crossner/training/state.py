"""The state of a training run on disk (safetensors and msgpack): everything that the next step depends on.

A component with training state outside of its weights (such as a teacher, or a counter that a callback changes) has two
methods:

    training_state_to_bytes() -> bytes
    training_state_from_bytes(bytes_data: bytes) -> None

The second method is called on the initialized component before its weights are loaded, so that it can first restore the
structure of its model. `training.before_update` is not called again for finished steps. The shim of a layer may have
the same methods, and so may a logger; the logger's second one is called before it is set up.
"""

from pathlib import Path
from timeit import default_timer as timer
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

import srsly
import torch
from safetensors.torch import load_file, save_file
from spacy.language import Language
from thinc.api import Model
from torch import Tensor, nn

from ..errors import CrossnerError, Errors
from .optimizers import can_be_saved, optimizer_from_state, optimizer_to_state
from .parameters import nodes, parameters
from .run import TrainingRun

WEIGHTS, OPTIMIZER, STATE = "weights.safetensors", "optimizer.safetensors", "state.msgpack"


def why_not_saved(run: TrainingRun) -> Optional[str]:
    """Return the reason why a training run cannot be saved; None if it can be saved."""
    if not can_be_saved(run.optimizer):
        return f"the optimizer {type(run.optimizer).__name__} is neither HeadAdamW nor thinc's Adam, RAdam or SGD"
    for name, node in nodes(run.nlp):
        for shim in node.shims:
            if not isinstance(shim._model, nn.Module):
                return f"the weights in layer {name} ({node.name}) are neither thinc's nor torch's"
    return None


def write_state(run: TrainingRun, folder: Path) -> None:
    """Write the state of a training run to a folder."""
    nlp = run.nlp
    current = parameters(nlp)
    names = {key: name for name, (key, _) in current.items()}
    optimizer, moments = optimizer_to_state(run.optimizer, names)
    _write_tensors({name: tensor for name, (_, tensor) in current.items()}, folder / WEIGHTS)
    _write_tensors(moments, folder / OPTIMIZER)
    savers = {name: pipe for name, pipe in nlp.components if hasattr(pipe, "training_state_to_bytes")}
    state = {
        "drawn": run.batches.drawn,
        "starts": list(run.batches.starts.items()),
        "random": run.generators.get(),
        "results": [(float(score), step) for score, step in run.results],
        "log": run.log,
        "words": run.words,
        "seconds": run.seconds,
        "optimizer": optimizer,
        "gradients": _with_gradient(nlp),
        "attributes": {name: _plain_attributes(node) for name, node in nodes(nlp)},
        "labels": _labels(nlp),
        "strings": sorted(nlp.vocab.strings),
        "performance": nlp.meta.get("performance", {}),
        "pipes": {name: pipe.training_state_to_bytes() for name, pipe in savers.items()},
        "shims": {name: shim.training_state_to_bytes() for name, shim in _saving_shims(nlp)},
        "logger": run.logger.training_state_to_bytes() if hasattr(run.logger, "training_state_to_bytes") else None,
    }
    (folder / STATE).write_bytes(srsly.msgpack_dumps(state))


def read_state(run: TrainingRun, folder: Path) -> None:
    """Load a saved state into a new training run.

    RAISES (CrossnerError): the labels or weights of the pipeline differ from the saved ones.
    """
    nlp = run.nlp
    state = srsly.msgpack_loads((folder / STATE).read_bytes())
    weights, moments = load_file(folder / WEIGHTS), load_file(folder / OPTIMIZER)
    for name, pipe in nlp.components:
        if name in state["pipes"]:
            pipe.training_state_from_bytes(state["pipes"][name])  # type: ignore[attr-defined]
    current = parameters(nlp)
    problems = [f"labels of '{name}'" for name, labels in _labels(nlp).items() if labels != state["labels"].get(name)]
    problems += [f"'{name}'" for name in sorted(weights.keys() ^ current.keys())]
    problems += [
        f"shape of '{name}'" for name in weights if name in current and weights[name].shape != current[name][1].shape
    ]
    if problems:
        raise CrossnerError(Errors.C020.format(path=folder, problem=", ".join(problems[:5])))
    for name, (_, tensor) in current.items():
        tensor.copy_(weights[name])
    for name, node in nodes(nlp):
        node.attrs.update(state["attributes"][name])
    for name, shim in _saving_shims(nlp):
        shim.training_state_from_bytes(state["shims"][name])
    _set_gradients(nlp, set(state["gradients"]))
    for string in state["strings"]:
        nlp.vocab.strings.add(string)
    nlp.meta["performance"] = state["performance"]
    optimizer_from_state(run.optimizer, (state["optimizer"], moments), current, state["drawn"])
    if state["logger"] is not None:
        run.logger.training_state_from_bytes(state["logger"])
    run.results = [(score, step) for score, step in state["results"]]
    # A checkpoint of an earlier version has no log.
    run.log = state.get("log", [])
    run.words = state["words"]
    run.start = timer() - state["seconds"]
    run.batches.replay(state["drawn"], dict(state["starts"]))
    run.generators.set(state["random"])


def _with_gradient(nlp: Language) -> List[str]:
    """Return the names of the weights that have a gradient. After a step its value is 0.

    The moments still change a weight with gradient 0, but not a weight without gradient.
    """
    thinc = [f"{prefix}/{name}" for prefix, node in nodes(nlp) for name in node.param_names if node.has_grad(name)]
    return thinc + [name for name, parameter in _torch_parameters(nlp) if parameter.grad is not None]


def _set_gradients(nlp: Language, names: Set[str]) -> None:
    """Set the gradients of the named weights to 0."""
    for prefix, node in nodes(nlp):
        for name in node.param_names:
            if f"{prefix}/{name}" in names:
                node.set_grad(name, node.ops.xp.zeros_like(node.get_param(name)))
    for name, parameter in _torch_parameters(nlp):
        if name in names:
            parameter.grad = torch.zeros_like(parameter)


def _torch_parameters(nlp: Language) -> Iterator[Tuple[str, nn.Parameter]]:
    for prefix, node in nodes(nlp):
        for i, shim in enumerate(node.shims):
            for name, parameter in shim._model.named_parameters():
                yield f"{prefix}/shim{i}/{name}", parameter


def _saving_shims(nlp: Language) -> Iterator[Tuple[str, Any]]:
    """Yield each shim that has a training state beside its weights, with a name."""
    for prefix, node in nodes(nlp):
        for i, shim in enumerate(node.shims):
            if hasattr(shim, "training_state_to_bytes"):
                yield f"{prefix}/shim{i}", shim


def _plain_attributes(node: Model) -> Dict[str, Any]:
    """Return the attributes of a layer that are numbers or strings, such as the seed of hash embeddings."""
    return {name: value for name, value in node.attrs.items() if isinstance(value, (bool, int, float, str))}


def _labels(nlp: Language) -> Dict[str, List[Any]]:
    return {name: list(pipe.labels) for name, pipe in nlp.components if hasattr(pipe, "labels")}


def _write_tensors(tensors: Dict[str, Tensor], path: Path) -> None:
    # Copy, because tied weights share memory and safetensors does not allow that.
    save_file({name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}, path)
