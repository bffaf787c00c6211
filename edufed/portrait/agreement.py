"""How well two clusterings of the same learners agree, from a table that sites can add up."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


def contingency(one: IntArray, other: IntArray, k: int) -> IntArray:
    """Count learners by their cluster in each of two clusterings; add the results over sites.

    Parameters
    ----------
    one, other : int arrays, shape (learners,)
        0..k - 1.

    Returns
    -------
    int64 array, shape (k, k)
    """
    return np.bincount(one * k + other, minlength=k * k).reshape(k, k).astype(np.int64)


def adjusted_rand(table: npt.NDArray[np.integer]) -> float:
    """Adjusted Rand index (Hubert & Arabie 1985) of two clusterings: 1 the same, 0 by chance.

    Parameters
    ----------
    table : int array, shape (k, k)
        As `contingency`, over all sites.

    Returns
    -------
    float
        NaN for fewer than two learners.
    """
    cells = table.astype(np.float64)
    n = cells.sum()
    if n < 2:
        return float("nan")
    together = _pairs(cells).sum()
    rows, columns = _pairs(cells.sum(axis=1)).sum(), _pairs(cells.sum(axis=0)).sum()
    expected = rows * columns / _pairs(np.array(n))
    most = (rows + columns) / 2
    # Both put everybody into one cluster, or everybody into one of their own.
    return 1.0 if most == expected else float((together - expected) / (most - expected))


def _pairs(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return counts * (counts - 1) / 2
