"""Which groups may be spoken of: those of enough learners, from which no smaller one follows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edufed.fairness.groups import ATTRIBUTES, slots
from edufed.quality.suppression import close

Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def told_groups(counts: Float64Array, least: int) -> list[int]:
    """Return the groups that are told, as places in `edufed.fairness.groups.GROUPS`.

    A group is told where at least `least` of its learners have each outcome. What an attribute's
    told groups leave of all learners (smaller groups, and those whose attribute is not stated)
    would follow by subtraction, so the same is asked of it: where it falls short, the smallest told
    group is withheld as well. An attribute with fewer than two groups left has nothing to compare.

    Parameters
    ----------
    counts : float64 array, shape (len(GROUPS) + 1, classes)
        Summed `group_counts`; all learners in the last row.
    least : int
    """

    def judge(cells: Float64Array, _: Float64Array) -> BoolArray:
        return _large(cells, least) | np.asarray(cells.sum(axis=1) == 0)

    found = []
    for attribute in ATTRIBUTES:
        own = slots(attribute)
        everyone, cells = np.rint(counts[-1]), np.rint(counts[own])
        cells = np.vstack([cells, everyone - cells.sum(axis=0)])
        large = _large(cells, least)
        large[-1] = False  # those whose attribute is not stated are no group
        told = close(everyone, cells, cells.sum(axis=1), large, judge)
        if told.sum() > 1:
            found += [own.start + int(place) for place in np.flatnonzero(told)]
    return found


def _large(cells: Float64Array, least: int) -> BoolArray:
    """Say which rows have enough learners of every class."""
    return np.asarray((cells >= least).all(axis=1))
