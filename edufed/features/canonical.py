"""Canonical learner features: what any education type can say of its learners, made comparable.

Twelve features with one definition each, whatever a platform's own columns are called. A platform
supplies those that it can (`edufed.records.CanonicalStatement`); the others are missing. What
compares between education types is not a value (forty clicks, a grade of 14) but where the learner
stands with it among the learners of the own cohort, so a model reads ranks.

| name | definition, from what is known on the cutoff day |
|---|---|
| achievement | mean score of the assessments handed in; lowest of all where nothing was handed in
  though at least half of the cohort did |
| completion | credits earned over the load taken on; where no credits are recorded, share of the
  assessments due that were handed in |
| load | credits taken on in the term |
| activity | clicks since the start |
| regularity | days with activity since the start |
| recency | days since the last visit; high is long ago |
| lateness | mean days by which work came after its due day; negative is early |
| prior_level | ISCED 2011 level attained before |
| age_band | lower bound of the age band, years |
| support_need | 1 where a need for support is declared |
| means | rank of the area or household, 0 the most deprived |
| attempts | earlier attempts at the course |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from edufed.features.matrix import FeatureMatrix
from edufed.features.scaling import RANK_DEVIATION
from edufed.records import CANONICAL, CanonicalStatement, LearningRecords

Float64Array = npt.NDArray[np.float64]

#: Canonical feature -> the feature of the catalogue that it is, where it is just one.
SAME = {
    "achievement": "score_mean",
    "completion": "submitted_share",
    "load": "credits",
    "activity": "clicks",
    "regularity": "active_days",
    "recency": "recency_days",
    "lateness": "lateness_days",
    "prior_level": "education_level",
    "age_band": "age",
    "support_need": "support_need",
    "means": "means",
    "attempts": "attempts",
}


@dataclass(frozen=True)
class CanonicalFeatures:
    """Canonical features of one site's enrolments, row by row as in its feature matrix.

    Attributes
    ----------
    values : float64 array, shape (rows, canonical features)
        In their own units; NaN where missing. They do not leave the site.
    ranks : float64 array, shape (rows, canonical features)
        Mid-rank within the cohort, 0..1; NaN where missing.
    """

    values: Float64Array
    ranks: Float64Array

    @property
    def supplied(self) -> tuple[str, ...]:
        """Features of which at least one learner has a rank, in canonical order."""
        known = ~np.isnan(self.ranks)
        return tuple(name for place, name in enumerate(CANONICAL) if known[:, place].any())


def canonical_features(
    matrix: FeatureMatrix, earned: Float64Array, statement: CanonicalStatement, min_cohort: int
) -> CanonicalFeatures:
    """Make the canonical features of a site's learners.

    Parameters
    ----------
    matrix : FeatureMatrix
    earned : float64 array, shape (rows,)
        Of `earned_credits`, at the matrix's cutoff.
    statement : CanonicalStatement
        What the platform's adapter states. What it does not supply is missing.
    min_cohort : int
        A feature known of fewer learners in the cohort is ranked among all of the site.
    """
    values = np.stack(
        [matrix.values[:, matrix.names.index(SAME[name])] for name in CANONICAL], axis=1
    ).astype(np.float64)
    load = values[:, CANONICAL.index("load")]
    if not np.isnan(earned).all():
        values[:, CANONICAL.index("completion")] = np.divide(
            earned, load, out=np.full(len(load), np.nan), where=load > 0
        )
    for place, name in enumerate(CANONICAL):
        if name not in statement.supplies:
            values[:, place] = np.nan
    return CanonicalFeatures(values, ranks(values, cohorts(matrix, statement.cohort), min_cohort))


def cohorts(matrix: FeatureMatrix, kind: Literal["course", "intake"]) -> npt.NDArray[np.object_]:
    """Name the cohort of each row: its course, or the day on which its course began."""
    if kind == "course":
        return matrix.course_id
    return matrix.course_start.astype(str).astype(object)


def ranks(values: Float64Array, cohort: npt.NDArray[np.object_], min_cohort: int) -> Float64Array:
    """Rank each canonical feature within cohorts.

    Parameters
    ----------
    values : float64 array, shape (rows, canonical features)
        NaN where missing.
    cohort : object array, shape (rows,)
    min_cohort : int
        A cohort that knows a feature of fewer learners is ranked with all others of the site.

    Returns
    -------
    float64 array, shape (rows, canonical features)
        (place - 1/2) / n, ties sharing their mean place; NaN where missing.
    """
    frame = pd.DataFrame(values, columns=list(CANONICAL))
    by = pd.Series(cohort, index=frame.index)
    achievement = frame["achievement"]
    handed_in = achievement.notna().groupby(by).transform("mean")
    frame["achievement"] = achievement.where(achievement.notna() | (handed_in < 0.5), -1.0)
    known = frame.groupby(by).transform("count")
    within = (frame.groupby(by).rank() - 0.5) / known
    overall = (frame.rank() - 0.5) / frame.count()
    placed: Float64Array = within.where(known >= max(min_cohort, 1), overall).to_numpy()
    return placed


def canonical_design(placed: Float64Array) -> Float64Array:
    """Make the columns that a model reads of canonical ranks, alike in every education type.

    Parameters
    ----------
    placed : float64 array, shape (rows, canonical features)
        Ranks, NaN where missing.

    Returns
    -------
    float64 array, shape (rows, 2 * canonical features)
        Each rank centred and scaled to unit deviation, 0 (the middle) where it is missing; then an
        indicator for each, 1 where it is missing for this learner though others of the site have
        it. A feature that the whole site lacks says nothing of a learner: its indicator is 0.
    """
    missing = np.isnan(placed)
    alone = missing & ~missing.all(axis=0)
    return np.concatenate([np.nan_to_num((placed - 0.5) / RANK_DEVIATION), alone], axis=1)


def canonical_columns() -> tuple[str, ...]:
    """Names of `canonical_design`'s columns: `NAME` and `NAME:missing`."""
    return (*CANONICAL, *(f"{name}:missing" for name in CANONICAL))


def columns_of(features: tuple[str, ...] | list[str]) -> npt.NDArray[np.bool_]:
    """Which columns of `canonical_design` speak of these features, shape (columns,)."""
    chosen = np.array([name in features for name in CANONICAL])
    return np.concatenate([chosen, chosen])


def earned_credits(records: LearningRecords, matrix: FeatureMatrix, cutoff: float) -> Float64Array:
    """Sum what each learner earned in a course by the cutoff.

    Parameters
    ----------
    records : LearningRecords
        What `matrix` was built from.
    matrix : FeatureMatrix
    cutoff : float
        Days after the course's first day.

    Returns
    -------
    float64 array, shape (rows,)
        Credits, 0 where none; NaN throughout where the site records none.
    """
    earned = np.full(len(matrix), np.nan)
    if "credits" not in records.columns("outcomes"):
        return earned
    rows = records.connection.execute(
        "SELECT learner_id, course_id, sum(credits) FROM outcomes"
        " WHERE kind = 'assessment' AND credits IS NOT NULL AND time <= $1 GROUP BY ALL",
        [float(cutoff)],
    ).fetchall()
    if not rows:
        return earned
    found = {(learner, course): credits for learner, course, credits in rows}
    keys = zip(matrix.learner_id, matrix.course_id, strict=True)
    return np.array([found.get(key, 0.0) for key in keys], dtype=np.float64)
