"""The settings of weak labelling."""

from dataclasses import dataclass
from typing import Optional

from ..errors import CrossnerError, Errors
from .annotating import Outside


@dataclass(frozen=True)
class SilverSettings:
    """Settings of `make_silver`.

    outside (Optional[str]): an `Outside`, the annotation of tokens outside of mentions and sure entities. None:
        `teachers` with teachers, otherwise `outside`.
    sure (float): the least probability of each tag of an entity, for the teachers to be sure of it; above 0.5.
    sure_outside (float): the least probability of O, for the teachers to be sure of it; above 0.5.
    soft (bool): store the teachers' probabilities on the docs, see `annotations.soft_labels`.
    most (int): the largest number of sentences in the output.
    ratio (float): how many times as often a common word is written in lower case, see `WordCounter`.
    frequent (float): times in a million words from which a lower-case word is a common word, see `WordCounter`.
    split (bool): split lines into sentences. Otherwise, each line is a sentence.
    ignore_case (bool): ignore case when names are searched.
    share (float): share of the sentences to label, see `SentenceStream`.
    lang (Optional[str]): the language of the tokenizer; None for the language of the teachers, or else English.
    domain (Optional[str]): the domain that the docs are marked with.
    limit (int): maximum number of gold sentences to use, drawn by the seed as in `DomainReader`; 0 for all. The others
        are left out of the raw text, too.
    seed (int): the seed of this subset.
    """

    outside: Optional[str] = None
    sure: float = 0.7
    sure_outside: float = 0.9
    soft: bool = False
    most: int = 4000
    ratio: float = 3.0
    frequent: float = 100.0
    split: bool = True
    ignore_case: bool = False
    share: float = 1.0
    lang: Optional[str] = None
    domain: Optional[str] = None
    limit: int = 0
    seed: int = 0

    def check(self, *, has_teachers: bool) -> None:
        """Check the settings.

        has_teachers (bool): whether there are teachers.
        RAISES (CrossnerError): a setting is out of range, or needs teachers.
        """
        for name in ("sure", "sure_outside"):
            if not 0.5 < getattr(self, name) <= 1:
                raise CrossnerError(
                    Errors.C609.format(name=name, value=getattr(self, name), expected="above 0.5, 1 at most")
                )
        for name, least in (("most", 1), ("limit", 0)):
            if getattr(self, name) < least:
                value = getattr(self, name)
                raise CrossnerError(Errors.C609.format(name=name, value=value, expected=f"{least} or more"))
        for name in ("ratio", "frequent"):
            if not getattr(self, name) > 0:
                value = getattr(self, name)
                raise CrossnerError(Errors.C609.format(name=name, value=value, expected="a number above 0"))
        if not 0 < self.share <= 1:
            raise CrossnerError(Errors.C609.format(name="share", value=self.share, expected="above 0, 1 at most"))
        if self.outside not in (None, *Outside):
            raise CrossnerError(Errors.C609.format(name="outside", value=self.outside, expected=", ".join(Outside)))
        if not has_teachers and self.soft:
            raise CrossnerError(Errors.C610.format(setting="--soft", needed="a --teacher"))
        if not has_teachers and self.outside == Outside.teachers:
            raise CrossnerError(Errors.C610.format(setting="--outside teachers", needed="a --teacher"))

    def outside_with(self, *, has_teachers: bool) -> Outside:
        """Return the setting `outside`, or its default."""
        return Outside(self.outside or (Outside.teachers if has_teachers else Outside.outside))
