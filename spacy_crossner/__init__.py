"""Named entity recognition that adapts to a new domain from about a hundred labelled sentences."""

from .domains import register_domain_extension

__version__ = "0.1.0"

register_domain_extension()
