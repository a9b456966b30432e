"""The cells of a grid."""

from dataclasses import dataclass
from typing import Any, Dict, List, Sequence

# Variables of the project that a cell sets.
OF_CELL = ("method", "domain", "seed", "target_sentences")


@dataclass(frozen=True)
class Cell:
    """One run of the grid.

    setting (str): a workflow of project.yml.
    method (str): a config.
    domain (str): the target.
    seed (int): seed of the target stage.
    sentences (int): labelled sentences of the target; 0 for all.
    variant (str): a variable of the project that is another one than for other cells, `name=value`; "" for none.
    """

    setting: str
    method: str
    domain: str
    seed: int
    sentences: int = 0
    variant: str = ""

    def __str__(self) -> str:
        """Return what a line of the progress calls it."""
        few = f", {self.sentences} sentences" if self.sentences else ""
        other = f", {self.variant}" if self.variant else ""
        return f"{self.setting} {self.method} on {self.domain}{few}{other}, seed {self.seed}"

    @property
    def variables(self) -> Dict[str, Any]:
        """The variables of the project that it sets."""
        own = {"method": self.method, "domain": self.domain, "seed": self.seed, "target_sentences": self.sentences}
        return {**own, **self.varied}

    @property
    def varied(self) -> Dict[str, str]:
        """The variable of its variant."""
        name, _, value = self.variant.partition("=")
        return {name: value} if name else {}


def make_grid(
    settings: Sequence[str],
    methods: Sequence[str],
    domains: Sequence[str],
    seeds: Sequence[int],
    sentences: Sequence[int] = (0,),
    variants: Sequence[str] = ("",),
) -> List[Cell]:
    """Return all cells, seeds last, so that a budget cuts seeds.

    But all seeds of a variant come before the next: its stages would overwrite those that the seeds share.
    """
    cells = (
        Cell(setting, method, domain, seed, size, variant)
        for variant in variants
        for seed in seeds
        for setting in settings
        for method in methods
        for domain in domains
        for size in sentences
    )
    return list(dict.fromkeys(cells))
