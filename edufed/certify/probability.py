"""Calibrated probabilities with an interval: inductive Venn-Abers prediction from counts.

For a learner in some bin, isotonic regression of the calibration learners' results is fitted
twice: with the learner among them as one who failed, and as one who passed (Vovk & Petej 2014).
Its values at the bin, low and high, are two probabilities of passing of which one is calibrated,
whatever the model's own scale; where few learners are near, they lie far apart.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.isotonic import isotonic_regression

from edufed.certify.conformal import PASS

Floats = npt.NDArray[np.float64]


def table(counts: npt.NDArray[np.integer]) -> Floats:
    """Return the interval of the probability of passing in each bin.

    Parameters
    ----------
    counts : int array, shape (2, bins)
        Calibration learners by result and bin, bins in rising order of the logit of passing.

    Returns
    -------
    float64 array, shape (2, bins)
        Low and high.
    """
    passes, learners = counts[PASS].astype(np.float64), counts.sum(axis=0).astype(np.float64)
    bins = counts.shape[1]
    found = np.empty((2, bins))
    seen = np.flatnonzero(learners)
    places = np.searchsorted(seen, np.arange(bins))
    for bin_ in range(bins):
        at, new = int(places[bin_]), not learners[bin_]
        if bin_ and new and places[bin_ - 1] == at:
            found[:, bin_] = found[:, bin_ - 1]  # nobody lies between this bin and the last
            continue
        weights, sums = learners[seen], passes[seen]
        if new:
            weights, sums = np.insert(weights, at, 0.0), np.insert(sums, at, 0.0)
        weights[at] += 1.0
        for row, result in enumerate((0.0, 1.0)):
            with_learner = sums.copy()
            with_learner[at] += result
            found[row, bin_] = isotonic_regression(with_learner / weights, sample_weight=weights)[
                at
            ]
    return found


def merged(low: Floats, high: Floats) -> Floats:
    """Return one probability of each interval: the one that risks least log loss."""
    return high / (1.0 - low + high)
