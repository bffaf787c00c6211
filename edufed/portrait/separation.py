"""How far clusters separate outcomes on learners they were not made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Separation:
    """How well the clusters' outcome rates on training learners foretell test learners'.

    Attributes
    ----------
    eta_squared : float
        Share of the outcome's variance that the clusters explain out of sample: 1 less the mean
        squared error of the training rates over that of the test learners' own overall rate. Below
        0 where the training rates foretell worse than that.
    roc_auc : float
        Of the training rates as a score.
    """

    eta_squared: float
    roc_auc: float


def rates(known: FloatArray, positive: FloatArray) -> FloatArray:
    """Outcome rate of each cluster, the overall one where a cluster is empty; shape (k,)."""
    overall = positive.sum() / max(known.sum(), 1)
    found: FloatArray = np.divide(
        positive, known, out=np.full(len(known), overall), where=known > 0
    )
    return found


def separation(foretold: FloatArray, known: FloatArray, positive: FloatArray) -> Separation:
    """Judge clusters by sums over test learners.

    Parameters
    ----------
    foretold : float array, shape (k,)
        Outcome rates of training learners.
    known, positive : float arrays, shape (k,)
        Test learners with a known result, and those of them with the outcome (or sums of their
        bootstrap weights).
    """
    negative = known - positive
    n, rate = known.sum(), positive.sum() / max(known.sum(), 1e-300)
    variance = n * rate * (1 - rate)
    if variance <= 0:
        return Separation(float("nan"), float("nan"))
    error = float(positive @ (1 - foretold) ** 2 + negative @ foretold**2)
    order = np.argsort(foretold, kind="stable")
    # Clusters of the same rate are ties: they count half.
    wins = 0.0
    below = 0.0
    for value in np.unique(foretold[order]):
        tied = foretold == value
        wins += positive[tied].sum() * (below + negative[tied].sum() / 2)
        below += negative[tied].sum()
    return Separation(1 - error / variance, float(wins / (positive.sum() * negative.sum())))


def interval(values: FloatArray, level: float = 0.95) -> tuple[float, float]:
    """Bootstrap interval of a figure from its replicates, shape (replicates,)."""
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
