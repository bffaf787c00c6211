"""What the ranker knows of a learner and a resource that they have not used."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from edufed.recommend.counts import (
    BEGUN_DAYS,
    USED_DAYS,
    Counts,
    activity,
    begun,
    pace,
    recently,
)
from edufed.recommend.items import Items
from edufed.recommend.usage import Interactions
from edufed.records import RESOURCE_KINDS

FloatArray = npt.NDArray[np.float64]
#: Kinds with a term of their own; the others are what these are compared with.
KINDS = tuple(kind for kind in RESOURCE_KINDS if kind not in ("assessment", "other"))
#: The ranker's features, in order. `docs/recommendation.md` has what each is.
FEATURES = (
    *(f"used_{days}" for days in USED_DAYS),
    "used_all",
    *(f"begun_{days}" for days in BEGUN_DAYS),
    "ease",
    "follows_new",
    "follows_recent",
    "cosine",
    "kind_share",
    "kind_recent",
    "pace_x_used_all",
    "active_x_used_14",
    "active_x_begun_7",
    "age",
    "active_x_age",
    "unused",
    "pace_gap",
    *(f"kind_{kind}" for kind in KINDS),
)
#: Which features speak for the same matter, for the reason that a learner reads.
MATTERS = {
    "follows": ("follows_new", "follows_recent"),
    "together": ("ease", "cosine"),
    "begun": (*(f"begun_{days}" for days in BEGUN_DAYS), "active_x_begun_7"),
    "used": (*(f"used_{days}" for days in USED_DAYS), "active_x_used_14"),
    "kind": ("kind_share", "kind_recent"),
}


def standing(values: FloatArray, total: float, squares: float, learners: float) -> FloatArray:
    """Where learners stand in their course, 0..1: the normal rank of a value.

    Parameters
    ----------
    values : float64 array, shape (learners,)
    total, squares, learners : float
        Sum, sum of squares and number over all sites' learners.
    """
    mean = total / max(learners, 1.0)
    deviation = np.sqrt(max(squares / max(learners, 1.0) - mean**2, 0.0))
    return ndtr((values - mean) / max(deviation, 1e-6))


def features(
    seen: Interactions,
    counts: Counts,
    items: Items,
    kinds: npt.NDArray[np.int64],
    cutoff: float,
) -> npt.NDArray[np.float32]:
    """Return the features of every learner and resource of a course.

    A learner who used nothing has zeros wherever their own use matters, and is ranked by what the
    course uses: the cold start needs no rule of its own.

    Parameters
    ----------
    seen : Interactions
        Some of one site's learners.
    counts : Counts
        Of all sites' learners of the course.
    items : Items
        Of `counts`.
    kinds : int64 array, shape (resources,)
    cutoff : float
        The day on which the counts were taken.

    Returns
    -------
    float32 array, shape (learners, resources, len(FEATURES))
    """
    everyone, learners = float(counts.learners), len(seen.rows)
    used = seen.used.astype(np.float64)
    recent = recently(seen, cutoff, USED_DAYS[-1]).astype(np.float64)
    new = begun(seen, cutoff, BEGUN_DAYS[-1]).astype(np.float64)
    users = np.maximum(counts.users, 1)
    _, far, far2, busy, busy2 = counts.cohort
    how_far = standing(pace(seen), far, far2, everyone)[:, None]
    how_busy = standing(activity(seen, cutoff), busy, busy2, everyone)[:, None]

    def logarithm(count: npt.NDArray[np.int64]) -> FloatArray:
        return np.log((count + 1) / max(everyone, 1.0))

    popular = {f"used_{d}": logarithm(row) for d, row in zip(USED_DAYS, counts.used, strict=True)}
    popular["used_all"] = logarithm(counts.users)
    popular |= {
        f"begun_{d}": logarithm(row) for d, row in zip(BEGUN_DAYS, counts.begun, strict=True)
    }
    unused = counts.users == 0
    age = np.where(unused, 0.0, cutoff - counts.sums[1] / users) / 30
    item_pace = standing(counts.sums[0] / users, far, far2, everyone)
    groups = np.eye(len(RESOURCE_KINDS))[kinds]
    by_kind = {
        "kind_share": used @ groups / np.maximum(groups.sum(axis=0), 1),
        "kind_recent": recent @ groups / (recent.sum(axis=1, keepdims=True) + 1),
    }
    columns: dict[str, FloatArray] = {
        **popular,
        "ease": used @ items.ease,
        "follows_new": new @ items.following / (new.sum(axis=1, keepdims=True) + 1),
        "follows_recent": recent @ items.following / (recent.sum(axis=1, keepdims=True) + 1),
        "cosine": used @ items.cosine / (used.sum(axis=1, keepdims=True) + 1),
        **{name: shares @ groups.T for name, shares in by_kind.items()},
        "pace_x_used_all": how_far * popular["used_all"],
        "active_x_used_14": how_busy * popular["used_14"],
        "active_x_begun_7": how_busy * popular["begun_7"],
        "age": age,
        "active_x_age": how_busy * age,
        "unused": unused.astype(np.float64),
        "pace_gap": np.where(unused, 0.0, np.abs(how_far - item_pace)),
        **{f"kind_{kind}": groups[:, RESOURCE_KINDS.index(kind)] for kind in KINDS},
    }
    made = np.empty((learners, len(kinds), len(FEATURES)), dtype=np.float32)
    for place, name in enumerate(FEATURES):
        made[:, :, place] = columns[name]
    return made
