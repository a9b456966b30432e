"""Named entity recognition that adapts to a new domain from about a hundred labelled sentences."""

import os
import sys

from .domains import register_domain_extension
from .experts import register_experts_extension
from .scores import register_score_extension

__version__ = "0.1.0"


def _after_fork() -> None:
    """Take one torch thread: a pool of threads does not survive a fork, and a child that uses it waits forever."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


register_domain_extension()
register_score_extension()
register_experts_extension()
if hasattr(os, "register_at_fork"):
    # `nlp.pipe(n_process=2)` forks.
    os.register_at_fork(after_in_child=_after_fork)
