"""The inputs and settings of self-training."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Optional, Sequence

from ..errors import CrossnerError, Errors
from ..training.presets import AUTO


@dataclass(frozen=True)
class StageSettings:
    """How the target stage and the student stage are trained.

    train (Path): the DocBin of gold sentences.
    dev (Path): the dev set. It calibrates the teachers, and chooses the round and the pipeline.
    labels (Path): the labels of the new domain, from `convert`.
    pretrained (Sequence[str]): pipelines of the source stage, at least one. The teachers of the first round continue
        from all of them in turn. Students continue from the first one.
    target_config, student_config (Path): the configs of the two stages.
    epochs (float): passes over the gold sentences in a target stage.
    min_steps (int): minimum number of steps of a target stage.
    student_epochs (float): passes over gold and silver sentences in a student stage.
    seed (int): seed of the first teacher; the others have the seeds after it.
    preset (str): as in `train`.
    overrides (Dict[str, Any]): config settings of both stages to override, by dotted name.
    """

    train: Path
    dev: Path
    labels: Path
    pretrained: Sequence[str]
    target_config: Path = Path("configs/finetune.cfg")
    student_config: Path = Path("configs/student.cfg")
    epochs: float = 24
    min_steps: int = 120
    student_epochs: float = 1
    seed: int = 0
    preset: str = AUTO
    overrides: Dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RoundSettings:
    """How many rounds there are.

    teachers (int): number of teachers of a round.
    rounds (int): the largest number of rounds. A round is only started if the one before it has raised the dev F1.
    raw (Sequence[Path]), names (Sequence[Path]), type_map (Optional[Path]): see `Sources`.
    exclude (Sequence[Path]): files whose sentences are left out, besides dev: the test set.
    """

    raw: Sequence[Path]
    names: Sequence[Path] = ()
    type_map: Optional[Path] = None
    exclude: Sequence[Path] = ()
    teachers: int = 3
    rounds: int = 1

    def check(self) -> None:
        """Check the settings.

        RAISES (CrossnerError): there is no teacher, or no round.
        """
        for name in ("teachers", "rounds"):
            if getattr(self, name) < 1:
                raise CrossnerError(Errors.C609.format(name=name, value=getattr(self, name), expected="1 or more"))
