"""The logistic model's loss and its derivatives by the score z, for labels y of 0 and 1."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def probability(z: Array) -> Array:
    """Probability of label 1, shape as z."""
    return np.exp(-np.logaddexp(0.0, -z))


def log_loss(z: Array, y: Array) -> Array:
    """Mean log loss of each label: z and y of shape (rows, labels), result (labels,)."""
    return np.asarray(np.mean(np.logaddexp(0.0, z) - y * z, axis=0))


def residual(z: Array, y: Array) -> Array:
    """Derivative of each row's log loss by z, within -1..1: shape (rows, labels)."""
    return probability(z) - y
