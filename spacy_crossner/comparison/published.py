"""Published results on the same test sets: test F1 in percent with BERT (12 layers, width 768)."""

from typing import Collection, Dict, Mapping, Tuple

# Size of each CrossNER test set. Published results are only shown for test sets of the same size.
SENTENCES = {"politics": 651, "science": 543, "music": 465, "literature": 416, "ai": 431}

# Key: setting and method. Value: paper and F1 by domain. `all` has no row: it learns from a list of names, too.
ROWS: Dict[Tuple[str, str], Tuple[str, Tuple[float, ...]]] = {
    ("direct", "tagger"): ("Liu et al., 2021", (66.56, 63.73, 66.59, 59.95, 50.37)),
    ("no-dapt", "tagger"): ("Liu et al., 2021", (68.71, 64.94, 68.30, 63.63, 58.88)),
    ("joint", "tagger"): ("Liu et al., 2021", (68.85, 65.03, 67.59, 62.57, 58.57)),
    ("no-dapt", "laner"): ("Hu et al., 2022", (71.65, 69.29, 73.07, 67.98, 61.72)),
}


def published(setting: str, method: str, sizes: Mapping[str, Collection[int]]) -> Dict[str, float]:
    """Return the published F1 of a setting and method, by domain; empty if nothing was published.

    setting (str): the setting.
    method (str): the method.
    sizes (Mapping[str, Collection[int]]): sizes of the test sets by domain. Sets of another size get no result.
    """
    _, figures = ROWS.get((setting, method), ("", ()))
    return {domain: f for (domain, n), f in zip(SENTENCES.items(), figures, strict=False) if n in sizes.get(domain, ())}
