"""From the told sums to the figures of the map: estimates, ranks, parity, changes, inequality.

Everything here is computed from told cells alone, and so tells nothing that they do not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import erfc

from edufed.quality.frame import GROUPS, UNKNOWN, Frame
from edufed.quality.inequality import BALANCED, coefficient_of_variation, gini, theil
from edufed.quality.measures import (
    COUNT,
    MEASURES,
    NAMES,
    SUMS,
    mean,
    standard_error,
    variance,
)
from edufed.quality.parity import parity
from edufed.quality.shrinkage import Shrunken, shrink
from edufed.quality.told import Told

Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

Z95 = 1.959963984540054
#: Share of false ones that is put up with among the changes called notable.
FALSE_SHARE = 0.05


@dataclass(frozen=True)
class Standing:
    """How the units of one level stand in one measure; arrays of shape (units,).

    `low` and `high` bound the estimate (95 %); `first` and `last` bound the unit's rank among those
    of its level, 1 the highest, counting as above or below only those whose intervals are.
    """

    shrunken: Shrunken
    low: Float64Array
    high: Float64Array
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]


def standing(sums: Float64Array, told: BoolArray) -> Standing:
    """Estimate the means of one level's units.

    Parameters
    ----------
    sums : float array, shape (units, SUMS)
    told : bool array, shape (units,)
        The others take no part.
    """
    means = np.where(told, mean(sums), np.nan)
    counts = np.where(told, sums[:, COUNT], 0.0)
    spread = np.where(told & (counts > 1), variance(sums), np.nan)
    freedom = np.where(np.isnan(spread), 0.0, counts - 1)
    within = float(np.nansum(spread * freedom) / freedom.sum()) if freedom.sum() > 0 else 0.0
    return standing_of(means, counts, within)


def standing_of(
    means: Float64Array, counts: Float64Array, within: float, noise: Float64Array | float = 0.0
) -> Standing:
    """Rank one level's units by estimates of their means; parameters as for `shrink`."""
    found = shrink(means, counts, within, noise)
    low, high = found.estimate - Z95 * found.error, found.estimate + Z95 * found.error
    with np.errstate(invalid="ignore"):
        above = (low[None, :] > high[:, None]).sum(axis=1)
        below = (high[None, :] < low[:, None]).sum(axis=1)
    known = int((~np.isnan(means)).sum())
    return Standing(found, low, high, above + 1, known - below)


def figures(sums: Float64Array, told: BoolArray) -> dict[str, dict[str, Any] | None]:
    """Count, mean and standard error of each told measure of one cell.

    Parameters
    ----------
    sums : float array, shape (measures, SUMS)
    told : bool array, shape (measures,)
    """
    found: dict[str, dict[str, Any] | None] = {}
    for place, name in enumerate(NAMES):
        cell = sums[place]
        if not told[place] or not cell[COUNT] > 0:
            found[name] = None
            continue
        found[name] = {
            "n": round(cell[COUNT]),
            "mean": float(mean(cell)),
            "se": _number(standard_error(cell)),
        }
    return found


def parities(cells: Float64Array, told: BoolArray) -> dict[str, dict[str, float] | None]:
    """Parity index of each measure of one unit's row of a group.

    Parameters
    ----------
    cells : float array, shape (columns, measures, SUMS)
        The group in question first, the one that it is held against second.
    told : bool array, shape (measures,)
    """
    found: dict[str, dict[str, float] | None] = {}
    means, errors = mean(cells[:2]), standard_error(cells[:2])
    for place, measure in enumerate(MEASURES):
        found[measure.name] = None
        if measure.kind == "change" or not told[place] or not np.isfinite(errors[:, place]).all():
            continue
        index = parity(means[0, place], errors[0, place], means[1, place], errors[1, place])
        if index is not None:
            found[measure.name] = {
                "index": index.index,
                "adjusted": index.adjusted,
                "low": index.low,
                "high": index.high,
            }
    return found


