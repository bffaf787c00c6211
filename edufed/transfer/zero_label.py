"""Risks without one label: the source's score, and the source's risk at the same rank.

A score carries over better than its scale: where the target's scores are spread or placed
otherwise, the source's risks are wrong though the order is right. So a target learner gets the risk
that the source's learner at the same place has, from the lowest score to the highest (quantile
matching). The order stays as it is; what is assumed is that the target's share of learners who need
help is the source's, which labels alone can correct.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from edufed.metrics import BINS

Array = npt.NDArray[np.float64]


def risk_by_rank(z: Array, unlabelled: Array, source: Array) -> Array:
    """Give each score the risk that stands at its rank among the source's learners.

    Parameters
    ----------
    z : float64 array, shape (rows,)
        Log-odds under the source's model of learners to score.
    unlabelled : float64 array, shape (n,)
        The same of the target's learners, whose labels are not needed.
    source : float64 array, shape (2, BINS, 3)
        `edufed.metrics.score_summary` of the source's own learners, summed over its sites.

    Returns
    -------
    float64 array, shape (rows,)
        Risks in 0..1, in the same order as `z`; plain risks where there is nothing to match with.
    """
    counts = source[..., 0].sum(axis=0)
    if not len(unlabelled) or counts.sum() < 1:
        plain: Array = expit(z)
        return plain
    ordered = np.sort(unlabelled)
    below = np.searchsorted(ordered, z, side="left")
    until = np.searchsorted(ordered, z, side="right")
    rank = (below + until) / (2 * len(ordered))
    risks = source[..., 1].sum(axis=0)
    full = counts > 0
    place = (np.cumsum(counts) - counts / 2)[full] / counts.sum()
    matched: Array = np.interp(rank, place, risks[full] / counts[full])
    return matched


def empty_summary() -> Array:
    """Return a score summary of nobody."""
    return np.zeros((2, BINS, 3))
