"""Where a learner stands within the course, by the features that portraits are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edufed.features.catalogue import FEATURES, NAMES
from edufed.features.cohort import BINS, cohort_counts, cohort_ranks
from edufed.features.matrix import FeatureMatrix
from edufed.features.scaling import RANK_DEVIATION

Float64Array = npt.NDArray[np.float64]
CountArray = npt.NDArray[np.int64]


def trait_counts(
    matrix: FeatureMatrix, cohorts: Sequence[str], features: Sequence[str]
) -> CountArray:
    """Count one site's learners by cohort, feature and bin; add the results over sites.

    Returns
    -------
    int64 array, shape (cohorts, len(features), BINS)
    """
    return cohort_counts(matrix, cohorts)[:, _places(features)]


def trait_ranks(
    matrix: FeatureMatrix,
    cohorts: Sequence[str],
    counts: CountArray,
    features: Sequence[str],
    min_cohort: int,
) -> Float64Array:
    """Rank one site's learners within their cohorts, by the counts summed over all sites.

    Returns
    -------
    float64 array, shape (rows, len(features))
        0..1; NaN where the value is unknown or the cohort absent or small.
    """
    places = _places(features)
    whole = np.zeros((len(cohorts), len(FEATURES), BINS), dtype=np.int64)
    whole[:, places] = counts
    return cohort_ranks(matrix, cohorts, whole, min_cohort)[:, places].astype(np.float64)


def positions(ranks: Float64Array) -> Float64Array:
    """Return what is clustered: ranks centred and scaled to unit deviation, 0 where unknown."""
    placed: Float64Array = np.nan_to_num((ranks - 0.5) / RANK_DEVIATION)
    return placed


def as_ranks(places: Float64Array) -> Float64Array:
    """Return the mean ranks that positions of cluster centres stand for."""
    return np.clip(places * RANK_DEVIATION + 0.5, 0.0, 1.0)


def _places(features: Sequence[str]) -> list[int]:
    return [NAMES.index(feature) for feature in features]
