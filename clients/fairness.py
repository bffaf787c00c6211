"""A site's part of the fairness figures: sums by group, from the columns its policy leaves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edufed.arrays import Arrays
from edufed.fairness.groups import COLUMNS, IntArray, memberships
from edufed.fairness.summaries import group_counts, group_summaries
from edufed.features import FeatureMatrix

Mask = npt.NDArray[np.bool_]


def counted(matrix: FeatureMatrix, rows: Mask) -> Arrays:
    """Return ``group_counts``: how many of these learners each group has, by outcome."""
    return {"group_counts": group_counts(matrix.target[rows], codes(matrix)[rows])}


def summarised(
    matrix: FeatureMatrix, rows: Mask, risk: npt.NDArray[np.float64], told: Sequence[int]
) -> Arrays:
    """Return ``groups``: score summaries of the told groups.

    Parameters
    ----------
    matrix : FeatureMatrix
    rows : bool array, shape (rows of the matrix,)
        Learners with a known outcome.
    risk : float64 array, shape (rows that are True,)
    told : sequence of int
        Places in `edufed.fairness.groups.GROUPS`.
    """
    return {"groups": group_summaries(matrix.target[rows], risk, codes(matrix)[rows], told)}


def codes(matrix: FeatureMatrix) -> IntArray:
    """Return each row's groups, as `edufed.fairness.groups.memberships` does."""
    places = {name: matrix.names.index(name) for name in COLUMNS}
    return memberships({name: matrix.values[:, place] for name, place in places.items()})
