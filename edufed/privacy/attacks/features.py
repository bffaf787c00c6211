"""What the label party of a vertical job makes of the others' features, from sums of scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def feature_reconstruction(
    own: Array, seen: Array, hidden: Array, known_share: float, seed: int
) -> dict[str, float]:
    """Fit others' columns to what the label party has, on rows that it knows, and judge the rest.

    Parameters
    ----------
    own : array, shape (rows, columns)
        The label party's.
    seen : array, shape (rows, rounds)
        The sums of scores that reached it.
    hidden : array, shape (rows, hidden columns)
        What it is after.
    known_share : float
        Share of rows of which it has come to know the hidden columns.
    seed : int

    Returns
    -------
    dict
        Share of variance explained on the other rows (R², at least 0), as the mean and the
        highest over hidden columns: from ``own`` columns alone, and from own and ``seen``.
    """
    knows = np.random.default_rng(seed).random(len(own)) < known_share
    varies = hidden[~knows].std(axis=0) > 1e-9
    target = hidden[:, varies]
    alone, together = (
        _explained(columns, target, knows) for columns in (own, np.hstack([own, seen]))
    )
    return {
        "own_mean": float(alone.mean()),
        "own_highest": float(alone.max()),
        "seen_mean": float(together.mean()),
        "seen_highest": float(together.max()),
    }


def _explained(columns: Array, target: Array, knows: npt.NDArray[np.bool_]) -> Array:
    scaled = (columns - columns[knows].mean(axis=0)) / np.maximum(columns[knows].std(axis=0), 1e-12)
    x = np.column_stack([scaled, np.ones(len(columns))])
    gram = x[knows].T @ x[knows] + 1e-3 * np.eye(x.shape[1])
    guess = x[~knows] @ np.linalg.solve(gram, x[knows].T @ target[knows])
    truth = target[~knows]
    lost = ((truth - guess) ** 2).mean(axis=0) / truth.var(axis=0)
    return np.maximum(1.0 - lost, 0.0)
