"""Open pre-trained encoders, with the same checks for training and for domain-adaptive pre-training.

No code that comes with an encoder is ever run, and weights are read only from safetensors files.
"""

import inspect
from contextlib import contextmanager
from typing import Any, Dict, Iterator, NamedTuple, Optional, Tuple, Type

import torch
from huggingface_hub.errors import GatedRepoError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError
from safetensors import SafetensorError
from thinc.api import get_torch_default_device
from transformers import (
    MODEL_FOR_MASKED_LM_MAPPING,
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from ..errors import CrossnerError, Errors
from .folders import check_folder, find_encoder, find_tokenizer_problem

# Allowed implementations of attention. transformers interprets any other name as a kernel on the hub, and downloads it.
ATTENTIONS = ("eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")
# The part of an encoder that masked language modelling does not use, so that an adapted encoder lacks it.
POOLER = "pooler"


class OpenedEncoder(NamedTuple):
    """A pre-trained encoder with its tokenizer."""

    tokenizer: PreTrainedTokenizerBase
    model: PreTrainedModel


def open_encoder(name: str, tokenizer_settings: Dict[str, Any], settings: Dict[str, Any]) -> OpenedEncoder:
    """Open an encoder with its tokenizer, for a pipeline.

    name (str): see `find_encoder`.
    tokenizer_settings (Dict[str, Any]): settings of the tokenizer.
    settings (Dict[str, Any]): settings of the encoder; they may include `attn_implementation` and `torch_dtype`.
    RETURNS (OpenedEncoder): both, the encoder on the device in use.
    RAISES (CrossnerError): there is no encoder of this name, or it cannot be used; the message gives the reason.
    """
    config = open_config(name, settings)
    tokenizer = open_tokenizer(name, tokenizer_settings)
    model, _ = open_model(name, config, dtype=settings.get("torch_dtype"))
    check_vocabulary(name, tokenizer, model)
    return OpenedEncoder(tokenizer, model.to(get_torch_default_device()))  # type: ignore[arg-type]


def open_config(name: str, settings: Optional[Dict[str, Any]] = None) -> PretrainedConfig:
    """Open the config of an encoder, and check its architecture.

    name (str): see `find_encoder`.
    settings (Optional[Dict[str, Any]]): settings that replace the settings of the file.
    RAISES (CrossnerError): there is no encoder of this name, or it cannot be used.
    """
    check_folder(name)
    settings = {**_without_trust(name, settings or {}), "return_dict": True}
    with named_faults(name):
        config = AutoConfig.from_pretrained(find_encoder(name), **settings, trust_remote_code=False)
    attention = getattr(config, "_attn_implementation_internal", None)
    if attention is not None and attention not in ATTENTIONS:
        raise CrossnerError(Errors.C085.format(name=name, what=f"attn_implementation '{attention}'"))
    check_architecture(name, config)
    # transformers has a class for this model, so its own code is not needed. A saved pipeline must not name any code.
    vars(config).pop("auto_map", None)
    return config


def check_architecture(name: str, config: PretrainedConfig) -> None:
    """Check that a config describes an encoder, before a model is created from it.

    A model of another kind may open a second model when it is created (`backbone`), without our checks.

    name (str): the encoder's name, for the error.
    config (PretrainedConfig): the config.
    RAISES (CrossnerError): the model is not an encoder for masked language modelling.
    """
    kind = config.model_type
    problem = ""
    if config.is_encoder_decoder:
        problem = f"it is an encoder-decoder model ({kind}). Give an encoder, such as BERT or RoBERTa"
    elif type(config) not in MODEL_FOR_MASKED_LM_MAPPING or getattr(config, "is_decoder", False):
        problem = (
            f"it is not an encoder for masked language modelling ({kind}): decoder-only and other models are not "
            "supported. Give an encoder, such as BERT or RoBERTa"
        )
    if problem:
        raise CrossnerError(Errors.C082.format(name=name, problem=problem))


def open_tokenizer(name: str, settings: Optional[Dict[str, Any]] = None) -> PreTrainedTokenizerBase:
    """Open the tokenizer of an encoder.

    name (str): see `find_encoder`.
    settings (Optional[Dict[str, Any]]): settings of the tokenizer.
    RAISES (CrossnerError): there is no tokenizer, or it cannot be used.
    """
    check_folder(name)
    settings = _without_trust(name, settings or {})
    with named_faults(name, part="tokenizer"):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            find_encoder(name), **settings, trust_remote_code=False
        )
    # transformers 5 opens a tokenizer without a vocabulary as one of special tokens alone.
    if tokenizer.vocab_files_names and (problem := find_tokenizer_problem(name)):
        raise CrossnerError(Errors.C082.format(name=name, problem=problem))
    tokenizer.init_kwargs.pop("auto_map", None)
    return tokenizer


