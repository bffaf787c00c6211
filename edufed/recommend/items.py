"""What the counts say of pairs of resources."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edufed.recommend.counts import Counts

FloatArray = npt.NDArray[np.float64]
#: Learners added to a resource's users, so that few users do not make a strong tie.
SHRINK_COSINE, SHRINK_FOLLOWS = 5.0, 10.0


def ease(gram: npt.NDArray[np.int64], l2: float) -> FloatArray:
    """EASE^R in closed form (Steck 2019, "Embarrassingly shallow autoencoders for sparse data").

    The weights B that minimise ``|X - X B|^2 + l2 |B|^2`` with a zero diagonal, from XᵀX alone.

    Parameters
    ----------
    gram : int64 array, shape (resources, resources)
        XᵀX of the learners' 0/1 rows; may be a sum over sites.
    l2 : float
        Above 0.

    Returns
    -------
    float64 array, shape (resources, resources)
        A learner's scores are their row of X times it.
    """
    inverse = np.linalg.inv(gram + l2 * np.eye(len(gram)))
    weights = -inverse / np.diagonal(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights


def cosine(gram: npt.NDArray[np.int64]) -> FloatArray:
    """Cosine similarity of resources by their users, shrunk; zero diagonal.

    For item-based nearest neighbours (Sarwar et al. 2001).
    """
    users = np.diagonal(gram) + SHRINK_COSINE
    found = gram / np.sqrt(np.outer(users, users))
    np.fill_diagonal(found, 0.0)
    return found


def following(counts: Counts) -> FloatArray:
    """Share of the row's users who went on to the column within days, shrunk towards none."""
    return counts.follows / (counts.users[:, None] + SHRINK_FOLLOWS)


@dataclass(frozen=True)
class Items:
    """The three views of a course's pairs of resources, each of shape (resources, resources)."""

    ease: FloatArray
    cosine: FloatArray
    following: FloatArray

    @classmethod
    def of(cls, counts: Counts, l2: float) -> Items:
        """Compute them from a course's counts."""
        return cls(ease(counts.gram, l2), cosine(counts.gram), following(counts))
