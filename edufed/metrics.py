"""How good risks are, computed from summaries that add up over sites.

A site counts its risks in `BINS` bins by class and sends only that; the sum over sites is the
summary of all their learners, whatever the order, and can go through secure aggregation. What a
bin forgets is the order inside it. Bins are equal steps of arcsin(sqrt(risk)), the
variance-stabilising scale of a proportion: at most 0.0008 wide (at 0.5), and far finer near 0
and 1, where the risks of a rare outcome lie.

Exact: Brier score, count, positives, and everything for risks that no two learners share a bin
with unless they are equal (so a yes/no rule is exact). `error_bounds` states for any summary how
far ROC-AUC and PR-AUC can be from the values of the risks themselves. For logistic risks spread
over 0.05..0.9, whatever the number of learners: 4e-4 and 1e-3; measured, 1e-6 to 1e-5 and 2e-4 (too
low, since precision is read at the lower end of each bin, as scikit-learn does with ties).
"""

from __future__ import annotations

import math
from typing import TypedDict

import numpy as np
import numpy.typing as npt

BINS = 2_000
#: Share of learners that a caseload can hold.
CASELOAD = 0.1
#: Equal-mass groups of the expected calibration error.
ECE_GROUPS = 10

Array = npt.NDArray[np.float64]


class Metrics(TypedDict):
    """Scores of one population; None where they are not defined (one class, nobody)."""

    n: int
    positives: int
    roc_auc: float | None
    pr_auc: float | None
    brier: float | None
    ece: float | None
    precision_at_10: float | None
    recall_at_10: float | None


def score_summary(target: npt.ArrayLike, risk: npt.ArrayLike, bins: int = BINS) -> Array:
    """Count risks by class and bin.

    Parameters
    ----------
    target : array, shape (learners,)
        1 or 0.
    risk : array, shape (learners,)
        Predicted probability of 1.
    bins : int
        Fewer say less of single learners, and less exactly how good the risks are.

    Returns
    -------
    float64 array, shape (2, bins, 3)
        Class; bin from lowest to highest risk; count, sum of risks, sum of squared risks. Plus
        is the only operation that summaries of different learners need.

    Raises
    ------
    ValueError
        Lengths differ, a target is neither 0 nor 1, or a risk lies outside 0..1 (or is NaN).
    """
    y = np.asarray(target, dtype=np.float64)
    p = np.asarray(risk, dtype=np.float64)
    if y.shape != p.shape or y.ndim != 1:
        raise ValueError(f"metrics: {y.shape} targets for {p.shape} risks")
    if not np.isin(y, (0.0, 1.0)).all():
        raise ValueError("metrics: a target is neither 0 nor 1")
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise ValueError("metrics: a risk is NaN or lies outside 0..1")
    place = np.arcsin(np.sqrt(p)) * (2.0 / np.pi) * bins
    cell = y.astype(np.int64) * bins + np.minimum(place.astype(np.int64), bins - 1)
    summary = np.empty((2, bins, 3))
    for power in range(3):
        sums = np.bincount(cell, weights=p**power, minlength=2 * bins)
        summary[..., power] = sums.reshape(2, bins)
    return summary


def metrics_from_summary(summary: Array) -> Metrics:
    """Scores of all learners in a summary.

    ROC-AUC counts a pair in one bin as half a win (Mann-Whitney). PR-AUC is average precision,
    thresholds at bin edges. ECE compares mean risk and share of positives over ten groups of
    equal numbers of learners (Nixon et al. 2019), a bin on a border split in proportion.
    Precision and recall are those of the tenth at highest risk (rounded up to whole learners);
    where the border falls into a bin, their expectation under a random order in it.
    """
    negatives, positives = _counts(summary)
    n = round(negatives.sum() + positives.sum())
    n_positive = round(positives.sum())
    both = 0 < n_positive < n
    caseload = math.ceil(CASELOAD * n)
    helped = float(_helped(negatives, positives, caseload))
    return Metrics(
        n=n,
        positives=n_positive,
        roc_auc=_roc_auc(negatives, positives) if both else None,
        pr_auc=_pr_auc(negatives, positives) if both else None,
        brier=_brier(summary, n) if n else None,
        ece=_ece(summary, n) if n else None,
        precision_at_10=helped / caseload if n else None,
        recall_at_10=helped / n_positive if n_positive else None,
    )


def error_bounds(summary: Array) -> dict[str, float | None]:
    """How far `roc_auc` and `pr_auc` can be from those of the risks themselves.

    ROC-AUC: each of the p_b n_b pairs inside bin b is counted 1/2 where the truth lies in 0..1,
    so the error is at most sum_b p_b n_b / (2 P N). PR-AUC: with T positives and F negatives at
    higher risk, the precision at any positive of a bin lies between (T + 1) / (T + 1 + F + n_b)
    and (T + p_b) / (T + p_b + F); the bound adds up the larger distance.
    """
    negatives, positives = _counts(summary)
    total_negative, total_positive = negatives.sum(), positives.sum()
    if total_negative < 0.5 or total_positive < 0.5:
        return {"roc_auc": None, "pr_auc": None}
    p, q = positives[::-1], negatives[::-1]
    after_p, after_q = np.cumsum(p), np.cumsum(q)
    before_p, before_q = after_p - p, after_q - q
    given = after_p / np.maximum(after_p + after_q, 1e-300)
    best = after_p / np.maximum(after_p + before_q, 1e-300)
    worst = (before_p + 1.0) / (before_p + 1.0 + after_q)
    return {
        "roc_auc": float(positives @ negatives / (2.0 * total_positive * total_negative)),
        "pr_auc": float(max(p @ (best - given), p @ (given - worst)) / total_positive),
    }


