"""Named entity recognition that adapts to a new domain from about a hundred labelled sentences."""

from typing import Any

from .annotations.domains import register_domain_extension
from .annotations.experts import register_experts_extension
from .annotations.scores import register_score_extension
from .threads import register_fork_handlers

__version__ = "0.1.0"

register_domain_extension()
register_score_extension()
register_experts_extension()
register_fork_handlers()


def __getattr__(name: str) -> Any:
    """Import `adapt` when it is used first: with the training loop and its libraries it takes seconds."""
    if name == "adapt":
        from .projects.adaptation import adapt

        return adapt
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
