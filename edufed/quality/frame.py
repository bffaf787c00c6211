"""Which cells the map has: units from the province down to the class, by columns of six tables.

A unit is a path of names below the province: `()` is the province itself, `("Wales",)` a region.
Each unit's learners are shared out over the columns of each table, so a unit's cells of any one
table add up to its total, and children's cells add up to their parent's. These two facts are all
that suppression has to reckon with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

LEVELS = ("region", "district", "school", "class")
#: A unit, term or answer that the data do not state.
UNKNOWN = ""
#: Groups of learners: the one more likely to fall behind first, then the one it is compared
#: with, others, and last the column of those who fit none.
GROUPS: dict[str, tuple[str, ...]] = {
    "gender": ("female", "male", UNKNOWN),
    "age": ("older", "younger", UNKNOWN),
    "need": ("need", "no_need", UNKNOWN),
    "means": ("poorest", "richest", "middle", UNKNOWN),
    "stage": ("primary", "junior_secondary", "other", UNKNOWN),
}
#: Column that the last column's learners are counted with where they are too few: a reader is
#: told, and the group in first place stays what it is.
FOLD_INTO = {"gender": 1, "age": 1, "need": 1, "means": 2, "stage": 2}

Path = tuple[str, ...]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Frame:
    """The cells of one map.

    Attributes
    ----------
    levels : tuple of str
        Those that the data have, from the top.
    units : tuple of paths
        The province first, parents before children, each level in alphabetical order.
    terms : tuple of str
        Such as "2014-10", in order of time; `UNKNOWN`, where it occurs, comes last.
    stages : mapping of str to int
        Course id -> ISCED 2011 level towards which it counts.
    fold : mapping of str to int
        Group -> depth of path from which on its last column is counted with another.
    """

    levels: tuple[str, ...]
    units: tuple[Path, ...]
    terms: tuple[str, ...]
    stages: Mapping[str, int]
    fold: Mapping[str, int]

    @classmethod
    def of(
        cls,
        levels: Iterable[str],
        leaves: Iterable[Path],
        terms: Iterable[str],
        stages: Mapping[str, int],
        fold: Mapping[str, int] | None = None,
    ) -> Frame:
        """Build the frame over `leaves`, the units of the lowest level."""
        paths = {leaf[:depth] for leaf in leaves for depth in range(len(leaf) + 1)} | {()}
        ordered = sorted(set(terms) - {UNKNOWN}) + sorted(set(terms) & {UNKNOWN})
        units = tuple(sorted(paths, key=lambda path: (len(path), path)))
        return cls(tuple(levels), units, tuple(ordered), dict(stages), dict(fold or {}))

    @cached_property
    def number(self) -> dict[Path, int]:
        """Place of each unit in `units`."""
        return {path: place for place, path in enumerate(self.units)}

    @cached_property
    def parents(self) -> IntArray:
        """Place of each unit's parent, shape (units,); -1 for the province."""
        return np.array([self.number[path[:-1]] if path else -1 for path in self.units], np.int64)

    @cached_property
    def depths(self) -> IntArray:
        """Length of each unit's path, shape (units,)."""
        return np.array([len(path) for path in self.units], np.int64)

    @cached_property
    def tables(self) -> dict[str, slice]:
        """Columns of each table: `total` is one column, `term` and each group have several."""
        found, start = {}, 0
        sizes = {"total": 1, "term": len(self.terms), **{g: len(c) for g, c in GROUPS.items()}}
        for name, size in sizes.items():
            found[name] = slice(start, start + size)
            start += size
        return found

    @property
    def width(self) -> int:
        """Columns of all tables together."""
        return max(columns.stop for columns in self.tables.values())

    def children(self, unit: int) -> IntArray:
        """Places of a unit's children."""
        return np.flatnonzero(self.parents == unit)

    def folded(self, table: str, depth: int) -> bool:
        """Whether units at `depth` count a group's last column with another."""
        return table in self.fold and depth >= self.fold[table]

    def fold_cells(self, cells: npt.NDArray[Any], table: str, depth: int) -> npt.NDArray[Any]:
        """Return one table's `cells`, shape (units, columns, ...), as told at `depth`."""
        if not self.folded(table, depth):
            return cells
        moved = cells.copy()
        moved[:, FOLD_INTO[table]] += moved[:, -1]
        moved[:, -1] = 0
        return moved

    def fold_columns(self, columns: IntArray, table: str, depth: int) -> IntArray:
        """Return each row's column of one table (of all tables' columns) as told at `depth`."""
        if not self.folded(table, depth):
            return columns
        own = self.tables[table]
        return np.where(columns == own.stop - 1, own.start + FOLD_INTO[table], columns)

    def to_json(self) -> dict[str, Any]:
        """Return the frame as a message carries it."""
        return {
            "levels": list(self.levels),
            "units": [list(path) for path in self.units],
            "terms": list(self.terms),
            "stages": dict(self.stages),
            "fold": dict(self.fold),
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Frame:
        """Read what `to_json` wrote."""
        units = tuple(tuple(map(str, path)) for path in said["units"])
        return cls(tuple(said["levels"]), units, tuple(said["terms"]), said["stages"], said["fold"])


def columns_of(
    frame: Frame, term: Sequence[str], groups: Mapping[str, npt.NDArray[np.int64]]
) -> dict[str, IntArray]:
    """Return each row's column (of all tables' columns) in each table, shape (rows,).

    Parameters
    ----------
    frame : Frame
    term : sequence of str, shape (rows,)
    groups : mapping of str to int array, shape (rows,)
        Place in `GROUPS[name]`.
    """
    place = {name: number for number, name in enumerate(frame.terms)}
    of_term = np.fromiter((place[name] for name in term), np.int64, len(term))
    columns = {"total": np.zeros(len(term), np.int64), "term": of_term, **groups}
    return {name: frame.tables[name].start + columns[name] for name in frame.tables}
