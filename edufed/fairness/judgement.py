"""The report's section on fairness, from sums over all sites alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edufed.fairness import abroca as curves
from edufed.fairness.groups import ATTRIBUTES, GROUPS, slots
from edufed.fairness.summaries import GROUP_BINS
from edufed.metrics import CASELOAD, calibration_curve, metrics_from_summary, roc_auc_interval

Float64Array = npt.NDArray[np.float64]

#: Random orders behind each p-value.
PERMUTATIONS = 999
#: Share of wrong alarms that is put up with, over all comparisons of a report together.
LEVEL = 0.05
Z95 = 1.959963984540054


def judge(
    overall: Float64Array,
    summaries: Float64Array,
    told: Sequence[int],
    least: int,
    seed: int,
    permutations: int = PERMUTATIONS,
) -> dict[str, Any]:
    """Compare the told groups of each attribute.

    Parameters
    ----------
    overall : float64 array, shape (2, bins, 3)
        `edufed.metrics.score_summary` of all learners, `bins` a multiple of `GROUP_BINS`.
    summaries : float64 array, shape (len(told), 2, GROUP_BINS, 3)
        `edufed.fairness.summaries.group_summaries`.
    told : sequence of int
        Places in `edufed.fairness.groups.GROUPS`.
    least : int
        Fewest learners of either outcome in a group that is told.
    seed : int
        Of the random orders.
    permutations : int
        How many there are.

    Returns
    -------
    dict
        ``attributes``: by attribute its `groups`, `comparisons` of each with the largest group, the
        `reference`, and `withheld` groups; and what all of it was computed with. Plain numbers.
    """
    rng = np.random.default_rng(seed)
    caught = in_caseload(overall)
    by_group = {group: summaries[place] for place, group in enumerate(told)}
    attributes = []
    for attribute in ATTRIBUTES:
        own = slots(attribute)
        here = [group for group in range(own.start, own.stop) if group in by_group]
        withheld = [GROUPS[g][1] for g in range(own.start, own.stop) if g not in by_group]
        entry: dict[str, Any] = {
            "attribute": attribute,
            "reference": None,
            "groups": [_group(GROUPS[g][1], by_group[g], caught) for g in here],
            "comparisons": [],
            "withheld": withheld,
        }
        if here:
            largest = max(here, key=lambda g: (by_group[g][..., 0].sum(), -g))
            entry["reference"] = GROUPS[largest][1]
            entry["comparisons"] = [
                _comparison(GROUPS[g][1], by_group[g], by_group[largest], caught, permutations, rng)
                for g in here
                if g != largest
            ]
        attributes.append(entry)
    _adjust([row for entry in attributes for row in entry["comparisons"]])
    return {
        "attributes": attributes,
        "permutations": permutations,
        "level": LEVEL,
        "correction": "holm",
        "bins": GROUP_BINS,
        "least": least,
        "caseload": CASELOAD,
        "seed": seed,
    }


def in_caseload(overall: Float64Array) -> Float64Array:
    """Return which share of each group bin's learners is in the caseload, shape (GROUP_BINS,).

    The caseload is the tenth at highest risk of all learners; inside the bin that its border falls
    into, learners are taken in proportion.
    """
    learners = np.maximum(overall[..., 0].sum(axis=0), 0.0)
    size = math.ceil(CASELOAD * round(learners.sum()))
    above = np.cumsum(learners[::-1])[::-1] - learners
    taken = np.clip(size - above, 0.0, learners).reshape(GROUP_BINS, -1).sum(axis=1)
    coarse = learners.reshape(GROUP_BINS, -1).sum(axis=1)
    return np.divide(taken, coarse, out=np.zeros(GROUP_BINS), where=coarse > 0)


def _group(name: str, summary: Float64Array, caught: Float64Array) -> dict[str, Any]:
    """How the model does for one group."""
    metrics = metrics_from_summary(summary)
    n, positives = metrics["n"], metrics["positives"]
    interval = roc_auc_interval(summary)
    risk, squares = summary[..., 1].sum(), summary[..., 2].sum()
    gap = float((risk - positives) / n)
    # If every risk were true, so many positives would vary by this much.
    reach = Z95 * math.sqrt(max(float(risk - squares), 0.0)) / n
    helped = summary[..., 0] @ caught
    return {
        "group": name,
        "n": n,
        "positives": positives,
        "roc_auc": metrics["roc_auc"],
        "low": interval[0] if interval else None,
        "high": interval[1] if interval else None,
        "mean_risk": float(risk / n),
        "observed": positives / n,
        "calibration_gap": gap,
        "calibration_low": gap - reach,
        "calibration_high": gap + reach,
        "ece": metrics["ece"],
        "calibration": calibration_curve(summary),
        "caseload_share": float(helped.sum() / n),
        "precision": float(helped[1] / helped.sum()) if helped.sum() > 0 else None,
        "recall": float(helped[1] / positives),
    }


def _comparison(
    name: str,
    one: Float64Array,
    other: Float64Array,
    caught: Float64Array,
    permutations: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """One group against the reference."""
    mine, theirs = (np.rint(summary[..., 0]).astype(np.int64) for summary in (one, other))
    area = curves.abroca(mine, theirs)
    chance = curves.shuffle(mine, theirs, caught, permutations, rng)
    shares = [_share(counts.sum(axis=0), caught) for counts in (mine, theirs)]
    recalls = [_share(counts[1], caught) for counts in (mine, theirs)]
    aucs = [metrics_from_summary(summary)["roc_auc"] for summary in (one, other)]
    assert aucs[0] is not None
    assert aucs[1] is not None
    share_gap, recall_gap = _difference(*shares), _difference(*recalls)
    return {
        "group": name,
        "abroca": area,
        "abroca_by_chance": float(chance.abroca.mean()),
        "abroca_error": curves.error_bound(mine, theirs),
        "abroca_p": curves.p_value(area, chance.abroca),
        "roc_auc_gap": aucs[0] - aucs[1],
        "caseload_share_gap": share_gap[0],
        "caseload_share_low": share_gap[1],
        "caseload_share_high": share_gap[2],
        "recall_gap": recall_gap[0],
        "recall_low": recall_gap[1],
        "recall_high": recall_gap[2],
        "recall_p": curves.p_value(recall_gap[0], chance.caseload),
    }


def _adjust(rows: list[dict[str, Any]]) -> None:
    """Add p-values adjusted over all comparisons, of either kind by itself."""
    for kind in ("abroca", "recall"):
        adjusted = curves.holm([row[f"{kind}_p"] for row in rows])
        for row, value in zip(rows, adjusted, strict=True):
            row[f"{kind}_p_adjusted"] = value


def _share(counts: npt.NDArray[np.int64], caught: Float64Array) -> tuple[float, int]:
    """Share of learners who are in the caseload, and of how many."""
    n = int(counts.sum())
    return float(counts @ caught) / n, n


def _difference(one: tuple[float, int], other: tuple[float, int]) -> tuple[float, float, float]:
    """Difference of two shares with its 95 % interval (Newcombe 1998, method 10)."""
    (p, n), (q, m) = one, other
    (p_low, p_high), (q_low, q_high) = _wilson(p, n), _wilson(q, m)
    gap = p - q
    low = gap - math.hypot(p - p_low, q_high - q)
    high = gap + math.hypot(p_high - p, q - q_low)
    return gap, low, high


def _wilson(share: float, n: int) -> tuple[float, float]:
    centre = share + Z95**2 / (2 * n)
    reach = Z95 * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n * n))
    return (centre - reach) / (1 + Z95**2 / n), (centre + reach) / (1 + Z95**2 / n)
