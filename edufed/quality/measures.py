"""What is measured of each learner in a course, and what sums say of a group of them.

Five sums say everything: how many learners have a value, the sum of the values, of their squares,
and for amounts of use the sum of x ln x, from which Theil's index follows. All of them add up over
learners, so the sums of all sites together are those of all rows in one place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """One measure of a learner in a course.

    Attributes
    ----------
    name : str
    kind : str
        `share` is 0 or 1 for a learner, `score` lies in 0..1, `change` in -1..1, and `amount` is
        0 or more.
    """

    name: str
    kind: str


#: In the order in which sums travel and the page shows them.
MEASURES = (
    Measure("participation", "share"),
    Measure("completion", "share"),
    Measure("pass_rate", "share"),
    Measure("score", "score"),
    Measure("growth", "change"),
    Measure("use", "amount"),
)
NAMES = tuple(measure.name for measure in MEASURES)
#: Sums of one measure in one cell, in this order.
COUNT, SUM, SQUARES, ENTROPY = range(4)
SUMS = 4
#: Shares of a sum of squares, of a cell's and of what it was taken from, that may be rounding.
_ALIKE, _ROUNDED = 1e-9, 1e-12


def cell_sums(
    values: Float64Array, cells: npt.NDArray[np.int64], size: int, kind: str
) -> Float64Array:
    """Add up one measure by cell.

    Parameters
    ----------
    values : float array, shape (rows,)
        NaN where a learner has none.
    cells : int array, shape (rows,)
        -1: in none.
    size : int
        Number of cells.
    kind : str
        As `Measure.kind`.

    Returns
    -------
    float array, shape (size, SUMS)
    """
    known = ~np.isnan(values) & (cells >= 0)
    x, cell = values[known], cells[known]
    sums = np.zeros((size, SUMS))
    sums[:, COUNT] = np.bincount(cell, minlength=size)
    sums[:, SUM] = np.bincount(cell, weights=x, minlength=size)
    sums[:, SQUARES] = np.bincount(cell, weights=x * x, minlength=size)
    if kind == "amount":
        logs = x * np.log(np.where(x > 0, x, 1.0))
        sums[:, ENTROPY] = np.bincount(cell, weights=logs, minlength=size)
    return sums


def mean(sums: Float64Array) -> Float64Array:
    """Mean of each cell, shape (...), from `sums`, shape (..., SUMS); NaN where it has no value."""
    count = sums[..., COUNT]
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Float64Array = np.where(count > 0, sums[..., SUM] / count, np.nan)
    return found


def variance(sums: Float64Array) -> Float64Array:
    """Unbiased variance within each cell, shape (...); NaN with fewer than two values."""
    count = sums[..., COUNT]
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.maximum(sums[..., SQUARES] - sums[..., SUM] ** 2 / count, 0.0)
        found: Float64Array = np.where(count > 1, spread / (count - 1), np.nan)
    return found


def standard_error(sums: Float64Array) -> Float64Array:
    """Standard error of the mean of each cell, shape (...); NaN with fewer than two values."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Float64Array = np.sqrt(variance(sums) / sums[..., COUNT])
    return found


def alike(sums: Float64Array, scale: Float64Array) -> npt.NDArray[np.bool_]:
    """Whether all values of a cell are the same, so that its mean tells each learner's own.

    Parameters
    ----------
    sums : float array, shape (..., SUMS)
    scale : float array
        Sum of squares of what the cell was subtracted from: as far as that was rounded, a
        difference is none.
    """
    count, total, squares = (sums[..., part] for part in (COUNT, SUM, SQUARES))
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = squares - total**2 / count
    same: npt.NDArray[np.bool_] = (count > 0) & ~(spread > _ALIKE * squares + _ROUNDED * scale)
    return same