def open_model(
    name: str, config: PretrainedConfig, *, auto_class: Type[Any] = AutoModel, dtype: Optional[Any] = None
) -> Tuple[PreTrainedModel, Dict[str, Any]]:
    """Open the weights of an encoder.

    name (str): see `find_encoder`.
    config (PretrainedConfig): its config.
    auto_class (Type[Any]): `AutoModel`, or a class that puts an output layer on the encoder.
    dtype (Optional[Any]): type of the weights in memory; float32 if not given.
    RETURNS (Tuple[PreTrainedModel, Dict[str, Any]]): the model, and transformers' loading information.
    RAISES (CrossnerError): weights are damaged, missing or of another shape, or the model cannot be used.
    """
    # transformers would warn that a new output layer is untrained.
    with quiet_transformers(), named_faults(name):
        model, info = auto_class.from_pretrained(
            find_encoder(name),
            config=config,
            torch_dtype=torch.float32 if dtype is None else dtype,
            use_safetensors=True,
            output_loading_info=True,
            trust_remote_code=False,
        )
    prefix = "" if model.base_model is model else f"{model.base_model_prefix}."
    missing = [key for key in info["missing_keys"] if key.startswith(prefix)]
    missing = [key for key in missing if key[len(prefix) :].split(".")[0] != POOLER]
    problem = ""
    if missing:
        problem = (
            f"it lacks weights ({', '.join(sorted(missing)[:3])}): the files may be those of another kind of model"
        )
    elif "attention_mask" not in forward_names(model):
        problem = f"{type(model).__name__} takes no attention mask, so the vectors would depend on the padding"
    if problem:
        raise CrossnerError(Errors.C082.format(name=name, problem=problem))
    return model, info


def forward_names(model: PreTrainedModel) -> Tuple[str, ...]:
    """Return the names of the arguments of a model's forward pass."""
    return tuple(inspect.signature(type(model).forward).parameters)


def check_vocabulary(name: str, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Check that each token has a word embedding.

    RAISES (CrossnerError): the tokenizer has more tokens than the encoder has embeddings.
    """
    n_embeddings = model.get_input_embeddings().weight.shape[0]  # type: ignore[index]
    n_tokens = max(tokenizer.get_vocab().values(), default=-1) + 1
    if n_tokens > n_embeddings:
        problem = f"its tokenizer has {n_tokens} tokens, but its model has {n_embeddings} word embeddings. "
        problem += "Give a tokenizer and a model that belong together"
        raise CrossnerError(Errors.C082.format(name=name, problem=problem))


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers from writing warnings and progress bars."""
    verbosity, has_bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if has_bars:
            transformers_logging.enable_progress_bar()


@contextmanager
def named_faults(name: str, part: str = "encoder") -> Iterator[None]:
    """Replace any error of transformers and safetensors by a CrossnerError that gives the reason in one sentence.

    name (str): the encoder's name.
    part (str): the part that is opened: "encoder" or "tokenizer".
    RAISES (CrossnerError): the part cannot be opened.
    """
    try:
        yield
    except CrossnerError:
        raise
    except SafetensorError as error:
        raise CrossnerError(Errors.C082.format(name=name, problem=f"its weights are damaged ({error})")) from error
    except Exception as error:
        # For damaged files, transformers raises errors of any class, such as KeyError or Exception itself.
        raise _describe(name, part, error) from error


def _describe(name: str, part: str, error: Exception) -> CrossnerError:
    text = " ".join(str(error).split())
    if "trust_remote_code" in text:
        return CrossnerError(Errors.C085.format(name=name, what=f"a {part} class that comes with it (auto_map)"))
    causes = [error, error.__cause__, error.__context__]
    if any(isinstance(cause, (RepositoryNotFoundError, GatedRepoError)) for cause in causes):
        problem = "the Hugging Face hub has no model of this name, or you have no access to it"
        return CrossnerError(Errors.C005.format(name=name, problem=problem))
    if any(isinstance(cause, LocalEntryNotFoundError) for cause in causes) or "offline mode" in text:
        problem = "the Hugging Face hub cannot be reached (no network, or offline mode)"
        return CrossnerError(Errors.C005.format(name=name, problem=problem))
    if find_encoder(name) == name and (
        any(isinstance(cause, HFValidationError) for cause in causes) or "Can't load the configuration" in text
    ):
        return CrossnerError(Errors.C005.format(name=name, problem="the Hugging Face hub does not allow such a name"))
    if "named model.safetensors" in text:
        problem = "it has no safetensors weights, and weights in other formats are not read"
    elif "size mismatch" in text or "ignore_mismatched_sizes" in text:
        problem = "the shapes of its weights do not match its config.json"
    elif part == "tokenizer" and (tokenizer_problem := find_tokenizer_problem(name)):
        problem = tokenizer_problem
    elif part == "tokenizer" and isinstance(error, ImportError):
        problem = f"its tokenizer needs a package that is not installed ({_first_sentence(text)})"
    elif part == "tokenizer":
        problem = f"its tokenizer cannot be read ({_first_sentence(text)})"
    else:
        problem = f"transformers says: {_first_sentence(text) or type(error).__name__}"
    return CrossnerError(Errors.C082.format(name=name, problem=problem))


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0][:200].rstrip(".")


def _without_trust(name: str, settings: Dict[str, Any]) -> Dict[str, Any]:
    """Return settings without `trust_remote_code`.

    RAISES (CrossnerError): `trust_remote_code` is true.
    """
    if settings.get("trust_remote_code"):
        raise CrossnerError(Errors.C085.format(name=name, what="trust_remote_code in the config"))
    return {key: value for key, value in settings.items() if key != "trust_remote_code"}
