"""What is told of tags and clusters: shares and rates of enough learners, and none that follow.

Of a group the report tells how many learners are in it and how many of these have a mark (a tag,
or the outcome). A figure is withheld where fewer than `least` learners have the mark, or fewer
than that do not: else it would tell of few, or of all. What is told must leave enough on both
sides in what is not told, or the last group withheld would be the difference
(`edufed.quality.suppression`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edufed.quality.suppression import Judge, close

Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def both_sides(least: int) -> Judge:
    """Judge pairs, shape (groups, 2): both numbers are at least `least`."""

    def judge(cells: Float64Array, _: Float64Array) -> BoolArray:
        return np.asarray((cells >= least).all(axis=1), dtype=np.bool_)

    return judge


def told_groups(marked: Float64Array, size: Float64Array, least: int) -> BoolArray:
    """Say which of the groups that together are everybody may have their mark told.

    Parameters
    ----------
    marked, size : float arrays, shape (groups,)
        Learners with the mark, and learners.
    least : int

    Returns
    -------
    bool array, shape (groups,)
    """
    cells = np.stack([marked, size - marked], axis=1)
    judge = both_sides(least)
    if not judge(cells.sum(axis=0)[None], cells)[0]:
        return np.zeros(len(size), dtype=bool)
    everyone = np.ones(len(size), dtype=bool)
    return close(cells.sum(axis=0), cells, size, everyone, judge)
