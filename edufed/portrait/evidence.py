"""What sites add up to judge clusterings: stability, replication, separation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edufed.portrait.agreement import adjusted_rand, contingency
from edufed.portrait.choice import Candidate
from edufed.portrait.fits import Arrays, Family, assign
from edufed.portrait.resamples import Resamples
from edufed.portrait.separation import interval, rates, separation

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
#: Rows of outcome tables: learners with a known one, and those with the one warned of.
KNOWN, POSITIVE = 0, 1


@dataclass(frozen=True)
class Learners:
    """One site's learners, as clusterings see them.

    Attributes
    ----------
    x : float64 array, shape (rows, features)
        Positions.
    target : float array, shape (rows,)
        1: the outcome to warn of; 0; NaN where it is not known (yet).
    learn, test : bool arrays, shape (rows,)
    """

    x: Float64Array
    target: npt.NDArray[np.floating]
    learn: Mask
    test: Mask


def evidence_like(family: Family, resamples: Resamples, replicates: int) -> dict[str, IntArray]:
    """Zeros of the shapes of `evidence`."""
    k = family.k
    shapes = {
        "sizes": (k,),
        "stable": (resamples.bootstraps, k, k),
        "halves": (2 * len(resamples.partitions), k, k),
        "train": (2, k),
        "test": (2, k, 1 + replicates),
    }
    return {name: np.zeros(shape, dtype=np.int64) for name, shape in shapes.items()}


def evidence(
    family: Family,
    fitted: Arrays,
    resamples: Resamples,
    site: str,
    learners: Learners,
    weights: IntArray,
) -> dict[str, IntArray]:
    """Count one site's learners; add the results over sites.

    Parameters
    ----------
    family : Family
    fitted : dict of arrays
        `Fits.parameters` of the fits of every resample, in their order.
    resamples : Resamples
    site : str
        The site's name: its learners compare the fits of the two halves in the half that it is in.
    learners : Learners
    weights : int array, shape (rows, 1 + replicates)
        Of the bootstrap over test learners; the first column is all ones.

    Returns
    -------
    dict of int64 arrays
        ``sizes``, shape (k,): training learners by cluster. ``stable``, shape (bootstraps, k, k):
        training learners by cluster in the fit of all and in each bootstrap's. ``halves``, shape
        (2 * partitions, k, k): by cluster in the fits of both halves, the learners of the first
        half, then those of the second. ``train``, shape (2, k): those with a known result, and
        those with the outcome, by cluster. ``test``, shape (2, k, 1 + replicates): the same of test
        learners, weighted.
    """
    k = family.k
    sums = evidence_like(family, resamples, weights.shape[1] - 1)
    x = learners.x[learners.learn]

    def fit(number: int) -> Arrays:
        return {name: array[number] for name, array in fitted.items()}

    own = assign(family, fit(0), x)
    sums["sizes"] += np.bincount(own, minlength=k)
    for b in range(resamples.bootstraps):
        sums["stable"][b] = contingency(own, assign(family, fit(1 + b), x), k)
    for p in range(len(resamples.partitions)):
        one, other = (assign(family, fit(resamples.half(p, side)), x) for side in (0, 1))
        sums["halves"][2 * p + resamples.side(p, site)] = contingency(one, other, k)
    known = ~np.isnan(learners.target)
    positive = known & (learners.target == 1)
    train = learners.learn
    sums["train"][KNOWN] = np.bincount(own[known[train]], minlength=k)
    sums["train"][POSITIVE] = np.bincount(own[positive[train]], minlength=k)
    members = np.eye(k, dtype=np.int64)[assign(family, fit(0), learners.x[learners.test])]
    drawn = weights[learners.test]
    sums["test"][KNOWN] = members.T @ (drawn * known[learners.test][:, None])
    sums["test"][POSITIVE] = members.T @ (drawn * positive[learners.test][:, None])
    return sums


def agreement_alone(family: Family, fitted: Arrays, alone: Arrays, x: Float64Array) -> float:
    """How far a site's own fit divides its learners as the federation's does.

    Parameters
    ----------
    fitted, alone : dict of arrays
        Of one fit each.
    x : float64 array, shape (learners, features)
    """
    return adjusted_rand(contingency(assign(family, fitted, x), assign(family, alone, x), family.k))


def candidate(
    family: Family, sums: Mapping[str, npt.NDArray[np.number]], alone: list[float]
) -> Candidate:
    """Judge a clustering.

    Parameters
    ----------
    family : Family
    sums : mapping
        `evidence` over all sites.
    alone : list of float
        `agreement_alone` of every site: what replication is judged by where there are too few sites
        for halves.
    """
    train, test = (np.asarray(sums[name], dtype=np.float64) for name in ("train", "test"))
    foretold = rates(train[KNOWN], train[POSITIVE])
    judged = [
        separation(foretold, test[KNOWN, :, r], test[POSITIVE, :, r]) for r in range(test.shape[2])
    ]
    eta = np.array([each.eta_squared for each in judged])
    auc = np.array([each.roc_auc for each in judged])
    halves = [adjusted_rand(table) for table in _whole(sums["halves"])]
    return Candidate(
        family=family,
        smallest=int(sums["sizes"].min()),
        stability=[adjusted_rand(table) for table in _whole(sums["stable"])],
        replication=halves or alone,
        eta_training=separation(foretold, train[KNOWN], train[POSITIVE]).eta_squared,
        eta=float(eta[0]),
        eta_low=interval(eta[1:])[0],
        eta_high=interval(eta[1:])[1],
        auc=float(auc[0]),
        auc_low=interval(auc[1:])[0],
        auc_high=interval(auc[1:])[1],
    )


def _whole(tables: npt.NDArray[np.number]) -> npt.NDArray[np.int64]:
    return np.rint(tables).astype(np.int64)
