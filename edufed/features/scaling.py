"""From features in their own units to the columns a model reads, scaled alike at every site."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edufed.features.catalogue import FEATURES, NAMES
from edufed.features.matrix import FeatureMatrix, FloatArray

Float64Array = npt.NDArray[np.float64]

_LOGGED = np.array([feature.transform == "log1p" for feature in FEATURES])
_COMPARABLE = np.array([feature.comparable for feature in FEATURES])
_INDICATED = np.array([feature.indicator for feature in FEATURES])
#: Deviation of a uniform rank on 0..1.
RANK_DEVIATION = math.sqrt(1 / 12)


def transformed(values: FloatArray) -> Float64Array:
    """Apply each feature's transform.

    Parameters
    ----------
    values : float32 array, shape (rows, features)
        Of a `FeatureMatrix`, or some of its rows.

    Returns
    -------
    float64 array, shape (rows, features)
        NaN stays NaN.
    """
    x = values.astype(np.float64)
    x[:, _LOGGED] = np.log1p(np.maximum(x[:, _LOGGED], 0.0))
    return x


def moments(x: npt.NDArray[np.floating], mask: npt.NDArray[np.bool_] | None = None) -> Float64Array:
    """Count, sum and sum of squares of each column; add the results over sites.

    Parameters
    ----------
    x : float array, shape (rows, columns)
    mask : bool array, shape (rows,) or (rows, columns), optional
        What to count, all if not given. NaN is never counted.

    Returns
    -------
    float64 array, shape (3, columns)
    """
    counted = ~np.isnan(x)
    if mask is not None:
        counted &= mask[:, None] if mask.ndim == 1 else mask
    values = np.where(counted, x, 0.0).astype(np.float64)
    return np.stack([counted.sum(axis=0), values.sum(axis=0), (values**2).sum(axis=0)])


@dataclass(frozen=True)
class Scaling:
    """Mean and deviation of each transformed feature.

    Attributes
    ----------
    mean, deviation : float64 arrays, shape (columns,)
        Deviation 1 where a column does not vary, mean 0 where it was never known.
    """

    mean: Float64Array
    deviation: Float64Array

    @classmethod
    def from_moments(cls, total: Float64Array) -> Scaling:
        """Make the scaling from moments summed over sites, float64, shape (3, columns)."""
        n = np.maximum(total[0], 1.0)
        mean = total[1] / n
        variance = total[2] / n - mean**2
        # What rounding leaves of a constant column's variance is no variance.
        varies = variance > 1e-12 * np.maximum(mean**2, 1e-12)
        deviation = np.sqrt(np.where(varies, variance, 1.0))
        return cls(mean, deviation)


def design(matrix: FeatureMatrix, ranks: FloatArray, scaling: Scaling) -> FloatArray:
    """Make the columns a model reads.

    Parameters
    ----------
    matrix : FeatureMatrix
        Rows of one site.
    ranks : float32 array, shape (rows, features)
        Of `cohort_ranks`; all NaN where a job does without.
    scaling : Scaling
        Of the transformed features.

    Returns
    -------
    float32 array, shape (rows, columns)
        As wide at every site: each feature standardised, each feature's rank in its cohort centred
        and scaled to unit deviation, and an indicator (0 or 1) for features whose absence tells
        something. Unknown values and ranks are 0, the mean; and so is a value that is not
        comparable between courses (`Feature.comparable`) wherever its rank is known.
    """
    x = (transformed(matrix.values) - scaling.mean) / scaling.deviation
    x[~np.isnan(ranks) & ~_COMPARABLE] = 0.0
    placed = (ranks.astype(np.float64) - 0.5) / RANK_DEVIATION
    missing = np.isnan(matrix.values[:, _INDICATED])
    return np.concatenate([np.nan_to_num(x), np.nan_to_num(placed), missing], axis=1).astype(
        np.float32
    )


def design_names() -> tuple[str, ...]:
    """Names of the design's columns: `NAME`, `NAME:rank` and `NAME:missing`."""
    return (
        *NAMES,
        *(f"{name}:rank" for name in NAMES),
        *(f"{NAMES[i]}:missing" for i in np.flatnonzero(_INDICATED)),
    )


def design_features() -> npt.NDArray[np.intp]:
    """Which feature of the catalogue each design column speaks of, shape (columns,)."""
    every = np.arange(len(FEATURES))
    return np.concatenate([every, every, np.flatnonzero(_INDICATED)])
