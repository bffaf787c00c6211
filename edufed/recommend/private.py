"""Recommendation with differential privacy: what a learner may add to the counts, and what is done
with their noise.

Each learner's most recently used resources count, up to a cap over all their courses, so that
nobody changes the item-item Gram matrices by more than a known length. The noise is symmetric, as
one triangle is counted and mirrored. It makes the matrix of a course indefinite; its nearest
positive semidefinite one is taken (Higham 1988) and EASE's penalty raised by what is left of the
noise. Both start from noisy numbers and so cost no privacy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edufed.privacy.dp.accounting import Part
from edufed.privacy.dp.sums import bounded_sum
from edufed.ranking import judge, top
from edufed.recommend.counts import BEGUN_DAYS, COHORT, USED_DAYS, Counts, begun, recently
from edufed.recommend.evaluation import K
from edufed.recommend.features import FEATURES
from edufed.recommend.usage import Interactions
from edufed.records import LearningRecords

Float64Array = npt.NDArray[np.float64]

#: Models that noisy counts suffice for, and the two windows that are counted beside the Gram.
MODELS = ("ease", "cosine", "begun_7", "used_14", "used_all")
_BEGUN, _USED = BEGUN_DAYS.index(7), USED_DAYS.index(14)
#: A learner's part of the evaluation: that they are one, and each model's NDCG@10 and hits.
EVALUATION_CLIP = math.sqrt(1.0 + 2 * len(MODELS))


def parts(items: int) -> list[Part]:
    """Everything that leaves a site in the job, and the share of the budget that each gets.

    Parameters
    ----------
    items : int
        Most resources of a learner that count.
    """
    return [
        Part("gram", 0.7, clip=math.sqrt(items * (items + 1) / 2.0)),
        Part("recent", 0.15, clip=math.sqrt(2.0 * items)),
        Part("evaluation", 0.15, clip=EVALUATION_CLIP),
    ]


def catalogues(records: LearningRecords, courses: Sequence[str]) -> dict[str, dict[str, str]]:
    """Resources that name one of the job's courses, with their kinds; no learner decides.

    Parameters
    ----------
    records : LearningRecords
    courses : sequence of str
    """
    if "course_id" not in records.columns("resources"):
        return {}
    rows = records.connection.execute(
        "SELECT course_id, resource_id, any_value(kind) FROM resources"
        " WHERE kind <> 'assessment' AND course_id IN (SELECT unnest(?)) GROUP BY ALL ORDER BY ALL",
        [list(courses)],
    ).fetchall()
    found: dict[str, dict[str, str]] = {}
    for course, resource, kind in rows:
        found.setdefault(str(course), {})[str(resource)] = str(kind)
    return found


def capped(
    seen: Sequence[Interactions], learner_id: npt.NDArray[np.object_], items: int
) -> list[npt.NDArray[np.bool_]]:
    """Return which uses count: of each learner the `items` last ones, over all courses together.

    Parameters
    ----------
    seen : sequence of Interactions
        By course, all learners of a site.
    learner_id : object array, shape (enrolments,)
    items : int
    """
    kept = [np.zeros(part.used.shape, dtype=bool) for part in seen]
    course, row, column, day, owner = [], [], [], [], []
    for place, part in enumerate(seen):
        rows, columns = np.nonzero(part.used)
        course.append(np.full(len(rows), place))
        row.append(rows)
        column.append(columns)
        day.append(part.last[rows, columns])
        owner.append(learner_id[part.rows[rows]].astype(str))
    if not course:
        return kept
    courses, rows, columns = (np.concatenate(values) for values in (course, row, column))
    _, who = np.unique(np.concatenate(owner), return_inverse=True)
    order = np.lexsort((columns, courses, -np.concatenate(day), who))
    first = np.searchsorted(who[order], np.arange(who.max() + 1)) if len(who) else who
    inside = order[np.arange(len(order)) - first[who[order]] < items]
    for place, mask in enumerate(kept):
        mine = inside[courses[inside] == place]
        mask[rows[mine], columns[mine]] = True
    return kept


def bounded_counts(
    seen: Sequence[Interactions], kept: Sequence[npt.NDArray[np.bool_]], cutoff: float
) -> tuple[Float64Array, Float64Array]:
    """Count the uses that count: one triangle of each course's Gram matrix, and recent uses.

    Returns
    -------
    gram : float64 array, shape (sum of resources * (resources + 1) / 2 over courses,)
    recent : float64 array, shape (2, resources of all courses)
        Begun within 7 days, used within 14.
    """
    triangles, recent = [np.zeros(0)], [np.zeros((2, 0))]
    for part, mask in zip(seen, kept, strict=True):
        used = mask.astype(np.float64)
        gram = used.T @ used
        triangles.append(gram[np.triu_indices(len(gram))])
        windows = (
            begun(part, cutoff, BEGUN_DAYS[_BEGUN]),
            recently(part, cutoff, USED_DAYS[_USED]),
        )
        recent.append(np.stack([(mask & window).sum(axis=0) for window in windows]).astype(float))
    return np.concatenate(triangles), np.concatenate(recent, axis=1)


def counts_of(gram: Float64Array, recent: Float64Array, sizes: Sequence[int]) -> list[Counts]:
    """Make counts that the models read of noisy sums; what was not counted is 0.

    Parameters
    ----------
    gram, recent
        `bounded_counts`, with noise.
    sizes : sequence of int
        Resources of each course.
    """
    found = []
    triangle = item = 0
    for n in sizes:
        upper = np.zeros((n, n))
        upper[np.triu_indices(n)] = gram[triangle : triangle + n * (n + 1) // 2]
        whole = semidefinite(upper + np.triu(upper, 1).T)
        begun_7, used_14 = np.maximum(np.rint(recent[:, item : item + n]), 0).astype(np.int64)
        cohort = np.zeros(COHORT)
        cohort[0] = float(np.diagonal(whole).max(initial=0.0))  # at least so many, about
        found.append(
            Counts(
                gram=np.rint(whole).astype(np.int64),
                follows=np.zeros((n, n), dtype=np.int64),
                used=np.tile(used_14, (len(USED_DAYS), 1)),
                begun=np.tile(begun_7, (len(BEGUN_DAYS), 1)),
                sums=np.zeros((2, n)),
                cohort=cohort,
            )
        )
        triangle, item = triangle + n * (n + 1) // 2, item + n
    return found


def semidefinite(matrix: Float64Array) -> Float64Array:
    """Return the nearest positive semidefinite matrix of a symmetric one."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, 0.0)) @ vectors.T