def roc_auc_interval(summary: Array) -> tuple[float, float] | None:
    """Ninety-five per cent interval of ROC-AUC, or None with fewer than two of a class.

    The variance of DeLong, DeLong & Clarke-Pearson (1988) over binned placements, on the logit
    scale so that the interval stays inside 0..1.
    """
    negatives, positives = _counts(summary)
    n, p = negatives.sum(), positives.sum()
    if n < 1.5 or p < 1.5:
        return None
    area = _roc_auc(negatives, positives)
    if area in (0.0, 1.0):
        return area, area
    over_negatives = (np.cumsum(negatives) - negatives / 2.0) / n
    under_positives = 1.0 - (np.cumsum(positives) - positives / 2.0) / p
    variance = (positives @ (over_negatives - area) ** 2) / (p * (p - 1.0)) + (
        negatives @ (under_positives - area) ** 2
    ) / (n * (n - 1.0))
    centre = np.log(area / (1.0 - area))
    reach = 1.959964 * np.sqrt(variance) / (area * (1.0 - area))
    low, high = 1.0 / (1.0 + np.exp(-(centre + np.array([-reach, reach]))))
    return float(low), float(high)


def calibration_curve(summary: Array, groups: int = ECE_GROUPS) -> dict[str, list[float]]:
    """Mean risk against the share of positives, over groups of equal numbers of learners.

    Returns
    -------
    dict
        `risk`, `observed` and `learners`, one entry a group, from lowest risk to highest; empty
        lists where the summary is empty.
    """
    n, positives, risks = _grouped(summary, groups)
    full = n > 0.0
    return {
        "risk": (risks[full] / n[full]).tolist(),
        "observed": (positives[full] / n[full]).tolist(),
        "learners": n[full].tolist(),
    }


def caseload_curve(summary: Array) -> dict[str, list[float]]:
    """Precision and recall when the share at highest risk is helped, for 1, 2, ... 100 per cent.

    Returns
    -------
    dict
        `share`, `precision` and `recall`; empty lists unless there are both learners and
        positives.
    """
    negatives, positives = _counts(summary)
    n, total = negatives.sum() + positives.sum(), positives.sum()
    if total < 0.5:
        return {"share": [], "precision": [], "recall": []}
    share = np.arange(1, 101) / 100.0
    helped = _helped(negatives, positives, share * n)
    return {
        "share": share.tolist(),
        "precision": (helped / (share * n)).tolist(),
        "recall": (helped / total).tolist(),
    }


def _counts(summary: Array) -> tuple[Array, Array]:
    """Count negatives and positives in each bin; noise added for privacy can go below zero."""
    if summary.ndim != 3 or (summary.shape[0], summary.shape[2]) != (2, 3):
        raise ValueError(f"metrics: a summary has shape (2, bins, 3), not {summary.shape}")
    counts = np.maximum(summary[..., 0], 0.0)
    return counts[0], counts[1]


def _roc_auc(negatives: Array, positives: Array) -> float:
    below = np.cumsum(negatives) - negatives / 2.0
    return float(positives @ below / (positives.sum() * negatives.sum()))


def _pr_auc(negatives: Array, positives: Array) -> float:
    true, false = np.cumsum(positives[::-1]), np.cumsum(negatives[::-1])
    precision = true / np.maximum(true + false, 1e-300)
    return float(positives[::-1] @ precision / positives.sum())


def _brier(summary: Array, n: float) -> float:
    """Mean of (target - risk)^2 = risk^2 - 2 target risk + target."""
    positives, risks = summary[1, :, 0].sum(), summary[1, :, 1].sum()
    return float((summary[..., 2].sum() - 2.0 * risks + positives) / n)


def _ece(summary: Array, n: float) -> float:
    _, positives, risks = _grouped(summary, ECE_GROUPS)
    return float(np.abs(positives - risks).sum() / n)


def _grouped(summary: Array, groups: int) -> tuple[Array, Array, Array]:
    """Learners, positives and sum of risks in each of `groups` groups of equal mass.

    All three are running sums over bins, read off by interpolation at the groups' borders.
    """
    negatives, positives = _counts(summary)
    mass = _running(negatives + positives)
    borders = np.linspace(0.0, mass[-1], groups + 1)
    quantities = (negatives + positives, positives, summary[..., 1].sum(axis=0))
    n, p, r = (np.diff(_at(borders, mass, _running(quantity))) for quantity in quantities)
    return n, p, r


def _helped(negatives: Array, positives: Array, caseload: npt.ArrayLike) -> Array:
    """Expected positives among the `caseload` learners at highest risk."""
    mass = _running((negatives + positives)[::-1])
    return _at(np.asarray(caseload, dtype=np.float64), mass, _running(positives[::-1]))


def _running(values: Array) -> Array:
    return np.concatenate([[0.0], np.cumsum(values)])


def _at(place: Array, mass: Array, running: Array) -> Array:
    """`running` as a function of `mass`, linear inside a bin; empty bins are left out first."""
    keep = np.concatenate([[True], np.diff(mass) > 0.0])
    return np.interp(place, mass[keep], running[keep])
