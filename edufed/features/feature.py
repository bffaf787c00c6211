"""What a feature is: its name, its unit, what it needs, and the words to say it in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Grid = Literal["count", "days", "lead", "change", "fraction"]
Transform = Literal["log1p", "identity"]


@dataclass(frozen=True)
class Words:
    """One feature in one language.

    Attributes
    ----------
    label : str
        Names the feature.
    high, low : str
        Say that a high or a low value raises the risk, as a reason a teacher reads.
    """

    label: str
    high: str
    low: str


@dataclass(frozen=True)
class Feature:
    """One column of every feature matrix.

    Attributes
    ----------
    name : str
        Unique; also the SQL column that a family's query gives it.
    group : str
        Family of the feature: activity, week, kind, regularity, recency, assessment,
        registration, background or load.
    unit : str
        What one unit of it is.
    needs : tuple of str
        Canonical "table.column" names; a site that lacks one cannot supply the feature.
    grid : str
        Which data-independent bins its cohort histogram has, see `edufed.features.cohort`.
    transform : str
        Applied before scaling: "log1p" for counts and other long-tailed values.
    en, zh : Words
        The feature in English and in Chinese.
    indicator : bool
        Whether its absence tells something that no other feature's absence tells, so that the
        design gets a column for it.
    comparable : bool
        Whether a value means the same in every course: what learners bring along does, and so
        does a share of what was due, or a mean score. A number of clicks depends on how the
        course is built, a last score on how many there were: their rank in the cohort carries
        over from course to course and from year to year, the value itself misleads.
    """

    name: str
    group: str
    unit: str
    needs: tuple[str, ...]
    grid: Grid
    transform: Transform
    en: Words
    zh: Words
    indicator: bool = False
    comparable: bool = False

    def words(self, language: str) -> Words:
        """Return the feature's words in "en" or "zh"."""
        return {"en": self.en, "zh": self.zh}[language]