def penalty(l2: float, deviation: float, sizes: Sequence[int]) -> float:
    """Return EASE's penalty under noise: `l2`, and the length that noise alone gives a direction.

    The spectrum of symmetric noise of this deviation ends at 2 deviation √n (Wigner 1955).
    """
    return l2 + 2.0 * deviation * math.sqrt(max(sizes, default=0))


@dataclass(frozen=True)
class Judged:
    """Noisy means over test learners; each model's with a 95 % interval."""

    learners: float
    ndcg: dict[str, tuple[float, float, float]]
    hits: dict[str, float]


def evaluation_sums(
    scores: Sequence[Mapping[str, npt.NDArray[np.floating]]],
    seen: Sequence[Interactions],
    learner_id: npt.NDArray[np.object_],
) -> Float64Array:
    """Add up test learners: one each, NDCG@10 and hits by model; means over a learner's courses.

    Parameters
    ----------
    scores : sequence of mapping of str to float array, shape (learners, resources)
        By course.
    seen : sequence of Interactions
        By course, the test learners.
    learner_id : object array, shape (enrolments,)

    Returns
    -------
    float64 array, shape (1 + 2 * len(MODELS),)
    """
    rows, owners = [np.zeros((0, 1 + 2 * len(MODELS)))], [np.zeros(0, dtype=object)]
    for found, part in zip(scores, seen, strict=True):
        if not len(part.rows):
            continue
        lists = [judge(top(found[model], ~part.used, K), part.later) for model in MODELS]
        ones = np.ones(len(part.rows))
        rows.append(
            np.stack([ones, *(one.ndcg for one in lists), *(one.hit for one in lists)], axis=1)
        )
        owners.append(learner_id[part.rows])
    every, who = np.concatenate(rows), np.concatenate(owners).astype(str)
    _, person, times = np.unique(who, return_inverse=True, return_counts=True)
    weighted = every / times[person][:, None]
    return bounded_sum(weighted, who.astype(object), EVALUATION_CLIP)[0]


def judged(sums: Float64Array, deviation: float) -> Judged:
    """Make means of noisy sums, with an interval for noise and for the choice of learners.

    The variance of a score in 0..1 of mean m is at most m (1 - m).
    """
    n, size = max(float(sums[0]), 1.0), len(MODELS)
    ndcg, hits = {}, {}
    for place, model in enumerate(MODELS):
        mean = float(np.clip(sums[1 + place] / n, 0.0, 1.0))
        # A ratio's noise: of its sum, and of the number it is divided by.
        noise = deviation * math.sqrt(1.0 + mean**2) / n
        reach = 1.959964 * math.hypot(noise, math.sqrt(mean * (1.0 - mean) / n))
        ndcg[model] = mean, max(mean - reach, 0.0), min(mean + reach, 1.0)
        hits[model] = float(np.clip(sums[1 + size + place] / n, 0.0, 1.0))
    return Judged(n, ndcg, hits)


def list_weights(model: str) -> Float64Array:
    """Weights by which the ranker's features give one model's order."""
    return np.array([float(name == model) for name in FEATURES])
