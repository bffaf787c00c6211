"""Matrix factorisation whose learner vectors stay at the site.

Hu, Koren & Volinsky (2008), "Collaborative filtering for implicit feedback datasets": confidence
``1 + alpha`` in what was used and 1 in what was not, alternating least squares. With the resources'
vectors fixed each learner's vector is its own small problem, solved at the site; with the learners'
fixed, the resources' normal equations are sums over learners.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def start(resources: int, rank: int, rng: np.random.Generator) -> FloatArray:
    """Return first vectors of the resources, shape (resources, rank)."""
    return rng.normal(0.0, 0.1, (resources, rank))


def learner_vectors(
    used: npt.NDArray[np.bool_], vectors: FloatArray, alpha: float, l2: float
) -> FloatArray:
    """Solve for the learners' vectors.

    Parameters
    ----------
    used : bool array, shape (learners, resources)
    vectors : float64 array, shape (resources, rank)
    alpha, l2 : float
        Above 0.

    Returns
    -------
    float64 array, shape (learners, rank)
    """
    rank = vectors.shape[1]
    outer = (vectors[:, :, None] * vectors[:, None, :]).reshape(len(vectors), -1)
    weighed = used.astype(np.float64)
    left = (weighed @ outer).reshape(-1, rank, rank) * alpha
    left += vectors.T @ vectors + l2 * np.eye(rank)
    right = (1 + alpha) * (weighed @ vectors)
    return _solved(left, right)


def normal_equations(
    used: npt.NDArray[np.bool_], learners: FloatArray, alpha: float
) -> tuple[FloatArray, FloatArray]:
    """Return what the resources' next vectors are solved from; both add up over sites.

    Returns
    -------
    left : float64 array, shape (resources, rank * (rank + 1) / 2)
        Upper triangles, the penalty not yet added.
    right : float64 array, shape (resources, rank)
    """
    rows, columns = np.triu_indices(learners.shape[1])
    outer = learners[:, rows] * learners[:, columns]
    weighed = used.astype(np.float64)
    left = alpha * (weighed.T @ outer) + outer.sum(axis=0)
    return left, (1 + alpha) * (weighed.T @ learners)


def resource_vectors(left: FloatArray, right: FloatArray, l2: float) -> FloatArray:
    """Solve summed normal equations for the resources' vectors, shape (resources, rank)."""
    rank = right.shape[1]
    rows, columns = np.triu_indices(rank)
    whole = np.zeros((len(right), rank, rank))
    whole[:, rows, columns] = left
    whole[:, columns, rows] = left
    whole += l2 * np.eye(rank)
    return _solved(whole, right)


def _solved(left: FloatArray, right: FloatArray) -> FloatArray:
    """Solve one small system for each row of `right`."""
    return np.linalg.solve(left, right[:, :, None])[:, :, 0].astype(np.float64, copy=False)
