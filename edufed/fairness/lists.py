"""Are recommended lists as good for one group of learners as for another?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edufed.fairness.abroca import holm
from edufed.fairness.groups import ATTRIBUTES, GROUPS, IntArray, members, slots
from edufed.fairness.told import told_groups
from edufed.ranking import interval

Array = npt.NDArray[np.float64]


def list_sums(
    ndcg: Array, weights: npt.NDArray[np.int64], codes: IntArray, told: Sequence[int]
) -> dict[str, npt.NDArray[Any]]:
    """Add up a site's learners by told group, under each bootstrap weight.

    Parameters
    ----------
    ndcg : float64 array, shape (rows,)
    weights : int64 array, shape (rows, 1 + replicates)
        The first column is all ones.
    codes : int64 array, shape (rows, attributes)
    told : sequence of int
        Places in `edufed.fairness.groups.GROUPS`.

    Returns
    -------
    dict
        ``group_ndcg`` and ``group_weights``, shape (len(told), 1 + replicates).
    """
    rows = np.array([members(codes, group) for group in told]).reshape(len(told), len(ndcg))
    return {
        "group_ndcg": (rows * ndcg) @ weights.astype(np.float64),
        "group_weights": rows.astype(np.int64) @ weights,
    }


def judge_lists(
    ndcg: Array,
    weights: npt.NDArray[np.number],
    told: Sequence[int],
    everyone: int,
    least: int,
) -> dict[str, Any]:
    """Compare the told groups of each attribute; see `edufed.fairness.judgement.judge`.

    Parameters
    ----------
    ndcg, weights : arrays, shape (len(told), 1 + replicates)
        `list_sums`, over all sites.
    told : sequence of int
        Groups that were asked for; of these, what came in may be too few to be told after all.
    everyone : int
        How many learners were judged, of all groups and of none.
    least : int
        Fewest learners in a group that is told.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(weights > 0, ndcg / weights, np.nan)
    counts = np.zeros((len(GROUPS) + 1, 1))
    counts[list(told), 0], counts[-1] = weights[:, 0], everyone
    kept = set(told_groups(counts, least))
    place = {group: row for row, group in enumerate(told) if group in kept}
    attributes: list[dict[str, Any]] = []
    for attribute in ATTRIBUTES:
        own = slots(attribute)
        here = [group for group in range(own.start, own.stop) if group in place]
        withheld = [GROUPS[g][1] for g in range(own.start, own.stop) if g not in place]
        largest = max(here, key=lambda g: (weights[place[g], 0], -g), default=-1)
        attributes.append(
            {
                "attribute": attribute,
                "reference": GROUPS[largest][1] if here else None,
                "groups": [
                    _group(GROUPS[g][1], ndcg[[place[g]]], weights[[place[g]]]) for g in here
                ],
                "comparisons": [
                    _gap(GROUPS[g][1], means[place[g]] - means[place[largest]])
                    for g in here
                    if g != largest
                ],
                "withheld": withheld,
            }
        )
    rows = [row for entry in attributes for row in entry["comparisons"]]
    for row, value in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_adjusted"] = value
    return {"attributes": attributes, "model": "ranker", "correction": "holm", "least": least}


def _group(name: str, ndcg: Array, weights: npt.NDArray[np.number]) -> dict[str, Any]:
    mean, low, high = interval(ndcg, np.asarray(weights, dtype=np.float64))
    n = int(weights[0, 0])
    return {"group": name, "n": n, "ndcg_at_10": mean, "low": low, "high": high}


def _gap(name: str, gaps: Array) -> dict[str, Any]:
    """Difference of two means, with percentiles and the normal p-value of its replicates."""
    drawn = gaps[1:][np.isfinite(gaps[1:])]
    low, high = np.quantile(drawn, [0.025, 0.975])
    deviation = float(drawn.std(ddof=1))
    distance = abs(float(gaps[0])) / deviation if deviation > 0 else 0.0
    p = math.erfc(distance / math.sqrt(2.0))
    return {"group": name, "gap": float(gaps[0]), "low": float(low), "high": float(high), "p": p}
