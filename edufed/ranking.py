"""How good ranked lists are: NDCG, hit rate, coverage, novelty, and their bootstrap.

Everything that several sites have to add up is a plain sum over learners here, so that the
federation's figure is the one that all learners in one place would give.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def top(scores: npt.NDArray[np.floating], candidates: Mask, k: int) -> IntArray:
    """Return the `k` candidates of highest score for each learner, the best first.

    Every candidate takes part (no sampling). Of equal scores the earlier column comes first.

    Parameters
    ----------
    scores : float array, shape (learners, resources)
    candidates : bool array, shape (learners, resources)
    k : int

    Returns
    -------
    int64 array, shape (learners, k)
        Columns; -1 where there are fewer candidates.
    """
    masked = np.where(candidates, scores, -np.inf)
    order = np.argsort(-masked, axis=1, kind="stable")[:, :k]
    chosen = np.where(np.take_along_axis(candidates, order, axis=1), order, -1)
    short = k - chosen.shape[1]
    return np.pad(chosen, ((0, 0), (0, short)), constant_values=-1).astype(np.int64)


@dataclass(frozen=True)
class Judged:
    """Each learner's list, judged; learners without a relevant resource have NaN.

    Attributes
    ----------
    ndcg, hit : float64 arrays, shape (learners,)
        0..1; `hit` is 1 where the list holds a relevant resource.
    """

    ndcg: FloatArray
    hit: FloatArray


def judge(chosen: IntArray, relevant: Mask) -> Judged:
    """Judge lists by normalised discounted cumulative gain (Järvelin & Kekäläinen 2002) and hits.

    Parameters
    ----------
    chosen : int64 array, shape (learners, k)
        As `top` returns.
    relevant : bool array, shape (learners, resources)
    """
    k = chosen.shape[1]
    found = np.take_along_axis(relevant, np.maximum(chosen, 0), axis=1) & (chosen >= 0)
    discounts = 1 / np.log2(np.arange(2, k + 2))
    best = np.concatenate([[0.0], np.cumsum(discounts)])
    wanted = relevant.sum(axis=1)
    with np.errstate(invalid="ignore"):
        ndcg = found @ discounts / best[np.minimum(wanted, k)]
    return Judged(ndcg, np.where(wanted > 0, found.any(axis=1), np.nan))


def shown(chosen: IntArray, resources: int) -> IntArray:
    """Count in how many lists each resource is; shape (resources,)."""
    return np.bincount(chosen[chosen >= 0], minlength=resources).astype(np.int64)


def coverage(times_shown: IntArray) -> float:
    """Share of a catalogue's resources that are in at least one list."""
    return float((times_shown > 0).mean()) if len(times_shown) else float("nan")


def novelty(times_shown: IntArray, users: IntArray, learners: int) -> float:
    """Mean self-information in bits of what the lists show (Zhou et al. 2010): 0 if all know it.

    Parameters
    ----------
    times_shown : int64 array, shape (resources,)
    users : int64 array, shape (resources,)
        How many of the course's learners had used each resource; one more is assumed, so that a
        resource nobody used has a finite value.
    learners : int
    """
    if not times_shown.sum():
        return float("nan")
    bits = -np.log2((users + 1) / (learners + 1))
    return float(times_shown @ bits / times_shown.sum())


def poisson_weights(learners: int, replicates: int, rng: np.random.Generator) -> IntArray:
    """Draw bootstrap weights, shape (learners, 1 + replicates); the first column is all ones.

    Weights of a Poisson bootstrap (Hanley & MacGibbon 2006) are independent from learner to
    learner, so that sites can draw them apart and their sums add up to a bootstrap over all.
    """
    drawn = rng.poisson(1.0, (learners, replicates))
    return np.concatenate([np.ones((learners, 1), dtype=np.int64), drawn], axis=1)


def interval(
    sums: FloatArray, weights: FloatArray, level: float = 0.95
) -> tuple[float, float, float]:
    """Return a mean over courses with its bootstrap interval: (mean, low, high).

    Parameters
    ----------
    sums, weights : float64 arrays, shape (courses, 1 + replicates)
        By course, weighted sums of the learners' values, and sums of their weights. A replicate in
        which a course has no weight leaves the course out.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(weights > 0, sums / weights, np.nan)
    known = np.isfinite(means)
    if not known[:, 0].any():
        return float("nan"), float("nan"), float("nan")
    counted = known.sum(axis=0)
    over = np.where(known, means, 0.0).sum(axis=0) / np.maximum(counted, 1)
    replicates = over[1:][counted[1:] > 0]
    if not len(replicates):
        return float(over[0]), float("nan"), float("nan")
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    return float(over[0]), float(low), float(high)
