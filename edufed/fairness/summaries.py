"""What a site adds up of its groups: numbers first, and then scores of the groups that are told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edufed.fairness.groups import GROUPS, IntArray, members
from edufed.metrics import score_summary

Float64Array = npt.NDArray[np.float64]

#: Bins of risk of a group: fewer than of all learners together, as fewer stand in each.
GROUP_BINS = 400


def group_counts(target: npt.ArrayLike, codes: IntArray) -> Float64Array:
    """Count learners by group and outcome.

    Parameters
    ----------
    target : array, shape (rows,)
        1 or 0.
    codes : int64 array, shape (rows, attributes)
        By `edufed.fairness.groups.memberships`.

    Returns
    -------
    float64 array, shape (len(GROUPS) + 1, 2)
        By class; the last row is all learners.
    """
    y = np.asarray(target, dtype=np.int64)
    rows = [members(codes, group) for group in range(len(GROUPS))]
    everyone = np.ones(len(y), dtype=bool)
    counted = [np.bincount(y[row], minlength=2) for row in (*rows, everyone)]
    return np.stack(counted).astype(np.float64)


def group_summaries(
    target: npt.ArrayLike, risk: npt.ArrayLike, codes: IntArray, told: Sequence[int]
) -> Float64Array:
    """Summarise the risks of each told group.

    Parameters
    ----------
    target, risk : array, shape (rows,)
        As `edufed.metrics.score_summary` takes them.
    codes : int64 array, shape (rows, attributes)
    told : sequence of int
        Places in `GROUPS`.

    Returns
    -------
    float64 array, shape (len(told), 2, GROUP_BINS, 3)
    """
    y, p = np.asarray(target), np.asarray(risk)
    found = np.zeros((len(told), 2, GROUP_BINS, 3))
    for place, group in enumerate(told):
        row = members(codes, group)
        found[place] = score_summary(y[row], p[row], GROUP_BINS)
    return found
