"""The runs of a grid: which method is trained in which setting, on which domain, with which seed."""

from dataclasses import dataclass
from typing import Any, Dict, List, Sequence

# Variables of the project that each run of a grid sets.
GRID_VARIABLES = ("method", "domain", "seed", "target_sentences")


@dataclass(frozen=True)
class GridRun:
    """One run of the grid.

    setting (str): a workflow of project.yml.
    method (str): a config.
    domain (str): the target.
    seed (int): seed of the target stage.
    sentences (int): labelled sentences of the target; 0 for all.
    variant (str): a variable of the project that is another one than for other runs, `name=value`; "" for none.
    """

    setting: str
    method: str
    domain: str
    seed: int
    sentences: int = 0
    variant: str = ""

    def __str__(self) -> str:
        """Return the name of the run in messages."""
        sentences = f", {self.sentences} sentences" if self.sentences else ""
        variant = f", {self.variant}" if self.variant else ""
        return f"{self.setting} {self.method} on {self.domain}{sentences}{variant}, seed {self.seed}"

    @property
    def variables(self) -> Dict[str, Any]:
        """The variables of the project that it sets."""
        return {
            "method": self.method,
            "domain": self.domain,
            "seed": self.seed,
            "target_sentences": self.sentences,
            **self.varied,
        }

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
) -> List[GridRun]:
    """Return all runs, seeds last, so that a budget cuts seeds.

    Variants come before seeds: the stages of a variant overwrite those that the seeds of another one share.
    """
    grid_runs = (
        GridRun(setting, method, domain, seed, size, variant)
        for variant in variants
        for seed in seeds
        for setting in settings
        for method in methods
        for domain in domains
        for size in sentences
    )
    return list(dict.fromkeys(grid_runs))
