"""The settings of cross-validation."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from ..errors import CrossnerError, Errors
from ..training.presets import AUTO


class Recipe(NamedTuple):
    """What a candidate is trained with. epochs (float): passes. rate (float): rate of the encoder; 0: the config's."""

    epochs: float
    rate: float = 0.0

    @property
    def name(self) -> str:
        """A name for the folder of its trainings."""
        return f"epochs-{self.epochs:g}" + (f"-rate-{self.rate:g}" if self.rate else "")


@dataclass(frozen=True)
class Validation:
    """How the folds and the last pipeline are trained.

    config (Path): the config of the stage.
    folds (int): number of folds.
    recipes (Sequence[Recipe]): the candidates; the one with the best F1 on the held-out sentences is taken.
    min_steps (int): minimum number of steps.
    seeds (int): number of trainings on all sentences, whose weights are averaged; see `train_average`.
    preset (str): as in `train`.
    overrides (Dict[str, Any]): config settings to override, by dotted name.
    """

    config: Path
    folds: int = 5
    recipes: Sequence[Recipe] = (Recipe(24),)
    min_steps: int = 120
    seeds: int = 3
    preset: str = AUTO
    overrides: Dict[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Check the settings.

        RAISES (CrossnerError): a number is out of range, or there is no candidate.
        """
        for name, least in (("folds", 2), ("seeds", 1), ("min_steps", 0)):
            if getattr(self, name) < least:
                raise CrossnerError(
                    Errors.C609.format(name=name, value=getattr(self, name), expected=f"{least} or more")
                )
        if not self.recipes or any(recipe.epochs <= 0 or recipe.rate < 0 for recipe in self.recipes):
            listed: List[Tuple[float, float]] = [tuple(recipe) for recipe in self.recipes]  # type: ignore[misc]
            raise CrossnerError(Errors.C609.format(name="epochs and rates", value=listed, expected="above 0"))
