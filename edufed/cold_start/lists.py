"""Scores of a platform's resources for its new learners: popularity, and foretold categories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from edufed.cold_start.popularity import Popularity

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
#: Share of learners that a resource nobody has used yet counts as having.
FLOOR = 0.002
#: Less than any difference between two scores that means something.
_TIE = 1e-9


@dataclass(frozen=True)
class Strength:
    """How much each part of a score counts.

    Attributes
    ----------
    trust : float
        Weight of the foretold categories beside log popularity.
    history : float
        Own uses that the foretold categories stand for.
    """

    trust: float
    history: float


def deviations(chances: FloatArray) -> FloatArray:
    """How far each learner's log chance of a category is from that of the course's mean.

    Parameters
    ----------
    chances : float64 array, shape (learners of one course, categories)
        0..1, above 0.
    """
    mean: FloatArray = chances.mean(axis=0) if len(chances) else np.ones(chances.shape[1])
    return np.log(chances) - np.log(mean)


def with_history(chances: FloatArray, counts: IntArray, history: float) -> FloatArray:
    """How a learner's own uses change their log chance of each category.

    The foretold chances, made to sum to 1, are the mean of a Dirichlet distribution worth `history`
    uses; what is returned is the log ratio of its mean with the own uses added to that without.

    Parameters
    ----------
    chances : float64 array, shape (learners, categories)
        Above 0.
    counts : int64 array, shape (learners, categories)
        Own uses.
    history : float

    Returns
    -------
    float64 array, shape (learners, categories)
        0 for learners without a use.
    """
    expected = chances / chances.sum(axis=1, keepdims=True)
    used = counts.sum(axis=1, keepdims=True)
    return np.log((history * expected + counts) / ((history + used) * expected))


def popular(found: FloatArray, names: npt.NDArray[np.object_]) -> FloatArray:
    """Log popularity, shape (learners, offered); ties are broken by the names' hash alone.

    Names may tell a course's order, which popularity is not to know.
    """
    hashed = pd.util.hash_array(names) / 2.0**64 if len(names) else np.zeros(0)
    return np.log(found + FLOOR) + _TIE * hashed


def personal(
    popularity: Popularity,
    names: npt.NDArray[np.object_],
    category: IntArray,
    chances: FloatArray,
    counts: IntArray,
    strength: Strength,
) -> FloatArray:
    """Score a course's resources for its learners by their foretold categories.

    Parameters
    ----------
    popularity : Popularity
        Of one course; what is recent counts.
    names : object array, shape (offered,)
    category : int64 array, shape (offered,)
    chances : float64 array, shape (learners, categories)
        Of all the course's learners, in their order.
    counts : int64 array, shape (learners, categories)
        Own uses that are known.
    strength : Strength

    Returns
    -------
    float64 array, shape (learners, offered)
    """
    apart = strength.trust * deviations(chances)
    offered = np.unique(category)
    apart[:, offered] += with_history(chances[:, offered], counts[:, offered], strength.history)
    return popular(popularity.recent, names) + apart[:, category]
