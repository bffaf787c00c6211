"""Where a learner stands among the learners of the same course, wherever those learn.

A cohort is a course (a module presentation) and spans sites, so no site can rank its learners
alone. Each site counts its learners into bins that are fixed in advance, the same everywhere;
the counts are summed over the sites, in the clear or under secure aggregation, and every site
reads its learners' ranks off the sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from edufed.features.catalogue import FEATURES
from edufed.features.feature import Grid
from edufed.features.matrix import FeatureMatrix, FloatArray

CountArray = npt.NDArray[np.int64]
EdgeArray = npt.NDArray[np.float64]

#: Bins of every histogram.
BINS = 128
#: Smaller cohorts rank nobody: a place among a handful says little and tells on the others.
MIN_COHORT = 10


@cache
def edges(grid: Grid) -> EdgeArray:
    """Edges of a grid's bins, float64, shape (BINS + 1,).

    Values that are commonly whole (or a whole percent) lie in the middle of a bin of their
    own, so that ties share the middle rank; far out the bins widen in proportion. Values beyond
    the edges fall into the outermost bins.
    """
    if grid == "count":
        return _widening(48, 1e6)
    if grid == "days":
        return _widening(98, 3650.0)
    if grid == "lead":
        return _mirrored(_widening(20, 3650.0, BINS // 2))
    if grid == "change":
        # Zero alone in the middle bin, then a hundredth upwards.
        outwards: EdgeArray = np.geomspace(0.01, 1e3, BINS // 2)
        return _mirrored(np.concatenate([[-0.01], outwards]))
    # "fraction": whole percents from 0 to 1; the bins above stay empty.
    percents: EdgeArray = np.arange(BINS + 1, dtype=np.float64)
    return (percents - 0.5) / 100.0


def _widening(whole: int, top: float, bins: int = BINS) -> EdgeArray:
    """One bin around each of 0, 1, ..., whole - 1, then bins in geometric progression to `top`."""
    further: EdgeArray = np.geomspace(whole - 0.5, top, bins - whole + 1)
    return np.concatenate([np.arange(whole) - 0.5, further])


def _mirrored(right: EdgeArray) -> EdgeArray:
    """Half as many bins again below zero, and one more at the far end to make up BINS."""
    full = np.concatenate([-right[:0:-1], right[1:]])
    return np.concatenate([[2 * full[0]], full])


def _bins(column: FloatArray, grid: Grid) -> npt.NDArray[np.intp]:
    return np.searchsorted(edges(grid)[1:-1], column, side="right")


def _places(cohorts: Sequence[str], course_id: npt.NDArray[np.object_]) -> npt.NDArray[np.intp]:
    """Index of each row's cohort in `cohorts`, -1 where it is not among them."""
    index = {cohort: place for place, cohort in enumerate(cohorts)}
    return np.fromiter((index.get(c, -1) for c in course_id), np.intp, len(course_id))


def cohort_counts(matrix: FeatureMatrix, cohorts: Sequence[str]) -> CountArray:
    """Count one site's learners by cohort, feature and bin; add the results over sites.

    Parameters
    ----------
    matrix : FeatureMatrix
        One site's.
    cohorts : sequence of str
        Course ids, the same at every site; the site need not have learners in each.

    Returns
    -------
    int64 array, shape (cohorts, features, BINS)
        Unknown values are counted nowhere.
    """
    place = _places(cohorts, matrix.course_id)
    counts = np.zeros((len(cohorts), len(FEATURES), BINS), dtype=np.int64)
    for number, feature in enumerate(FEATURES):
        column = matrix.values[:, number]
        known = (place >= 0) & ~np.isnan(column)
        cells = place[known] * BINS + _bins(column[known], feature.grid)
        counts[:, number] = np.bincount(cells, minlength=len(cohorts) * BINS).reshape(-1, BINS)
    return counts


def cohort_ranks(
    matrix: FeatureMatrix,
    cohorts: Sequence[str],
    counts: CountArray,
    min_cohort: int = MIN_COHORT,
) -> FloatArray:
    """Rank one site's learners within their cohorts, by the counts summed over all sites.

    Parameters
    ----------
    matrix : FeatureMatrix
        One site's.
    cohorts : sequence of str
        As given to `cohort_counts`.
    counts : int64 array, shape (cohorts, features, BINS)
        The sum over sites.
    min_cohort : int
        Fewer learners than this with a known value give no ranks.

    Returns
    -------
    float32 array, shape (rows, features)
        Mid-rank between 0 and 1, interpolated within the bin; off the exact mid-rank by at most
        the share of the cohort in that bin. NaN where the value is unknown or the cohort absent
        or small.
    """
    place = _places(cohorts, matrix.course_id)
    ranks: FloatArray = np.full(matrix.values.shape, np.nan, dtype=np.float32)
    totals = counts.sum(axis=2)
    below = np.cumsum(counts, axis=2) - counts
    for number, feature in enumerate(FEATURES):
        column = matrix.values[:, number]
        rows = np.flatnonzero((place >= 0) & ~np.isnan(column))
        rows = rows[totals[place[rows], number] >= max(min_cohort, 1)]
        cohort, value = place[rows], column[rows].astype(np.float64)
        bin_, edge = _bins(column[rows], feature.grid), edges(feature.grid)
        within = np.clip((value - edge[bin_]) / (edge[bin_ + 1] - edge[bin_]), 0.0, 1.0)
        lower = below[cohort, number, bin_] + within * counts[cohort, number, bin_]
        ranks[rows, number] = lower / totals[cohort, number]
    return ranks
