"""The settings that all components share: decoding of tags, and setting of entities."""

from dataclasses import asdict, dataclass
from typing import Any, Dict, Optional

from ..errors import CrossnerError, Errors

DECODING = ("constrained", "lenient", "strict")
PRESET_ENTS = ("constrain", "keep", "overwrite")


@dataclass(eq=False, repr=False)
class DecodingSettings:
    """Settings of a component. Each is an attribute of the component, which may be changed at any time.

    decoding (str): "constrained": the best legal BIO path. "lenient" and "strict": the best path, legal or not. An
        `I-X` that continues no entity begins one with "lenient", and is dropped with "strict".
    preset_ents (str): handling of entities that an earlier component has set. "constrain": they are kept, and all other
        words are decoded under this constraint, as in spaCy's `ner`. "keep": they are kept; decoding ignores them, and
        predicted entities that overlap them are dropped. "overwrite": they are dropped.
    threshold (Optional[float]): minimum score of an entity; entities with a lower score are dropped. None: the
        threshold with the best F1 on dev, found by `spacy crossner calibrate`, or 0 before calibration.
    candidates_key (Optional[str]): key of the spans group for entities and runners-up: all spans with a score of
        `candidates_floor` or more, best first. The group's `attrs["scores"]` holds their scores. None for no group.
    candidates_floor (float): minimum score of a candidate; above 0.
    window (int): maximum number of tokens that the head sees at once. Longer docs are cut, see `plan_windows`. An
        entity is taken from the window in whose core it begins. If two such entities overlap, the first is kept.
    overlap (int): number of tokens that neighbouring windows share if no sentence boundary separates them.
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

        name (str): the component's name, for the error.
        RAISES (CrossnerError): a setting has an invalid value.
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

    others (Any): defaults that replace the shared defaults, and defaults of additional settings.
    """
    return {**asdict(DecodingSettings()), **others}
