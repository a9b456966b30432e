"""Load and check a training config, and turn spaCy's errors into errors that name the setting or file at fault."""

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

# Sections for which spaCy has a complete schema but ignores unknown settings.
SCHEMAS: Dict[str, Any] = {"nlp": ConfigSchemaNlp, "training": ConfigSchemaTraining, "initialize": ConfigSchemaInit}


def complete_config(config_path: Path, overrides: Dict[str, Any]) -> Config:
    """Return a config with overrides and spaCy's defaults, with its variables interpolated."""
    return DEFAULT_CONFIG.merge(util.load_config(config_path, overrides=overrides)).interpolate()


def check_config(config_path: Path, config: Config) -> None:
    """Check for errors that spaCy ignores or only reports during training.

    RAISES (CrossnerError): a setting is unknown, or the dropout is outside [0, 1).
    """
    for section, schema in SCHEMAS.items():
        for key in config[section]:
            if key not in schema.model_fields:
                known = ", ".join(schema.model_fields)
                raise CrossnerError(Errors.C075.format(config=config_path, section=section, key=key, known=known))
    dropout = config["training"]["dropout"]
    if isinstance(dropout, (int, float)) and not 0 <= dropout < 1:
        problem = f"[training] dropout is {dropout}; expected 0 or more and below 1."
        raise CrossnerError(Errors.C074.format(config=config_path, problem=problem))


@contextmanager
def named_errors(config_path: Path, output: Path) -> Iterator[None]:
    """Turn spaCy's errors about a setting or a file into errors that the user can act on.

    config_path (Path): the config file, for the message.
    output (Path): the output folder, for errors without a file name, such as a full disk.
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
        # Leave the values of the whole block out of the message.
        short = ConfigValidationError.from_error(error, show_config=False)
        problem = " ".join(str(short).split())
        raise CrossnerError(Errors.C074.format(config=config_path, problem=problem)) from error
    except UnicodeDecodeError as error:
        raise CrossnerError(
            Errors.C074.format(config=config_path, problem=f"it is not a text file: {error.reason}")
        ) from error
    except (ValueError, ImportError) as error:
        # spaCy's errors have codes. Other errors may be bugs in this package and keep their traceback.
        if not str(error).startswith("[E") and "GPU" not in str(error):
            raise
        raise CrossnerError(Errors.C074.format(config=config_path, problem=error)) from error


@contextmanager
def named_sources(config_path: Path, config: Config) -> Iterator[None]:
    """If a pipeline cannot be created, raise an error that names the pipeline, vectors or encoder with broken files.

    Other errors are reported as errors of the config.
    """
    try:
        yield
    except (CrossnerError, ConfigValidationError):
        raise
    except BROKEN_FILES as error:
        # spaCy reports a missing pipeline (E050) as an error of the operating system.
        if isinstance(error, OSError) and not str(error).startswith("[E"):
            raise
        components = config["components"].values()
        for source in dict.fromkeys([*(block.get("source") for block in components), config["initialize"]["vectors"]]):
            if source:
                load_pipeline(source)
        if not isinstance(error, ValueError):
            raise
        raise CrossnerError(Errors.C074.format(config=config_path, problem=describe(error))) from error
