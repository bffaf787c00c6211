"""The quality map with differential privacy: what a learner may add to its cells.

Unit of privacy: a learner with all their rows. Of each the first few courses count, in the order of
course ids. A cell of the map is one vector, the sum of its rows' vectors. So that noise goes where
it hurts least, measures are put into [-1/2, 1/2] first, where a mean hardly depends on how exactly
its count is known, and then counts may be noisier than sums.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edufed.privacy.dp.accounting import Part
from edufed.privacy.dp.sums import bounded_sum
from edufed.quality.frame import GROUPS
from edufed.quality.measures import MEASURES, NAMES
from edufed.quality.rows import Rows

Float64Array = npt.NDArray[np.float64]

#: Groups that the province is broken down by. Stages take course levels, which learners' results
#: tell.
BY_GROUP = {name: columns for name, columns in GROUPS.items() if name != "stage"}
COLUMNS = sum(len(columns) for columns in BY_GROUP.values())
#: Weights of a count, of a sum of y and of a sum of y² - 1/8, for y in [-1/2, 1/2]. With noise of
#: deviation s in every number, a mean m of n learners has one of s √(1/SUM² + m²/COUNT²) / n.
COUNT, SUM, SQUARES = math.sqrt(1 / 8), 1.0, 2.0
#: Numbers of a cell: learners; then count, sum and squares of each measure.
WIDTH = 1 + 3 * len(MEASURES)
#: Of a share, y² is 1/4 for everybody: nothing to add up.
_SPREADS = sum(measure.kind != "share" for measure in MEASURES)


def row_length() -> float:
    """Most that the vector of one row is long.

    A row has a one for itself and one for each of the M measures, times `COUNT`; y of each
    measure, at most 1/2, times `SUM`; and of those that are no shares y² - 1/8, at most 1/8 either
    way, times `SQUARES`.
    """
    m = len(MEASURES)
    return math.sqrt((1 + m) * COUNT**2 + m * SUM**2 / 4 + _SPREADS * SQUARES**2 / 64)


def parts(most_courses: int) -> list[Part]:
    """Everything that leaves a site in the job, and the share of the budget that each gets.

    A learner has k rows at most, each no longer than L (`row_length`). All of a site's rows are in
    its region's one cell, so that removing a learner changes the cells of regions by a sum of k
    such vectors: by k L at most (triangle inequality). In the province's groups a row is in one
    cell of each of G groups, and so √G L long; k of them change the cells by k √G L at most.

    Parameters
    ----------
    most_courses : int
        k.
    """
    length = most_courses * row_length()
    return [
        Part("regions", 0.6, clip=length),
        Part("groups", 0.4, clip=length * math.sqrt(len(BY_GROUP))),
    ]


def scale(most_use: float) -> tuple[Float64Array, Float64Array]:
    """Lowest value and range of each measure, shapes (measures,); use counts up to `most_use`."""
    ranges = {"change": (-1.0, 2.0), "amount": (0.0, most_use)}
    low, span = np.array([ranges.get(measure.kind, (0.0, 1.0)) for measure in MEASURES]).T
    return low, span


def counting(rows: Rows, most_courses: int) -> npt.NDArray[np.bool_]:
    """Return which rows count, shape (rows,): of each learner the first by course id.

    What other learners have, and any measure, is without influence.
    """
    order = np.lexsort((rows.course, rows.learner))
    who = rows.learner[order]
    first = np.searchsorted(who, who)
    kept = np.zeros(len(rows), dtype=bool)
    kept[order] = np.arange(len(who)) - first < most_courses
    return kept


def vectors(rows: Rows, most_use: float) -> Float64Array:
    """Return what each row adds to its cells, shape (rows, WIDTH)."""
    low, span = scale(most_use)
    values = np.stack([rows.measures[name] for name in NAMES], axis=1)
    y = np.clip((values - low) / span - 0.5, -0.5, 0.5)
    known = ~np.isnan(y)
    spreads = np.array([measure.kind != "share" for measure in MEASURES])
    each = np.stack(
        [
            COUNT * known,
            SUM * np.where(known, y, 0.0),
            SQUARES * np.where(known & spreads, y**2 - 1 / 8, 0.0),
        ],
        axis=2,
    )
    return np.concatenate(
        [np.full((len(rows), 1), COUNT), each.reshape(len(rows), WIDTH - 1)], axis=1
    )


def exact_cells(
    rows: Rows, most_courses: int, most_use: float
) -> tuple[Float64Array, Float64Array]:
    """Return a site's cells before noise: its region's, and its part of the province's groups.

    `bounded_sum` would cut a learner to the length that `parts` states; the rows that count never
    reach it, so nothing is cut, and yet the length does not rest on the proof alone.

    Parameters
    ----------
    rows : Rows
    most_courses : int
    most_use : float

    Returns
    -------
    region : float array, shape (WIDTH,)
    groups : float array, shape (COLUMNS, WIDTH)
    """
    kept = counting(rows, most_courses)
    added, who = vectors(rows, most_use)[kept], rows.learner[kept].astype(object)
    region, groups = (part.clip for part in parts(most_courses))
    start, cells = 0, []
    for name, columns in BY_GROUP.items():
        cells.append(start + rows.groups[name][kept])
        start += len(columns)
    times = len(BY_GROUP)
    return (
        bounded_sum(added, who, region)[0],
        bounded_sum(
            np.tile(added, (times, 1)),
            np.tile(who, times),
            groups,
            cells=np.concatenate(cells),
            shape=COLUMNS,
        ),
    )
