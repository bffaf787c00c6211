"""Sums over learners that tell little about each: contributions bounded, Gaussian noise added.

The noise is added by each site to its own sum, or in shares, so that only the sum over the sites
carries all of it. Shares serve under secure aggregation (distributed differential privacy,
Kairouz, Liu & Steinke 2021): the coordinator sees the sum and no part.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edufed.privacy.dp.randomness import RandomSource, add_noise, grid_for, widened

Float64Array = npt.NDArray[np.float64]


def bounded_sum(
    rows: npt.NDArray[np.floating],
    learners: npt.NDArray[np.object_],
    clip: float,
    *,
    cells: npt.NDArray[np.integer] | None = None,
    shape: int = 1,
) -> Float64Array:
    """Add up rows by cell, each learner's contribution to all cells cut to length `clip`.

    Adding or removing a learner, with all their rows, changes the result by at most `clip` in
    Euclidean length. A sum of vectors, moments by cohort and a histogram (rows of ones) are all
    of this kind.

    Parameters
    ----------
    rows : float array, shape (rows, values)
        What each row adds to its cell; NaN or infinite, and the learner adds nothing to that cell.
    learners : array, shape (rows,)
        Whose each row is; a learner's rows may lie in several cells.
    clip : float
    cells : int array, shape (rows,), optional
        Which cell each row is for, 0 unless given.
    shape : int
        Number of cells.

    Returns
    -------
    float64 array, shape (cells, values)
    """
    place = np.zeros(len(rows), np.int64) if cells is None else np.asarray(cells, np.int64)
    _, whose = np.unique(np.asarray(learners).astype(str), return_inverse=True)
    # A learner's rows of one cell add up before lengths are taken.
    pairs, pair = np.unique(whose * shape + place, return_inverse=True)
    added = np.zeros((len(pairs), rows.shape[1]))
    np.add.at(added, pair, rows)
    # A part without a length cannot be cut, and would spoil the sum: it is left out.
    added[~np.isfinite(added).all(axis=1)] = 0.0
    owner, cell = np.divmod(pairs, shape)
    lengths = np.sqrt(np.bincount(owner, weights=(added**2).sum(axis=1)))
    factor = np.minimum(1.0, clip / np.maximum(lengths, 1e-300))
    total = np.zeros((shape, rows.shape[1]))
    np.add.at(total, cell, added * factor[owner, None])
    return total


def release(
    total: Float64Array,
    clip: float,
    noise_multiplier: float,
    source: RandomSource | None = None,
) -> Float64Array:
    """Add Gaussian noise to a site's sum: costs `Charge(noise_multiplier)`.

    Parameters
    ----------
    total : float64 array
        A `bounded_sum` by the same `clip`.
    clip : float
        Most that a learner can change it, in Euclidean length.
    noise_multiplier : float
        Standard deviation of the noise in each value, over the clip.
    source : RandomSource, optional
        The operating system's secure generator unless a test gives another.
    """
    grid = grid_for(noise_multiplier * clip)
    deviation = noise_multiplier * widened(clip, total.size, grid)
    return add_noise(total, deviation, source or RandomSource(), grid)


def release_share(
    total: Float64Array,
    clip: float,
    noise_multiplier: float,
    minimum_sites: int,
    grid: float,
    source: RandomSource | None = None,
) -> Float64Array:
    """Add one site's share of the noise to its sum, for secure aggregation and nothing else.

    The sum over `minimum_sites` sites or more carries noise of deviation `noise_multiplier` times
    `clip` or more, and costs `Charge(noise_multiplier)`. Drops cannot make it less, since a sum
    of fewer sites is never opened; sites that stay make it more, by `overshoot`.

    Parameters
    ----------
    minimum_sites : int
        Fewest sites whose sum is ever opened. If up to c sites may tell the coordinator what
        noise they added, c less than that.
    grid : float
        Step of the fixed-point numbers, 2**-fraction; what is returned lies on it.
    others
        As for `release`.
    """
    deviation = share_deviation(noise_multiplier * widened(clip, total.size, grid), minimum_sites)
    return add_noise(total, deviation, source or RandomSource(), grid)


def share_deviation(deviation: float, minimum_sites: int) -> float:
    """Deviation of each site's noise, so that any `minimum_sites` shares add up to `deviation`."""
    if minimum_sites < 1:
        raise ValueError(f"noise is shared by at least one site, not {minimum_sites}")
    return deviation / math.sqrt(minimum_sites)


def overshoot(sites: int, minimum_sites: int) -> float:
    """How many times the needed deviation the noise has when `sites` sites answer.

    With a third of the sites allowed to drop and none that does, √1.5 = 1.22.
    """
    return math.sqrt(sites / minimum_sites)
