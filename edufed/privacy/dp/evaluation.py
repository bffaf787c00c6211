"""Scores of a model from noisy counts.

A site counts its learners by class and by risk, in few bins so that each count stands out from the
noise, and adds noise. The counts, summed over sites or not, become a summary as
`edufed.metrics` reads it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edufed.metrics import BINS as FINE
from edufed.privacy.dp.sums import bounded_sum

Float64Array = npt.NDArray[np.float64]

#: Bins of risk, equal steps of arcsin(√risk). More would show finer order and add more noise.
#: With these ROC-AUC reads 0.001 to 0.004 low, and half the noise's deviation lower with noise.
BINS = 20
#: Length of one learner's contribution: a learner in k courses counts 1/√k in each.
SCORES_CLIP = 1.0


def score_counts(
    target: npt.ArrayLike, risk: npt.ArrayLike, learners: npt.NDArray[np.object_]
) -> Float64Array:
    """Count learners by class and bin of risk, each learner's part cut to `SCORES_CLIP`.

    Parameters
    ----------
    target : array, shape (rows,)
        1 or 0.
    risk : array, shape (rows,)
        Predicted probability of 1; NaN, as a model of huge weights gives, counts as 1/2.
    learners : array, shape (rows,)

    Returns
    -------
    float64 array, shape (2, BINS)
        Without noise yet (`edufed.privacy.dp.sums`).
    """
    known = np.nan_to_num(np.asarray(risk, np.float64), nan=0.5)
    place = np.arcsin(np.sqrt(known)) * (2.0 / np.pi) * BINS
    cells = np.asarray(target).astype(np.int64) * BINS
    cells += np.minimum(place.astype(np.int64), BINS - 1)
    ones = np.ones((len(cells), 1))
    counted = bounded_sum(ones, learners, SCORES_CLIP, cells=cells, shape=2 * BINS)
    return counted.reshape(2, BINS)


def summary_from_counts(counts: Float64Array) -> Float64Array:
    """Turn noisy counts into a summary that `edufed.metrics` takes its scores from.

    Parameters
    ----------
    counts : float64 array, shape (2, BINS)
        Noisy `score_counts`, of one site or summed over several.

    Returns
    -------
    float64 array, shape (2, edufed.metrics.BINS, 3)
        Counts below zero are taken out without changing a class's total; within a bin, learners
        are spread evenly.
    """
    width = FINE // BINS
    middles = np.sin((np.arange(FINE) + 0.5) / FINE * np.pi / 2.0) ** 2
    spread = np.repeat(np.stack([_above_zero(row) for row in counts]) / width, width, axis=1)
    return np.stack([spread * middles**power for power in range(3)], axis=-1)


def _above_zero(counts: Float64Array) -> Float64Array:
    """Nearest counts that are none below zero and have the same total (Duchi et al. 2008)."""
    total = max(float(counts.sum()), 0.0)
    falling = np.sort(counts)[::-1]
    excess = (np.cumsum(falling) - total) / np.arange(1, len(counts) + 1)
    last = int(np.flatnonzero(falling - excess > 0)[-1]) if total > 0 else 0
    return np.maximum(counts - excess[last], 0.0)


def auc_deviation(counts: Float64Array, deviation: float) -> float:
    """Standard deviation that the noise alone gives ROC-AUC, to first order; never less.

    Taking out what is below zero, where risks are rare, takes some of the noise out with it.

    Parameters
    ----------
    counts : float64 array, shape (2, BINS)
        Noisy counts.
    deviation : float
        Of the noise in each of them.
    """
    negative, positive = (_above_zero(row) for row in counts)
    below = (np.cumsum(negative) - negative / 2.0) / max(negative.sum(), 1.0)
    above = 1.0 - (np.cumsum(positive) - positive / 2.0) / max(positive.sum(), 1.0)
    area = float(positive @ below / max(positive.sum(), 1.0))
    by_positive = ((below - area) ** 2).sum() / max(positive.sum(), 1.0) ** 2
    by_negative = ((above - area) ** 2).sum() / max(negative.sum(), 1.0) ** 2
    return float(deviation * np.sqrt(by_positive + by_negative))
