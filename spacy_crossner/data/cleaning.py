"""What cannot be seen in a label, taken out, so that labels that look the same are the same."""

import unicodedata
from functools import lru_cache

CLEANED = "labels with blanks or with characters that cannot be seen, cleaned"


@lru_cache(1000)
def clean_label(label: str) -> str:
    """Return a label without what cannot be seen in it.

    Characters that have no width (zero-width blanks and joiners, soft hyphens, marks of direction and of byte order)
    are dropped. Blanks of any kind, a no-break space too, become one U+0020 inside the label and nothing at its ends.
    Letters and their accents are composed (NFC).

    label (str): the label as a file has it.
    RETURNS (str): the label, empty where nothing of it can be seen.
    """
    visible = "".join(char for char in label if unicodedata.category(char) != "Cf")
    return unicodedata.normalize("NFC", " ".join(visible.split()))
