"""Masked language models: a Hugging Face encoder with its own output layer or with a new one."""

from pathlib import Path
from typing import Any, Dict, Set, Tuple, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModelForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase

from ..encoders.folders import find_encoder
from ..encoders.opening import named_faults, open_config, open_model, open_tokenizer
from ..errors import CrossnerError, Errors
from .masking import C421

# File of the output layer in the folder of an adapted encoder.
HEAD = Path("mlm") / "head.safetensors"
# Bias for which gelu is nearly linear on the outputs of an encoder.
LINEAR_PART = 2.0


class MaskedLanguageModel(nn.Module):
    """An encoder with its output layer, which is only applied to masked positions.

    About 85% of the positions are not masked. For a small encoder the output layer would take most of the time.

    model (PreTrainedModel): a `...ForMaskedLM` model.
    precision (torch.dtype): type of matrix products. The weights keep their type.
    """

    def __init__(self, model: PreTrainedModel, precision: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.model = model
        self.precision = precision
        self.positions: Any = None
        # The hook selects the masked positions of the encoder's output. So this works with any output layer.
        model.base_model.register_forward_hook(self._gather)

    def forward(self, ids: Tensor, positions: Tensor, targets: Tensor) -> Tensor:
        """Return the cross-entropy summed over the masked positions.

        ids (Tensor): token ids after masking, without padding, shape (n_blocks, size).
        positions (Tensor): masked positions as indices into the flattened blocks, shape (n_masked,).
        targets (Tensor): the token ids to predict, shape (n_masked,).
        RETURNS (Tensor): scalar.
        """
        self.positions = positions
        with torch.autocast(ids.device.type, self.precision, enabled=self.precision != torch.float32):
            logits = self.model(input_ids=ids, return_dict=True).logits
        # shape: (n_masked, vocab_size)
        logits = logits.squeeze(0).float()
        return nn.functional.cross_entropy(logits, targets, reduction="sum")

    def _gather(self, module: nn.Module, args: Any, output: Any) -> Any:
        hidden = output.last_hidden_state
        output.last_hidden_state = hidden.flatten(0, 1).index_select(0, self.positions).unsqueeze(0)
        return output

    def train_parts(self, *, encoder: bool, embeddings: bool) -> None:
        """Set which weights are trained in addition to the output layer.

        encoder (bool): train the encoder.
        embeddings (bool): with the encoder, also train the word embeddings and the output weights tied to them.
        """
        for parameter in self.model.base_model.parameters():
            parameter.requires_grad_(encoder)
        self.model.get_input_embeddings().weight.requires_grad_(encoder and embeddings)

    def train(self, mode: bool = True) -> "MaskedLanguageModel":
        """Set training mode. A frozen encoder has no dropout."""
        super().train(mode)
        if not any(parameter.requires_grad for parameter in self.model.base_model.parameters()):
            self.model.base_model.eval()
        return self


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Load the tokenizer of an encoder.

    name (str): see `find_encoder`.
    RAISES (CrossnerError): there is no tokenizer, it is not a fast tokenizer, or it has no mask token.
    """
    tokenizer = open_tokenizer(name, {"use_fast": True})
    if not tokenizer.is_fast:
        raise CrossnerError(C421.format(name=name, what="fast version"))
    if tokenizer.mask_token_id is None:
        raise CrossnerError(C421.format(name=name, what="mask token"))
    return tokenizer


def load_masked_model(name: str) -> Tuple[PreTrainedModel, bool]:
    """Load an encoder with its output layer. If it has none, make one that is tied to the word embeddings.

    An output layer that an earlier adaptation saved in the folder counts as the encoder's own.

    name (str): see `find_encoder`.
    RETURNS (Tuple[PreTrainedModel, bool]): the model, and whether its output layer is new and untrained.
    RAISES (CrossnerError): there is no such encoder, or it does not support masked language modelling.
    """
    model, info = open_model(name, open_config(name), auto_class=AutoModelForMaskedLM)
    missing = set(info["missing_keys"])
    is_new = bool(set(head_parameters(model)) & missing)
    if is_new:
        _start_head(model, missing)
        head = Path(find_encoder(name)) / HEAD
        if head.is_file():
            _read_head(model, head, name)
            is_new = False
    return model, is_new


def head_parameters(model: PreTrainedModel) -> Dict[str, nn.Parameter]:
    """Return the weights of the output layer by name, without weights shared with the encoder."""
    shared = {id(parameter) for parameter in model.base_model.parameters()}
    return {name: parameter for name, parameter in model.named_parameters() if id(parameter) not in shared}


def count_positions(model: PreTrainedModel) -> int:
    """Return the maximum number of tokens in an input of an encoder; 0 if there is no maximum."""
    for name, module in model.base_model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            # RoBERTa and similar models number positions from `padding_idx + 1`.
            return module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
    return int(getattr(model.config, "max_position_embeddings", 0) or 0)


def save_adapted(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    name: str,
    folder: Path,
    *,
    weight_interpolation: float = 0.0,
) -> None:
    """Save an adapted encoder for `AutoModel`, with its tokenizer and, in a separate file, its output layer.

    Weights that masked language modelling does not use, such as BERT's pooler, keep their original values.

    model (PreTrainedModel): the adapted model.
    tokenizer (PreTrainedTokenizerBase): its tokenizer.
    name (str): the original encoder.
    folder (Path): an existing folder.
    weight_interpolation (float): weight w of the original weights: saved = w * original + (1 - w) * adapted
        (WiSE-FT, Wortsman et al., 2022).
    """
    encoder, info = open_model(name, open_config(name))
    state = {key: tensor.detach().cpu() for key, tensor in model.base_model.state_dict().items()}
    before = {key: tensor for key, tensor in encoder.state_dict().items() if key not in info["missing_keys"]}
    for key, tensor in state.items():
        if weight_interpolation and key in before and tensor.is_floating_point():
            state[key] = tensor.lerp(before[key], weight_interpolation)
    if info["missing_keys"]:
        # The encoder has no pooler: do not save a randomly initialized one.
        encoder = cast(PreTrainedModel, model.base_model)
    else:
        encoder.load_state_dict(state, strict=False)
    encoder.save_pretrained(folder, state_dict={**encoder.state_dict(), **state}, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    (folder / HEAD).parent.mkdir()
    tensors = {key: value.detach().cpu().clone() for key, value in head_parameters(model).items()}
    save_file(tensors, folder / HEAD)


def _start_head(model: PreTrainedModel, missing: Set[str]) -> None:
    """Initialize a new output layer so that it is nearly the identity followed by the tied word embeddings."""
    model.config.tie_word_embeddings = True
    model.tie_weights()
    modules = dict(model.named_modules())
    for name, parameter in head_parameters(model).items():
        if name not in missing:
            continue
        module = modules[name.rpartition(".")[0]]
        kind = name.rpartition(".")[2]
        with torch.no_grad():
            if isinstance(module, nn.LayerNorm):
                parameter.fill_(1.0 if kind == "weight" else 0.0)
            elif parameter.dim() == 2 and parameter.shape[0] == parameter.shape[1]:
                nn.init.eye_(parameter)
                if isinstance(module, nn.Linear) and module.bias is not None:
                    module.bias.fill_(LINEAR_PART)
            elif parameter.dim() == 1 and len(parameter) == model.config.vocab_size:
                parameter.zero_()


def _read_head(model: PreTrainedModel, path: Path, name: str) -> None:
    with named_faults(name):
        parameters, saved = head_parameters(model), load_file(path)
    if {key: value.shape for key, value in parameters.items()} != {key: value.shape for key, value in saved.items()}:
        raise CrossnerError(Errors.C082.format(name=name, problem=f"{path} holds the output layer of another model"))
    with torch.no_grad():
        for key, value in parameters.items():
            value.copy_(saved[key])
