"""The sums of the asked cells as a site sends them: whole numbers alone, exact in any summation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edufed.arrays import Arrays
from edufed.quality import exact
from edufed.quality.frame import Frame, columns_of
from edufed.quality.measures import COUNT, ENTROPY, MEASURES, SQUARES, SUM, SUMS, cell_sums
from edufed.quality.rows import Rows

Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: Sums that are whole by nature: how many have a value, and how many of them are a 1.
_WHOLE = [(place, COUNT) for place in range(len(MEASURES))] + [
    (place, SUM) for place, measure in enumerate(MEASURES) if measure.kind == "share"
]
_REAL = [
    (place, part)
    for place, measure in enumerate(MEASURES)
    if measure.kind != "share"
    for part in (SUM, SQUARES, ENTROPY)
    if part != ENTROPY or measure.kind == "amount"
]


def counts(rows: Rows, frame: Frame) -> npt.NDArray[np.int64]:
    """Count a site's rows in every cell, shape (units, width)."""
    found = np.zeros(len(frame.units) * frame.width, np.int64)
    for cells in _cells(rows, frame):
        found += np.bincount(cells, minlength=len(found))
    return found.reshape(len(frame.units), frame.width)


def sums(rows: Rows, frame: Frame, asked: BoolArray) -> Float64Array:
    """Add up a site's measures in the asked cells, shape (asked cells, measures, SUMS).

    Parameters
    ----------
    rows : Rows
    frame : Frame
        By its `fold`, small groups are counted with others before anything is added up.
    asked : bool array, shape (units, width)
    """
    size = int(asked.sum())
    place = np.full(asked.size, -1, np.int64)
    place[asked.ravel()] = np.arange(size)
    found = np.zeros((size, len(MEASURES), SUMS))
    for cells in _cells(rows, frame):
        for number, measure in enumerate(MEASURES):
            values = rows.measures[measure.name]
            found[:, number] += cell_sums(values, place[cells], size, measure.kind)
    return found


def _cells(rows: Rows, frame: Frame) -> list[npt.NDArray[np.int64]]:
    """Return, for each depth and table, the cell (of units x width) of each row."""
    groups = {**rows.groups, "stage": rows.stage(frame.stages)}
    columns = columns_of(frame, rows.term.tolist(), groups)
    places = [rows.places[level].tolist() for level in frame.levels]
    found = []
    for depth in range(len(frame.levels) + 1):
        paths = zip(*places[:depth], strict=True) if depth else iter([()] * len(rows))
        unit = np.fromiter((frame.number[path] for path in paths), np.int64, len(rows))
        for table, column in columns.items():
            told = frame.fold_columns(column, table, depth)
            found.append(unit * frame.width + told)
    return found


def to_arrays(found: Float64Array) -> Arrays:
    """Write `sums` as whole numbers."""
    return {
        "whole": np.stack([found[:, m, s] for m, s in _WHOLE], axis=1).astype(np.int64),
        "real": exact.split(np.stack([found[:, m, s] for m, s in _REAL], axis=1)),
    }


def like(size: int) -> Arrays:
    """Arrays of the shapes that `to_arrays` gives for `size` cells."""
    return to_arrays(np.zeros((size, len(MEASURES), SUMS)))


def from_arrays(arrays: Arrays) -> Float64Array:
    """Read the sum of sites' arrays, shape (asked cells, measures, SUMS)."""
    size = len(arrays["whole"])
    found = np.zeros((size, len(MEASURES), SUMS))
    for place, (m, s) in enumerate(_WHOLE):
        found[:, m, s] = arrays["whole"][:, place]
    for place, (m, s) in enumerate(_REAL):
        found[:, m, s] = exact.join(arrays["real"][:, place])
    for place, measure in enumerate(MEASURES):
        if measure.kind == "share":
            found[:, place, SQUARES] = found[:, place, SUM]
    return found
