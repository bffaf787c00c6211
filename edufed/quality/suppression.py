"""Which cells may be told, so that none of the others can be worked out from them.

A cell may be told where at least `least` learners stand behind each of its figures, and where they
do not all have the same value, for then the figure would be each learner's own. A cell that may
not be told must not follow from others either. Cells add up in two ways only, children to their
parent and a table's columns to the unit's total, so it is enough to see to each family, that is, a
parent and its children, one after another, from the top:

- the parent's cells less those of the children that are told leave the sum of the others: their
  rest. What is asked of a told cell is asked of every rest. Where it falls short, the smallest
  child still told is withheld as well, until it does not; with no child told, the rest is the
  parent's own row, which may be told.
- a row is told or withheld whole, for all measures that the table has. So of the rows withheld the
  margins alone are known, and a cell can range as far as they allow (Fréchet's bounds). Several
  measures narrow that a little; tests/edufed/quality bounds the cells by linear programming.
- below a unit whose row is withheld, nothing of that table is told.

Totals are one column. There each measure is judged by itself, since a unit in which everybody
takes part may well tell its pass rate.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edufed.quality.frame import Frame
from edufed.quality.measures import COUNT, SQUARES, alike

BoolArray = npt.NDArray[np.bool_]
Float64Array = npt.NDArray[np.float64]
#: Rows (rows, columns, ...) and the row that they are parts of -> whether each may be told.
Judge = Callable[[Float64Array, Float64Array], BoolArray]


def enough(least: int) -> Judge:
    """Judge counts, shape (rows, columns): every cell is empty, or of `least` learners or more."""
    return lambda cells, _: ((cells == 0) | (cells >= least)).all(axis=1)


def telling(least: int) -> Judge:
    """Judge sums, shape (rows, columns, measures, SUMS): enough learners, and not all alike."""

    def judge(cells: Float64Array, parent: Float64Array) -> BoolArray:
        count = np.rint(cells[..., COUNT])
        fine = (count == 0) | ((count >= least) & ~alike(cells, parent[..., SQUARES]))
        rows: BoolArray = fine.all(axis=(1, 2))
        return rows

    return judge


def close(
    parent: Float64Array,
    cells: Float64Array,
    sizes: Float64Array,
    told: BoolArray,
    judge: Judge,
) -> BoolArray:
    """Withhold children of one family until what is left of their parent may be told as well.

    Parameters
    ----------
    parent : float array, shape (...)
    cells : float array, shape (children, ...)
        Those of children that are not told are not read.
    sizes : float array, shape (children,)
        The smallest that is told is withheld next.
    told : bool array, shape (children,)
        Those that are not told for another reason are False.
    judge : callable

    Returns
    -------
    bool array, shape (children,)
        Those that may be told.
    """
    told = told & judge(cells, parent)
    rest = parent - cells[told].sum(axis=0)
    # In the order of size; the sort is stable, so that ties fall alike everywhere.
    for child in np.argsort(sizes, kind="stable"):
        if told.all() or judge(rest[None], parent)[0]:
            break
        if told[child]:
            told[child] = False
            rest = rest + cells[child]
    return told


def told_units(
    frame: Frame,
    table: str,
    cells: Float64Array,
    sizes: Float64Array,
    allowed: BoolArray,
    judge: Judge,
) -> BoolArray:
    """Return which units' rows of one table may be told, shape (units,).

    Parameters
    ----------
    frame : Frame
    table : str
    cells : float array, shape (units, columns of the table, ...)
        As told at each unit's own depth or not folded at all.
    sizes : float array, shape (units,)
    allowed : bool array, shape (units,)
        Only these can be told, and only their cells are read.
    judge : callable
    """
    told = np.zeros(len(frame.units), dtype=bool)
    told[0] = bool(allowed[0] and judge(frame.fold_cells(cells[:1], table, 0), cells[0])[0])
    for unit, depth in enumerate(frame.depths):
        family = frame.children(unit)
        if told[unit] and len(family):
            parent, *children = frame.fold_cells(
                cells[np.append(unit, family)], table, int(depth) + 1
            )
            told[family] = close(parent, np.stack(children), sizes[family], allowed[family], judge)
    return told
