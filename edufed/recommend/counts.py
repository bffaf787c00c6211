"""What sites count of a course's learners; every number adds up over sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from edufed.arrays import Arrays
from edufed.recommend.usage import Interactions

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Days back from the cutoff within which a resource was used, or first used.
USED_DAYS = (2, 4, 7, 14)
BEGUN_DAYS = (3, 7, 14)
#: Days within which the first use of a second resource counts as following that of a first.
FOLLOW_DAYS = 14.0
#: The learners, and sums and sums of squares of their pace and of their activity.
COHORT = 5


@dataclass(frozen=True)
class Counts:
    """Sums over the learners of one course, up to the cutoff.

    Attributes
    ----------
    gram : int64 array, shape (resources, resources)
        Learners who used both; on the diagonal, who used the one.
    follows : int64 array, shape (resources, resources)
        Learners whose first use of the column came up to `FOLLOW_DAYS` after that of the row.
    used : int64 array, shape (len(USED_DAYS), resources)
        Learners who used it within the last days.
    begun : int64 array, shape (len(BEGUN_DAYS), resources)
        Learners who used it for the first time within the last days.
    sums : float64 array, shape (2, resources)
        Over a resource's users: their pace, and the day on which they first used it.
    cohort : float64 array, shape (COHORT,)
    """

    gram: IntArray
    follows: IntArray
    used: IntArray
    begun: IntArray
    sums: FloatArray
    cohort: FloatArray

    @property
    def learners(self) -> int:
        """How many there are."""
        return round(float(self.cohort[0]))

    @property
    def users(self) -> IntArray:
        """How many used each resource; shape (resources,)."""
        return np.diagonal(self.gram)

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def pace(seen: Interactions) -> FloatArray:
    """How far learners are: log(1 + resources used); shape (learners,)."""
    return np.log1p(seen.used.sum(axis=1))


def activity(seen: Interactions, cutoff: float) -> FloatArray:
    """How busy learners are: log(1 + resources used in the last 14 days); shape (learners,)."""
    return np.log1p(recently(seen, cutoff, USED_DAYS[-1]).sum(axis=1))


def recently(seen: Interactions, cutoff: float, days: float) -> npt.NDArray[np.bool_]:
    """Whether each learner used each resource within the last `days`."""
    return seen.last > cutoff - days


def begun(seen: Interactions, cutoff: float, days: float) -> npt.NDArray[np.bool_]:
    """Whether each learner used each resource for the first time within the last `days`."""
    return seen.used & (seen.first > cutoff - days)


def count(seen: Interactions, cutoff: float) -> Counts:
    """Count one site's learners of a course."""
    used = seen.used.astype(np.float64)
    first = np.where(seen.used, seen.first, 0.0)
    how_far, how_busy = pace(seen), activity(seen, cutoff)
    return Counts(
        gram=np.rint(used.T @ used).astype(np.int64),
        follows=_follows(seen),
        used=np.stack([recently(seen, cutoff, days).sum(axis=0) for days in USED_DAYS]),
        begun=np.stack([begun(seen, cutoff, days).sum(axis=0) for days in BEGUN_DAYS]),
        sums=np.stack([how_far @ used, first.sum(axis=0)]),
        cohort=np.array(
            [
                len(used),
                how_far.sum(),
                (how_far**2).sum(),
                how_busy.sum(),
                (how_busy**2).sum(),
            ]
        ),
    )


def _follows(seen: Interactions) -> IntArray:
    found = np.zeros((seen.first.shape[1],) * 2, dtype=np.int64)
    for days in seen.first:
        mine = np.flatnonzero(np.isfinite(days))
        wait = days[mine][None, :] - days[mine][:, None]
        found[np.ix_(mine, mine)] += (wait > 0) & (wait <= FOLLOW_DAYS)
    return found


def flat(counts: Sequence[Counts]) -> Arrays:
    """Write the counts of several courses as few long arrays; `courses` reads them again."""
    return {
        "gram": np.concatenate([c.gram[np.triu_indices(len(c.gram))] for c in counts]),
        "follows": np.concatenate([c.follows.ravel() for c in counts]),
        "used": np.concatenate([c.used for c in counts], axis=1),
        "begun": np.concatenate([c.begun for c in counts], axis=1),
        "sums": np.concatenate([c.sums for c in counts], axis=1),
        "cohort": np.stack([c.cohort for c in counts]),
    }


def flat_like(sizes: Sequence[int]) -> Arrays:
    """Zeros of the shapes that `flat` gives for catalogues of these sizes."""
    items = sum(sizes)
    return {
        "gram": np.zeros(sum(n * (n + 1) // 2 for n in sizes), dtype=np.int64),
        "follows": np.zeros(sum(n * n for n in sizes), dtype=np.int64),
        "used": np.zeros((len(USED_DAYS), items), dtype=np.int64),
        "begun": np.zeros((len(BEGUN_DAYS), items), dtype=np.int64),
        "sums": np.zeros((2, items)),
        "cohort": np.zeros((len(sizes), COHORT)),
    }


def courses(arrays: Arrays, sizes: Sequence[int]) -> list[Counts]:
    """Read what `flat` wrote, for catalogues of these sizes in their order."""
    found = []
    triangle = square = item = 0
    for place, n in enumerate(sizes):
        upper = np.zeros((n, n), dtype=np.int64)
        upper[np.triu_indices(n)] = arrays["gram"][triangle : triangle + n * (n + 1) // 2]
        own = slice(item, item + n)
        found.append(
            Counts(
                gram=upper + np.triu(upper, 1).T,
                follows=np.asarray(
                    arrays["follows"][square : square + n * n].reshape(n, n), dtype=np.int64
                ),
                used=np.asarray(arrays["used"][:, own], dtype=np.int64),
                begun=np.asarray(arrays["begun"][:, own], dtype=np.int64),
                sums=np.asarray(arrays["sums"][:, own], dtype=np.float64),
                cohort=np.asarray(arrays["cohort"][place], dtype=np.float64),
            )
        )
        triangle, square, item = triangle + n * (n + 1) // 2, square + n * n, item + n
    return found
