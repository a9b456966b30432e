"""The config of a training: completed and checked, with errors that name the setting or file at fault."""

from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator

from safetensors import SafetensorError
from spacy import util
from spacy.language import DEFAULT_CONFIG
from spacy.schemas import ConfigSchemaInit, ConfigSchemaNlp, ConfigSchemaTraining
from thinc.api import Config, ConfigValidationError

from ..data.files import reason
from ..errors import CrossnerError, Errors
from ..storage.loading import BROKEN_FILES, describe, load_pipeline

# Sections whose settings spaCy lists in full, and where it ignores unknown ones.
SCHEMAS: Dict[str, Any] = {"nlp": ConfigSchemaNlp, "training": ConfigSchemaTraining, "initialize": ConfigSchemaInit}


def complete_config(config_path: Path, overrides: Dict[str, Any]) -> Config:
    """Return a config with overrides and with spaCy's defaults, interpolated."""
    return DEFAULT_CONFIG.merge(util.load_config(config_path, overrides=overrides)).interpolate()


def check_config(config_path: Path, config: Config) -> None:
    """Check what spaCy would ignore, or find only during training.

    RAISES (CrossnerError): an unknown setting, or a dropout outside [0, 1).
    """
    for section, schema in SCHEMAS.items():
        for key in config[section]:
            if key not in schema.model_fields:
                known = ", ".join(schema.model_fields)
                raise CrossnerError(Errors.C075.format(config=config_path, section=section, key=key, known=known))
    dropout = config["training"]["dropout"]
    if isinstance(dropout, (int, float)) and not 0 <= dropout < 1:
        problem = f"[training] dropout is {dropout}; it is 0 or more and below 1."
        raise CrossnerError(Errors.C074.format(config=config_path, problem=problem))


@contextmanager
def named_errors(config_path: Path, output: Path) -> Iterator[None]:
    """Turn spaCy's errors about a setting or a file into errors that the user can act on.

    config_path (Path): the config, for errors that do not name it.
    output (Path): the folder that is written, for errors that name no file, such as a full disk.
    """
    try:
        yield
    except CrossnerError:
        raise
    except OSError as error:
        text = str(error) if error.filename else Errors.C072.format(output=output, problem=reason(error))
        raise CrossnerError(text.strip()) from error
    except SafetensorError as error:
        raise CrossnerError(Errors.C072.format(output=output, problem=error)) from error
    except ConfigValidationError as error:
        # Without the values of the whole block.
        short = ConfigValidationError.from_error(error, show_config=False)
        problem = " ".join(str(short).split())
        raise CrossnerError(Errors.C074.format(config=config_path, problem=problem)) from error
    except UnicodeDecodeError as error:
        raise CrossnerError(Errors.C074.format(config=config_path, problem=f"it is no text: {error.reason}")) from error
    except (ValueError, ImportError) as error:
        # spaCy's own errors have codes; any other may be a fault of ours and keeps its traceback.
        if not str(error).startswith("[E") and "GPU" not in str(error):
            raise
        raise CrossnerError(Errors.C074.format(config=config_path, problem=error)) from error


@contextmanager
def named_sources(config_path: Path, config: Config) -> Iterator[None]:
    """Name the pipeline, vectors or encoder with broken files where a pipeline cannot be created.

    Any other wrong value is an error of the config.
    """
    try:
        yield
    except (CrossnerError, OSError, ConfigValidationError):
        raise
    except BROKEN_FILES as error:
        components = config["components"].values()
        for source in dict.fromkeys([*(block.get("source") for block in components), config["initialize"]["vectors"]]):
            if source:
                load_pipeline(source)
        if not isinstance(error, ValueError):
            raise
        raise CrossnerError(Errors.C074.format(config=config_path, problem=describe(error))) from error
