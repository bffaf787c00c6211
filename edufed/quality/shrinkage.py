"""Empirical-Bayes estimates of many units' means: small units borrow strength from all.

The model: a unit's true mean is normal around a common mean, with variance tau²; what is observed
is the true mean and an error of known size. tau² is found by the method of Paule & Mandel (1982,
J. Res. NBS 87:377), the weighted sum of squares set to its expectation; the estimate and its
standard error are those of Morris (1983, JASA 78:47), to first order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shrunken:
    """Estimates of all units.

    Attributes
    ----------
    centre : float
        The common mean.
    between : float
        Variance of the true means.
    estimate, error : float arrays, shape (units,)
        Estimate of each unit's mean and its standard error; NaN where the unit has none.
    """

    centre: float
    between: float
    estimate: Float64Array
    error: Float64Array


def shrink(
    means: Float64Array, counts: Float64Array, within: float, noise: Float64Array | float = 0.0
) -> Shrunken:
    """Shrink units' means towards their common mean.

    Parameters
    ----------
    means : float array, shape (units,)
        NaN for a unit without one: it takes no part.
    counts : float array, shape (units,)
        Learners behind each mean.
    within : float
        Variance of one learner around the mean of their unit, the same in all units.
    noise : float array, shape (units,), or float
        Variance that noise adds to each mean.

    Returns
    -------
    Shrunken
        With fewer than two units nothing is shrunk.
    """
    known = ~np.isnan(means) & (counts > 0)
    added = np.broadcast_to(noise, means.shape)[known]
    y, error = means[known], within / np.maximum(counts[known], 1) + added
    estimate, spread = np.full(means.shape, np.nan), np.full(means.shape, np.nan)
    if known.sum() < 2 or not within > 0:
        estimate[known], spread[known] = y, np.sqrt(error)
        centre = float(np.average(y, weights=counts[known])) if known.any() else float("nan")
        return Shrunken(centre, float("nan"), estimate, spread)
    between = _between(y, error)
    weights = 1.0 / (between + error)
    centre = float(np.average(y, weights=weights))
    kept = between / (between + error)
    estimate[known] = centre + kept * (y - centre)
    # The last term: the common mean is itself an estimate.
    spread[known] = np.sqrt(kept * error + (1 - kept) ** 2 / weights.sum())
    return Shrunken(centre, between, estimate, spread)


def _between(y: Float64Array, error: Float64Array) -> float:
    """Variance of the true means by Paule and Mandel; 0 where the error explains all."""

    def excess(between: float) -> float:
        weights = 1.0 / (between + error)
        return float((weights * (y - np.average(y, weights=weights)) ** 2).sum()) - (len(y) - 1)

    if excess(0.0) <= 0:
        return 0.0
    high = float(y.var()) + float(error.max())
    while excess(high) > 0:
        high *= 2
    return float(brentq(excess, 0.0, high, xtol=1e-15 * high, rtol=1e-14))
