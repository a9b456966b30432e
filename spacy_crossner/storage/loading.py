"""Load a pipeline, with a one-sentence error for a damaged file."""

from pathlib import Path
from typing import Union

import spacy
from safetensors import SafetensorError
from spacy.language import Language

from ..errors import CrossnerError

C203 = "[C203] Cannot load the pipeline '{model}': {error}. Give the folder of a pipeline, or an installed package."
C204 = "[C204] Cannot use GPU {gpu_id}: {error}. Use --gpu-id -1 for the CPU."

# The errors that spaCy and its libraries raise on files that are missing, truncated or of another kind.
BROKEN_FILES = (
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    EOFError,
    ImportError,
    SafetensorError,
    RuntimeError,
)


def load_pipeline(model: Union[str, Path], gpu_id: int = -1) -> Language:
    """Load a pipeline from a folder or an installed package, on a GPU if its number is not negative.

    RAISES (CrossnerError): the pipeline or the GPU does not exist, or a file of the pipeline is damaged.
    """
    use_gpu(gpu_id)
    try:
        return spacy.load(str(model))
    except BROKEN_FILES as error:
        raise CrossnerError(C203.format(model=model, error=describe(error))) from error


def use_gpu(gpu_id: int) -> None:
    """Make a GPU the default device if its number is not negative.

    RAISES (CrossnerError): the GPU does not exist or cannot be used.
    """
    if gpu_id >= 0:
        try:
            spacy.require_gpu(gpu_id)
        except (ValueError, RuntimeError) as error:
            raise CrossnerError(C204.format(gpu_id=gpu_id, error=str(error).strip().rstrip("."))) from error


def describe(error: BaseException) -> str:
    """Return an error in one line, with its type if the message alone is not clear."""
    text = " ".join(str(error).split()).rstrip(".")
    return text if isinstance(error, (OSError, ValueError)) and text else f"{type(error).__name__}: {text}"
