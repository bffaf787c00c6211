"""A federated imputer: what other platforms know of how canonical features go together.

Ranks become normal scores, and features are taken as jointly normal on that scale (a Gaussian
copula; Hoff 2007, "Extending the rank likelihood for semiparametric copula estimation", Annals of
Applied Statistics 1:265-283). A pair of features is measured by whoever has both, so the sums below
are over present pairs, and nobody needs to have all features. A missing feature is then filled in
with its conditional mean given the present ones, and its conditional deviation says how uncertain
that is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

Array = npt.NDArray[np.float64]

#: Smallest eigenvalue left to a correlation matrix that was measured pair by pair.
_FLOOR = 1e-3
#: Pairs of features seen together in fewer learners than this are taken as unrelated.
LEAST_PAIRS = 50


@dataclass(frozen=True)
class PairMoments:
    """First and second moments over present pairs; add up over sites.

    Attributes
    ----------
    count : float64 array, shape (features, features)
        Learners that have both.
    first : float64 array, shape (features, features)
        Sum of the row's feature over learners that have both.
    second : float64 array, shape (features, features)
        Sum of products.
    """

    count: Array
    first: Array
    second: Array


def normal_scores(placed: Array) -> Array:
    """Normal scores of ranks in 0..1 (shape kept); NaN stays NaN."""
    scored: Array = norm.ppf(np.clip(placed, 1e-4, 1 - 1e-4))
    return scored


def pair_moments(scored: Array) -> PairMoments:
    """Sum one site's moments.

    Parameters
    ----------
    scored : float64 array, shape (rows, features)
        Normal scores; NaN where missing.
    """
    there = (~np.isnan(scored)).astype(np.float64)
    x = np.nan_to_num(scored)
    return PairMoments(count=there.T @ there, first=x.T @ there, second=x.T @ x)


@dataclass(frozen=True)
class Imputer:
    """Mean and covariance of the normal scores.

    Attributes
    ----------
    mean : float64 array, shape (features,)
    covariance : float64 array, shape (features, features)
        Positive definite.
    known : bool array, shape (features,)
        Features that anybody has.
    """

    mean: Array
    covariance: Array
    known: npt.NDArray[np.bool_]

    @classmethod
    def from_moments(cls, total: PairMoments) -> Imputer:
        """Make the imputer from moments summed over sites."""
        n = np.maximum(total.count, 1.0)
        alone = np.diag(total.count)
        mean = np.diag(total.first) / np.maximum(alone, 1.0)
        pair_mean = total.first / n
        covariance = total.second / n - pair_mean * pair_mean.T
        variance = np.maximum(np.diag(covariance), 1e-9)
        together = covariance / np.sqrt(np.outer(variance, variance))
        together = np.where(total.count >= LEAST_PAIRS, together, 0.0)
        np.fill_diagonal(together, 1.0)
        return cls(mean, _definite(together) * np.sqrt(np.outer(variance, variance)), alone > 0)

    def conditional(self, scored: Array) -> tuple[Array, Array]:
        """Fill in what is missing.

        Parameters
        ----------
        scored : float64 array, shape (rows, features)
            Normal scores; NaN where missing.

        Returns
        -------
        filled : float64 array, shape (rows, features)
            As given where known; the conditional mean elsewhere. A feature that nobody has
            stays NaN.
        deviation : float64 array, shape (rows, features)
            Conditional deviation of what was filled in, 0 where it was known.
        """
        filled, deviation = scored.copy(), np.zeros(scored.shape)
        patterns, which = np.unique(np.isnan(scored), axis=0, return_inverse=True)
        for number, missing in enumerate(patterns):
            rows = np.flatnonzero(which.ravel() == number)
            wanted = np.flatnonzero(missing & self.known)
            given = np.flatnonzero(~missing & self.known)
            if not len(wanted):
                continue
            slope = np.linalg.solve(
                self.covariance[np.ix_(given, given)], self.covariance[np.ix_(given, wanted)]
            )
            off = scored[np.ix_(rows, given)] - self.mean[given]
            filled[np.ix_(rows, wanted)] = self.mean[wanted] + off @ slope
            left = self.covariance[np.ix_(wanted, wanted)] - (
                self.covariance[np.ix_(wanted, given)] @ slope
            )
            deviation[np.ix_(rows, wanted)] = np.sqrt(np.maximum(np.diag(left), 0.0))
        return filled, deviation


def filled_ranks(imputer: Imputer, placed: Array) -> Array:
    """Fill in missing ranks with their expectation given the others.

    Parameters
    ----------
    placed : float64 array, shape (rows, features)
        Ranks in 0..1; NaN where missing.

    Returns
    -------
    float64 array, shape (rows, features)
    """
    mean, deviation = imputer.conditional(normal_scores(placed))
    # The mean of Phi(z) for z ~ N(m, s^2) is Phi(m / sqrt(1 + s^2)).
    expected = norm.cdf(mean / np.sqrt(1.0 + deviation**2))
    filled: Array = np.where(np.isnan(placed), expected, placed)
    return filled


def rank_intervals(imputer: Imputer, placed: Array, level: float = 0.95) -> tuple[Array, Array]:
    """Bounds of what was filled in, as ranks; equal to the rank itself where it was known.

    Parameters
    ----------
    imputer : Imputer
    placed : float64 array, shape (rows, features)
        Ranks in 0..1; NaN where missing.
    level : float
        Probability that the truth lies between the bounds.
    """
    mean, deviation = imputer.conditional(normal_scores(placed))
    reach = norm.ppf(0.5 + level / 2) * deviation
    known = ~np.isnan(placed)
    low = np.where(known, placed, norm.cdf(mean - reach))
    high = np.where(known, placed, norm.cdf(mean + reach))
    return low, high


def _definite(together: Array) -> Array:
    """Return the nearest correlation matrix whose eigenvalues keep off zero, by clipping them."""
    values, vectors = np.linalg.eigh((together + together.T) / 2)
    if values[0] >= _FLOOR:
        return together
    mended = (vectors * np.maximum(values, _FLOOR)) @ vectors.T
    scale = np.sqrt(np.diag(mended))
    correlation: Array = mended / np.outer(scale, scale)
    return correlation