def changes(frame: Frame, rows: Float64Array, told: BoolArray) -> dict[str, dict[str, Any] | None]:
    """Difference of the last two terms of one unit in each measure.

    Where seasons alternate, a term is held against the one a year before it, if there is one.

    Parameters
    ----------
    frame : Frame
    rows : float array, shape (terms, measures, SUMS)
    told : bool array, shape (measures,)
    """
    found: dict[str, dict[str, Any] | None] = {}
    for place, name in enumerate(NAMES):
        found[name] = None
        held = [
            t for t, term in enumerate(frame.terms) if term != UNKNOWN and rows[t, place, COUNT] > 1
        ]
        if not told[place] or len(held) < 2:
            continue
        last = held[-1]
        year, month = frame.terms[last].split("-")
        same = [t for t in held if frame.terms[t] == f"{int(year) - 1:04d}-{month}"]
        before = same[0] if same else held[-2]
        pair = rows[[before, last], place]
        difference = float(np.diff(mean(pair))[0])
        error = float(np.hypot(*standard_error(pair)))
        found[name] = {
            "from": frame.terms[before],
            "to": frame.terms[last],
            "difference": difference,
            "se": error,
            "p": float(erfc(abs(difference) / error / math.sqrt(2))) if error > 0 else 1.0,
            "notable": False,
        }
    return found


def notable(p: Float64Array) -> BoolArray:
    """Which of many p-values stand out (Benjamini & Hochberg 1995), shape (tests,)."""
    order = np.argsort(p, kind="stable")
    fine = p[order] <= FALSE_SHARE * np.arange(1, len(p) + 1) / len(p)
    found = np.zeros(len(p), dtype=bool)
    if fine.any():
        found[order[: int(np.flatnonzero(fine)[-1]) + 1]] = True
    return found


def pieces(frame: Frame, depth: int, sums: Float64Array, told: BoolArray) -> Float64Array:
    """Share all learners out over the told units of a level and what is left beside them.

    Parameters
    ----------
    frame : Frame
    depth : int
    sums : float array, shape (units, SUMS)
    told : bool array, shape (units,)

    Returns
    -------
    float array, shape (pieces, SUMS)
        They add up to the province; the untold children of a unit are one piece.
    """
    found: list[Float64Array] = []

    def share_out(unit: int) -> None:
        if frame.depths[unit] == depth:
            found.append(sums[unit])
            return
        children = frame.children(unit)
        shown = children[told[children]]
        for child in shown:
            share_out(int(child))
        if len(shown) < len(children):
            found.append(sums[unit] - sums[shown].sum(axis=0))

    share_out(0)
    return np.stack(found) if found else np.zeros((0, SUMS))


def equity(frame: Frame, sums: Float64Array, told: Told) -> list[dict[str, Any]]:
    """Inequality between the told units of each level, in each measure and stage.

    Parameters
    ----------
    frame : Frame
    sums : float array, shape (units, width, measures, SUMS)
    told : Told
    """
    found = []
    columns: list[tuple[str | None, int, BoolArray, BoolArray]] = [
        (None, 0, told.totals, np.ones(len(NAMES), dtype=bool))
    ]
    start = frame.tables["stage"].start
    columns += [
        (name, start + GROUPS["stage"].index(name), told.rows["stage"], told.broken_down["stage"])
        for name in BALANCED
    ]
    for depth, level in enumerate(frame.levels, start=1):
        for stage, column, units, measures in columns:
            for place, measure in enumerate(MEASURES):
                if measure.kind == "change" or not measures[place]:
                    continue
                cells = sums[:, column, place]
                ours = units & told.measures[:, place] & (frame.depths == depth)
                ours &= cells[:, COUNT] > 0
                if ours.sum() < 2:
                    continue
                found.append(
                    {
                        "level": level,
                        "stage": stage,
                        "measure": measure.name,
                        **_between(cells[ours], sums[0, column, place]),
                        "threshold": BALANCED.get(stage or ""),
                    }
                )
    return found


def _between(cells: Float64Array, province: Float64Array) -> dict[str, Any]:
    means, counts = mean(cells), cells[:, COUNT]
    stands = standing(cells, np.ones(len(cells), dtype=bool)).shrunken
    true = math.sqrt(stands.between) / stands.centre if stands.centre > 0 else math.nan
    return {
        "units": len(cells),
        "covered": float(counts.sum() / province[COUNT]),
        "cv": _number(coefficient_of_variation(means, counts)),
        "cv_without_chance": _number(true),
        "gini": _number(gini(means, counts)),
    }


def theil_by_level(frame: Frame, sums: Float64Array, told: Told) -> list[dict[str, Any]]:
    """Theil's index of use over learners, split between and within the units of each level."""
    place = NAMES.index("use")
    found: list[dict[str, Any]] = []
    if not told.measures[0, place]:
        return found
    for depth, level in enumerate(frame.levels, start=1):
        parts = pieces(frame, depth, sums[:, 0, place], told.measures[:, place])
        split = theil(parts)
        if math.isfinite(split.total):
            found.append(
                {
                    "level": level,
                    "total": split.total,
                    "between": split.between,
                    "within": split.within,
                }
            )
    return found


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
