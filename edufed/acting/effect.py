"""Were outcomes better for learners who were contacted? Compared, never proven.

Whom teachers contact is no accident: mostly those at highest risk, whose outcomes are worse anyway.
So learners are compared within strata of similar risk, and the strata's differences are averaged.
Within strata this is the same as weighting each learner by the inverse of their stratum's share of
contacted (or not contacted) learners (Rosenbaum & Rubin 1984).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

STRATA = 10
REPLICATES = 1_000
#: Fewest learners of either kind in a stratum that is compared.
LEAST = 2


@dataclass(frozen=True)
class Difference:
    """Outcome rate of contacted learners less that of the others, with its 95 % interval."""

    contacted: float
    others: float
    gap: float
    low: float
    high: float


def strata_of(risk: Float64Array, strata: int = STRATA) -> IntArray:
    """Divide learners into groups of equal numbers by risk; equal risks stay together.

    Returns
    -------
    int64 array, shape (learners,)
        0 holds the lowest risks.
    """
    edges = np.unique(np.quantile(risk, np.arange(1, strata) / strata))
    found = np.searchsorted(edges, risk, side="right")
    return np.unique(found, return_inverse=True)[1].astype(np.int64)


def compare(
    risk: Float64Array,
    contacted: BoolArray,
    outcome: BoolArray,
    person: IntArray,
    rng: np.random.Generator,
    replicates: int = REPLICATES,
) -> dict[str, Any]:
    """Compare the outcomes of contacted and other learners.

    Parameters
    ----------
    risk : float64 array, shape (alerts,)
        When the list was issued.
    contacted, outcome : bool array, shape (alerts,)
        `outcome` is what was warned of.
    person : int64 array, shape (alerts,)
        Whose alert it is: the bootstrap draws persons, from 0 on, with all their alerts.
    rng : numpy.random.Generator
    replicates : int

    Returns
    -------
    dict
        ``unadjusted``; ``adjusted``, as over all alerts of the compared strata; ``on_contacted``,
        as over the contacted ones; each a `Difference` or None; ``e_value`` of the adjusted one;
        ``strata`` with their counts and rates; ``overlap``: share of alerts in compared strata.
    """
    stratum = strata_of(risk)
    size = int(stratum.max()) + 1
    cells = stratum * 4 + contacted * 2 + outcome
    ones = np.ones(len(risk))
    counts = _counts(cells, ones, size)
    n_person = int(person.max()) + 1
    drawn = []
    for _ in range(replicates):
        weight = rng.multinomial(n_person, np.full(n_person, 1.0 / n_person))[person]
        drawn.append(_counts(cells, weight.astype(np.float64), size))
    found = {
        name: _difference(rule, counts, drawn)
        for name, rule in (
            ("unadjusted", _unadjusted),
            ("adjusted", _standardised),
            ("on_contacted", _on_contacted),
        )
    }
    usable = _usable(counts)
    adjusted = found["adjusted"]
    return {
        **found,
        "e_value": None if adjusted is None else e_value(adjusted.contacted, adjusted.others),
        "overlap": float(counts[usable].sum() / counts.sum()),
        "strata": [
            {
                "stratum": place + 1,
                "risk_low": float(risk[stratum == place].min()),
                "risk_high": float(risk[stratum == place].max()),
                "contacted": int(counts[place, 1].sum()),
                "others": int(counts[place, 0].sum()),
                "rate_contacted": _rate(counts[place, 1]),
                "rate_others": _rate(counts[place, 0]),
                "compared": bool(usable[place]),
            }
            for place in range(size)
        ],
    }


def e_value(one: float, other: float) -> float | None:
    """How strong unmeasured confounding would have to be to explain a difference away.

    The risk ratio that it would need with both contact and outcome (VanderWeele & Ding 2017).
    """
    if not (one > 0 and other > 0):
        return None
    ratio = max(one / other, other / one)
    return ratio + math.sqrt(ratio * (ratio - 1.0))


def _counts(cells: IntArray, weights: Float64Array, size: int) -> Float64Array:
    """Alerts by stratum, contact and outcome; shape (strata, 2, 2)."""
    found = np.bincount(cells, weights=weights, minlength=4 * size).astype(np.float64)
    return found.reshape(size, 2, 2)


def _rate(pair: Float64Array) -> float | None:
    total = pair.sum()
    return float(pair[1] / total) if total > 0 else None


def _usable(counts: Float64Array) -> BoolArray:
    return np.asarray((counts.sum(axis=2) >= LEAST).all(axis=1))


def _unadjusted(counts: Float64Array) -> tuple[float, float]:
    total = counts.sum(axis=0)
    others, contacted = total[:, 1] / np.maximum(total.sum(axis=1), 1e-300)
    known = (total.sum(axis=1) > 0).all()
    return (float(contacted), float(others)) if known else (math.nan, math.nan)


def _standardised(counts: Float64Array) -> tuple[float, float]:
    return _averaged(counts, counts.sum(axis=(1, 2)))


def _on_contacted(counts: Float64Array) -> tuple[float, float]:
    return _averaged(counts, counts[:, 1].sum(axis=1))


def _averaged(counts: Float64Array, weights: Float64Array) -> tuple[float, float]:
    """Rates of either kind, averaged over the strata that have both."""
    usable = _usable(counts)
    if not usable.any():
        return math.nan, math.nan
    inside = counts[usable]
    rates = inside[:, :, 1] / inside.sum(axis=2)
    others, contacted = np.average(rates, axis=0, weights=weights[usable])
    return float(contacted), float(others)


def _difference(rule: Any, counts: Float64Array, drawn: list[Float64Array]) -> Difference | None:
    contacted, others = rule(counts)
    if math.isnan(contacted):
        return None
    gaps = np.array([one - other for one, other in map(rule, drawn)])
    low, high = np.nanquantile(gaps, [0.025, 0.975])
    return Difference(contacted, others, contacted - others, float(low), float(high))
