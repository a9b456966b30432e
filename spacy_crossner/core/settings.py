"""The settings that all our components share: how tags are read off a model and become entities."""

from dataclasses import asdict, dataclass
from typing import Any, Dict, Optional

from ..errors import CrossnerError, Errors

DECODING = ("constrained", "lenient", "strict")
PRESET_ENTS = ("constrain", "keep", "overwrite")


@dataclass(eq=False, repr=False)
class DecodingSettings:
    """Settings of a component, each an attribute of it that may be changed at any time.

    decoding (str): "constrained" allows legal BIO only. "lenient" and "strict" take the best tags as they are. They
        differ in how they read an `I-X` that nothing opens: "lenient" lets it open an entity, "strict" drops it.
    preset_ents (str): what happens to entities that an earlier component has set. "constrain": they are kept, and the
        rest is decoded as the best that fits beside them, as in spaCy's `ner`. "keep": they are kept, and entities
        that were decoded without regard to them are set where they fit. "overwrite": they are dropped.
    threshold (Optional[float]): entities with a lower score are dropped. None for the threshold that
        `spacy crossner calibrate` has found to give the best F1 on dev; 0 before that.
    candidates_key (Optional[str]): the spans group for the entities and the runners-up: all spans with a score of
        `candidates_floor` or more, best first; their scores are in its `attrs["scores"]`, too. None for no group.
    candidates_floor (float): lowest score of a candidate; above 0.
    window (int): tokens that the head sees at once. Longer docs are cut, see `plan_windows`. An entity is taken from
        the window in whose core it begins, unless it overlaps one that begins before it.
    overlap (int): tokens that neighbouring windows share where no sentence boundary lies between them.
    """

    decoding: str = "constrained"
    preset_ents: str = "constrain"
    threshold: Optional[float] = None
    candidates_key: Optional[str] = None
    candidates_floor: float = 0.05
    window: int = 256
    overlap: int = 32

    def check_settings(self, name: str) -> None:
        """Check the settings.

        name (str): the component, for the error.
        RAISES (CrossnerError): a setting has a value without a meaning.
        """
        if self.decoding not in DECODING:
            known = ", ".join(DECODING)
            raise CrossnerError(Errors.C004.format(name=name, decoding=self.decoding, known=known))
        if self.preset_ents not in PRESET_ENTS:
            known = ", ".join(PRESET_ENTS)
            raise CrossnerError(Errors.C018.format(name=name, preset_ents=self.preset_ents, known=known))
        scores_fit = 0 <= (self.threshold or 0) <= 1 and 0 < self.candidates_floor <= 1
        if not (scores_fit and 0 <= self.overlap < self.window):
            settings = (
                f"threshold {self.threshold}, candidates_floor {self.candidates_floor}, window {self.window}, "
                f"overlap {self.overlap}"
            )
            raise CrossnerError(Errors.C019.format(name=name, settings=settings))


def default_settings(**others: Any) -> Dict[str, Any]:
    """Return the default settings for the config of a factory.

    others (Any): settings whose default is another one in this component, or that it has besides.
    """
    return {**asdict(DecodingSettings()), **others}
