"""How popular a course's resources were by the cutoff, each learner's own uses left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from edufed.cold_start.arrivals import Arrivals

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Popularity:
    """What the learners of one course may use, and how many others had.

    Attributes
    ----------
    rows : int64 array, shape (learners,)
        Places in `Arrivals`.
    offered : int64 array, shape (offered,)
        Places among the resources: the course's own and those open to all.
    share, recent : float64 arrays, shape (learners, offered)
        Share of the other learners who had used it by the cutoff, and within the last days before
        it: of the course's for its own resources, for open ones of all courses that had begun by
        then, each up to the same day.
    """

    rows: IntArray
    offered: IntArray
    share: FloatArray
    recent: FloatArray


def popularity(arrivals: Arrivals, course: str, cutoff: float, recent_days: float) -> Popularity:
    """Count who used what by the cutoff; a learner's own uses, in whichever course, do not count.

    Parameters
    ----------
    arrivals : Arrivals
    course : str
    cutoff : float
    recent_days : float
        Days before the cutoff within which a use is recent.
    """
    rows = np.flatnonzero(arrivals.course_id == course)
    offered = arrivals.resources.offered(course)
    begun = rows
    if len(rows) and not np.isnat(arrivals.course_start[rows[0]]):
        begun = np.flatnonzero(arrivals.course_start <= arrivals.course_start[rows[0]])
    people, person = np.unique(arrivals.learner_id.astype(str), return_inverse=True)
    own = arrivals.resources.courses[offered] != ""

    def shares(since: float) -> FloatArray:
        counted = arrivals.before.day > since
        used = csr_array(
            (
                np.ones(counted.sum()),
                (arrivals.before.row[counted], arrivals.before.resource[counted]),
            ),
            shape=(len(arrivals), len(arrivals.resources)),
        )[:, offered]
        found = np.empty((len(rows), len(offered)))
        for places, among in ((own, rows), (~own, begun)):
            if not places.any():
                continue
            part = used[among][:, places]
            by_person = csr_array(
                (np.ones(len(among)), (person[among], np.arange(len(among)))),
                shape=(len(people), len(among)),
            )
            mine = (by_person @ part)[person[rows]].toarray()
            left = len(among) - np.bincount(person[among], minlength=len(people))[person[rows]]
            total = np.asarray(part.sum(axis=0)).ravel()
            found[:, places] = (total - mine) / np.maximum(left, 1)[:, None]
        return found

    return Popularity(rows, offered, shares(-np.inf), shares(cutoff - recent_days))
