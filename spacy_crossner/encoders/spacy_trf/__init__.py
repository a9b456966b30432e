"""The encoder layers that are built on spacy-transformers. No other folder imports spacy-transformers."""

from ...errors import CrossnerError, Errors

try:
    import spacy_transformers  # noqa: F401
except ImportError as error:
    raise CrossnerError(Errors.C502.format(problem=error)) from error
