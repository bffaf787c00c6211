"""A site's sums behind the figures of the report: what all learners together would give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edufed.arrays import Arrays
from edufed.ranking import judge, shown, top
from edufed.recommend.models import Scores
from edufed.recommend.usage import Interactions

#: Length of the lists that are judged.
K = 10


def sums_like(courses: int, resources: int, models: int, replicates: int) -> Arrays:
    """Zeros in the form of the sums.

    ``ndcg``, shape (courses, models, 1 + replicates): NDCG@10 times the learners' bootstrap
    weights, the first of which are 1. ``weights``, shape (courses, 1 + replicates). ``hits``, shape
    (courses, models). ``shown``, shape (models, resources of all courses): in how many lists.
    """
    return {
        "ndcg": np.zeros((courses, models, 1 + replicates)),
        "weights": np.zeros((courses, 1 + replicates), dtype=np.int64),
        "hits": np.zeros((courses, models), dtype=np.int64),
        "shown": np.zeros((models, resources), dtype=np.int64),
    }


def add_course(
    sums: Arrays,
    place: int,
    resources: slice,
    scores: Scores,
    models: Sequence[str],
    seen: Interactions,
    weights: npt.NDArray[np.int64],
) -> dict[str, npt.NDArray[np.float64]]:
    """Add one course's learners to a site's sums; return each model's NDCG@10 by learner.

    Parameters
    ----------
    sums : dict of arrays
        As `sums_like`; changed.
    place : int
        The course's place in them.
    resources : slice
        The places of its resources.
    scores : dict of arrays, shape (learners, resources)
    models : sequence of str
        In the order of the sums.
    seen : Interactions
        Learners who have something relevant.
    weights : int64 array, shape (learners, 1 + replicates)
    """
    found = {}
    sums["weights"][place] += weights.sum(axis=0)
    for row, model in enumerate(models):
        chosen = top(scores[model], ~seen.used, K)
        judged = judge(chosen, seen.later)
        sums["ndcg"][place, row] += judged.ndcg @ weights
        sums["hits"][place, row] += int(judged.hit.sum())
        sums["shown"][row, resources] += shown(chosen, seen.first.shape[1])
        found[model] = judged.ndcg
    return found
