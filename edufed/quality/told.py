"""What of a map is told: by counts first, so that sums of untold cells are not even asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edufed.quality.frame import FOLD_INTO, Frame
from edufed.quality.measures import MEASURES
from edufed.quality.suppression import Judge, enough, telling, told_units

BoolArray = npt.NDArray[np.bool_]
Float64Array = npt.NDArray[np.float64]
#: A measure by which more than this share of an upper level would lose a table is left out of it.
MOST_LOST = 1 / 3


@dataclass(frozen=True)
class Told:
    """Which cells are told.

    Attributes
    ----------
    totals : bool array, shape (units,)
        Units whose number of learners is told.
    measures : bool array, shape (units, measures)
        Measures told of them.
    rows : dict of str to bool array, shape (units,)
        By table, `total` aside: units whose row is told.
    broken_down : dict of str to bool array, shape (measures,)
        By table: the measures that it tells.
    """

    totals: BoolArray
    measures: BoolArray
    rows: dict[str, BoolArray]
    broken_down: dict[str, BoolArray]

    def cells(self, frame: Frame) -> BoolArray:
        """Return the told cells, shape (units, width)."""
        told = np.zeros((len(frame.units), frame.width), dtype=bool)
        told[:, 0] = self.totals
        for table, rows in self.rows.items():
            told[:, frame.tables[table]] = rows[:, None]
        return told


def folding(frame: Frame, counts: npt.NDArray[np.int64], least: int) -> Frame:
    """Return the frame with those groups folded whose last column is small at some unit."""
    fold = {}
    for table in FOLD_INTO:
        rest = counts[:, frame.tables[table].stop - 1]
        small = (rest > 0) & (rest < least) & (counts[:, 0] >= least)
        if small.any():
            fold[table] = int(frame.depths[small].min())
    return replace(frame, fold=fold)


def by_counts(frame: Frame, counts: npt.NDArray[np.int64], least: int) -> Told:
    """Decide by numbers of learners alone, all measures included.

    Parameters
    ----------
    frame : Frame
        Folded.
    counts : int array, shape (units, width)
        Not folded.
    least : int
        Fewest learners behind a figure.
    """
    learners, sizes, judge = counts.astype(np.float64), counts[:, 0].astype(float), enough(least)
    everyone = np.ones(len(frame.units), dtype=bool)
    totals = told_units(frame, "total", learners[:, :1], sizes, everyone, judge)
    every = np.ones(len(MEASURES), dtype=bool)
    rows, broken_down = {}, {}
    for table, columns in frame.tables.items():
        if table == "total":
            continue
        cells = learners[:, columns]
        # One column alone is the total again.
        several = bool((frame.fold_cells(cells[:1], table, 0) > 0).sum() > 1)
        rows[table] = told_units(frame, table, cells, sizes, totals & several, judge)
        broken_down[table] = every & several
    return Told(totals, totals[:, None] & every, rows, broken_down)


def by_sums(
    frame: Frame, counts: npt.NDArray[np.int64], sums: Float64Array, first: Told, least: int
) -> Told:
    """Withhold of what the counts allow what the sums forbid.

    Parameters
    ----------
    frame, counts, least
        As for `by_counts`.
    sums : float array, shape (units, width, measures, SUMS)
        As told, so folded where the frame says so; what `first` does not tell is not read.
    first : Told
        By `by_counts`.
    """
    sizes, judge = counts[:, 0].astype(float), telling(least)
    measures = np.stack(
        [
            told_units(frame, "total", sums[:, :1, [m]], sizes, first.totals, judge)
            for m in range(len(MEASURES))
        ],
        axis=1,
    )
    rows, broken_down = {}, {}
    for table, allowed in first.rows.items():
        cells = sums[:, frame.tables[table]]
        kept = _kept(frame, cells, measures, allowed, judge)
        units = allowed & measures[:, kept].all(axis=1)
        rows[table] = told_units(frame, table, cells[:, :, kept], sizes, units, judge)
        broken_down[table] = kept & bool(rows[table].any())
    return Told(first.totals, measures, rows, broken_down)


def _kept(
    frame: Frame, cells: Float64Array, measures: BoolArray, allowed: BoolArray, judge: Judge
) -> BoolArray:
    """Return the measures that a table tells, shape (measures,).

    All of a row is told or nothing: a measure on which many agree would cost the two upper
    levels, regions and districts, their rows.
    """
    kept = np.zeros(len(MEASURES), dtype=bool)
    upper = [allowed & (frame.depths == depth) for depth in (1, 2)]
    for m in range(len(MEASURES)):
        fine = measures[:, m] & judge(cells[:, :, [m]], cells[:, :, [m]])
        lost = any((units & ~fine).sum() > MOST_LOST * units.sum() for units in upper)
        kept[m] = fine[0] and not lost
    return kept
