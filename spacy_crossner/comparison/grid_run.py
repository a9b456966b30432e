"""The runs of a grid: every combination of setting, method, domain and seed."""

from dataclasses import dataclass
from typing import Any, Dict, List, Sequence

# Project variables that every run of a grid sets.
GRID_VARIABLES = ("method", "domain", "seed", "target_sentences")


@dataclass(frozen=True)
class GridRun:
    """One run of the grid.

    setting (str): a workflow of project.yml.
    method (str): the name of a config.
    domain (str): the target domain.
    seed (int): seed of the target stage.
    sentences (int): number of labelled target sentences; 0 for all.
    variant (str): a project variable with a value for this run only, `name=value`; "" for none.
    """

    setting: str
    method: str
    domain: str
    seed: int
    sentences: int = 0
    variant: str = ""

    def __str__(self) -> str:
        """Return the name of the run for messages."""
        sentences = f", {self.sentences} sentences" if self.sentences else ""
        variant = f", {self.variant}" if self.variant else ""
        return f"{self.setting} {self.method} on {self.domain}{sentences}{variant}, seed {self.seed}"

    @property
    def variables(self) -> Dict[str, Any]:
        """The project variables that the run sets."""
        return {
            "method": self.method,
            "domain": self.domain,
            "seed": self.seed,
            "target_sentences": self.sentences,
            **self.varied,
        }

    @property
    def varied(self) -> Dict[str, str]:
        """The project variable that the variant sets."""
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
    """Return all runs. All methods run with one seed before the next seed starts, so that a time budget cuts seeds.

    All runs of a variant come together, because the stages of a variant overwrite the shared stages of other variants.
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
