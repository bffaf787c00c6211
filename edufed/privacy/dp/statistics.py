"""Columns for private training: public units, and course means that are themselves noisy.

Without privacy, ranks come from histograms of every feature in every course and scaling from
exact sums. Under noise that is too much to ask: thousands of counts share one budget. Here each
feature is put in units that are fixed in advance, which costs nothing, and the only statistic is
the mean of each feature in each course, one vector for a learner and course. On OULAD, centring
by noisy course means keeps most of what exact ranks gain (`docs/differential-privacy.md`).

A row then depends on its own learner and on noisy means alone. That is what makes training on it
private: with exact or local ranks, one learner would move the rows of others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edufed.features import FEATURES, FeatureMatrix, transformed
from edufed.privacy.dp.sums import bounded_sum

Float64Array = npt.NDArray[np.float64]
FloatArray = npt.NDArray[np.float32]

#: Middle and spread of commonly seen values, by grid and transform; any learner's data aside.
_UNITS = {
    ("count", "log1p"): (3.0, 2.0),
    ("count", "identity"): (2.0, 2.0),
    ("days", "log1p"): (1.5, 1.0),
    ("days", "identity"): (10.0, 10.0),
    ("lead", "identity"): (0.0, 30.0),
    ("change", "identity"): (0.0, 0.5),
    ("fraction", "identity"): (0.5, 0.3),
}
_MIDDLE, _SPREAD = np.array([_UNITS[f.grid, f.transform] for f in FEATURES]).T
_INDICATED = np.array([feature.indicator for feature in FEATURES])
#: Values further out, in units, count as this far out.
_FURTHEST = 3.0
#: What a learner adds to the count of a course, beside a vector of features about 9 long.
_COUNTED = 4.0
#: Length to which a learner's contribution over all courses is cut. Most are longer, and cut
#: alike in numerator and denominator of a mean, so that little but the noise depends on it.
STATISTICS_CLIP = 8.0
#: Courses with fewer learners than this, by the noisy count, are taken to have this many.
_FEWEST = 20.0


def in_public_units(matrix: FeatureMatrix) -> Float64Array:
    """Features in units fixed in advance, -3..3, shape (rows, features); NaN where unknown."""
    units: Float64Array = (transformed(matrix.values) - _MIDDLE) / _SPREAD
    return np.clip(units, -_FURTHEST, _FURTHEST)


def course_sums(matrix: FeatureMatrix, courses: Sequence[str]) -> Float64Array:
    """Sums from which course means come, each learner's part cut to `STATISTICS_CLIP`.

    Parameters
    ----------
    matrix : FeatureMatrix
        One site's.
    courses : sequence of str
        Course ids, the same at every site, known beforehand (a catalogue, not found in records).

    Returns
    -------
    float64 array, shape (courses, 1 + features)
        A count and sums of features in public units, to which noise is still to be added
        (`edufed.privacy.dp.sums`); add the results over sites.
    """
    place = {course: number for number, course in enumerate(courses)}
    cells = np.fromiter((place.get(c, -1) for c in matrix.course_id), np.int64, len(matrix))
    known = np.nan_to_num(in_public_units(matrix))
    rows = np.concatenate([np.full((len(matrix), 1), _COUNTED), known], axis=1)
    taking = cells >= 0
    return bounded_sum(
        rows[taking],
        matrix.learner_id[taking],
        STATISTICS_CLIP,
        cells=cells[taking],
        shape=len(courses),
    )


def course_means(total: Float64Array, deviation: float) -> Float64Array:
    """Mean of each feature in each course, by noisy sums.

    Means of small courses are mostly noise, so each feature's means are drawn to their common
    mean as far as the noise explains how they differ (empirical Bayes; Efron & Morris 1973).

    Parameters
    ----------
    total : float64 array, shape (courses, 1 + features)
        Sum over sites of noisy `course_sums`.
    deviation : float
        Standard deviation of the noise in each value of `total`.

    Returns
    -------
    float64 array, shape (courses, features)
        In public units; unknown values count as 0 there.
    """
    count = np.maximum(total[:, :1] / _COUNTED, _FEWEST)
    means = total[:, 1:] / count
    common = total[:, 1:].sum(axis=0) / count.sum()
    noise = (deviation / count) ** 2
    differ = np.maximum(((means - common) ** 2 - noise).mean(axis=0), 0.0)
    kept: Float64Array = differ / np.maximum(differ + noise, 1e-300)
    return common + kept * (means - common)


def private_design(
    matrix: FeatureMatrix, courses: Sequence[str], means: Float64Array
) -> FloatArray:
    """Make the columns that private training reads, as many as `edufed.features.design` makes.

    Parameters
    ----------
    matrix : FeatureMatrix
    courses : sequence of str
        As given to `course_sums`.
    means : float64 array, shape (courses, features)
        `course_means`.

    Returns
    -------
    float32 array, shape (rows, columns)
        Each feature in public units; the same less its course's mean; an indicator where absence
        tells something. Unknown values, and courses without a mean, are 0.
    """
    place = {course: number for number, course in enumerate(courses)}
    rows = np.fromiter((place.get(c, -1) for c in matrix.course_id), np.int64, len(matrix))
    units = in_public_units(matrix)
    placed = np.append(means, np.full((1, means.shape[1]), np.nan), axis=0)[rows]
    missing = np.isnan(matrix.values[:, _INDICATED])
    columns = [np.nan_to_num(units), np.nan_to_num(units - placed), missing]
    return np.concatenate(columns, axis=1).astype(np.float32)
