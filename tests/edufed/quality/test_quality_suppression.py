"""Nothing that is not told can be worked out: linear programming bounds every withheld cell.

A reader knows every told count and sum, that cells add up, and that nothing is negative. Over all
tables that agree with that, the smallest and largest value of each withheld cell are found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import csr_matrix

from edufed.quality import travel
from edufed.quality.frame import FOLD_INTO, GROUPS, LEVELS, Frame
from edufed.quality.measures import COUNT, MEASURES, NAMES, SUM, SUMS
from edufed.quality.rows import Rows
from edufed.quality.told import Told, by_counts, by_sums, folding

LEAST = 5
#: Tables and measures that the reader in this test makes use of; all others are alike.
TABLES, MEASURED = ("term", "gender"), ("pass_rate", "score")
TERMS = ("2024-02", "2024-09", "2025-02")


def world(seed: int, units: int, learners: int, certain: float) -> Rows:
    """Draw learners of uneven units, some of which all pass or are all in one term."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(units, 0.6))
    leaf = rng.choice(units, size=learners, p=weights)
    names = np.array([f"{n:02d}" for n in range(units)])
    skill = np.where(rng.random(units) < certain, rng.integers(0, 2, units), rng.random(units))
    term_of = rng.dirichlet(np.full(len(TERMS), 0.7), size=units)
    term = np.array([rng.choice(len(TERMS), p=term_of[u]) for u in leaf])
    passed = (rng.random(learners) < skill[leaf]).astype(float)
    passed[rng.random(learners) < 0.1] = np.nan
    score = np.where(rng.random(learners) < 0.2, np.nan, np.round(rng.random(learners), 1))
    measures = {name: np.full(learners, np.nan) for name in NAMES}
    measures |= {"pass_rate": passed, "score": score}
    groups = {
        name: rng.choice(len(columns), size=learners, p=_shares(len(columns)))
        for name, columns in GROUPS.items()
        if name != "stage"
    }
    return Rows(
        places={
            "region": np.array([f"r{n}" for n in (leaf % 3)]),
            "district": np.array([f"d{n}" for n in (leaf % 2)]),
            "school": names[leaf],
            "class": np.array([""] * learners),
        },
        learner=np.arange(learners),
        course=np.array(["c"] * learners),
        term=np.array(TERMS)[term],
        groups=groups,
        measures=measures,
        stages={},
    )


def _shares(columns: int) -> list[float]:
    return [0.96 / (columns - 1)] * (columns - 1) + [0.04]


@dataclass
class Map:
    """A world as it is and as it is told."""

    frame: Frame
    counts: npt.NDArray[np.int64]
    sums: npt.NDArray[np.float64]
    told: Told


def draw(rows: Rows, least: int = LEAST, levels: int = 3) -> Map:
    named = LEVELS[:levels]
    leaves = set(zip(*(rows.places[level].tolist() for level in named), strict=True))
    frame = Frame.of(named, leaves, rows.term.tolist(), {})
    counts = travel.counts(rows, frame)
    folded = folding(frame, counts, least)
    first = by_counts(folded, counts, least)
    asked = first.cells(folded)
    sums = np.zeros((*counts.shape, len(MEASURES), SUMS))
    sums[asked] = travel.sums(rows, folded, asked)
    return Map(folded, counts, sums, by_sums(folded, counts, sums, first, least))


class Reader:
    """Linear constraints that hold for whoever reads the map.

    A learner of a measure is in one of three classes: what adds to its sum, what has a value and
    does not, and who has none. Amounts of class, leaf, table and column are the unknowns.
    """

    def __init__(self, told: Map) -> None:
        self.map, self.frame = told, told.frame
        frame = self.frame
        self.leaves = np.flatnonzero(frame.depths == len(frame.levels))
        self.columns = {table: len(range(*frame.tables[table].indices(99))) for table in TABLES}
        self.start, size = {}, 0
        for m in MEASURED:
            for table in TABLES:
                self.start[m, table] = size
                size += 3 * len(self.leaves) * self.columns[table]
        self.size = size
        self.equations: list[tuple[npt.NDArray[np.float64], float]] = []
        self._alike()
        self._told()

    def below(self, unit: int) -> list[int]:
        path = self.frame.units[unit]
        return [
            place
            for place, leaf in enumerate(self.leaves)
            if self.frame.units[leaf][: len(path)] == path
        ]

    def row(self, m: str, table: str, unit: int, columns: list[int], classes: tuple[int, ...]):
        """Coefficients of a unit's learners of some classes in some columns of a table."""
        found = np.zeros(self.size)
        width = self.columns[table]
        for leaf in self.below(unit):
            for cls in classes:
                for column in columns:
                    place = (cls * len(self.leaves) + leaf) * width + column
                    found[self.start[m, table] + place] = 1
        return found

    def _alike(self) -> None:
        """Number of learners is the same by every measure, each class's by every table."""
        for leaf in self.leaves:
            for table in TABLES:
                for column in range(self.columns[table]):
                    one, other = (self.row(m, table, leaf, [column], (0, 1, 2)) for m in MEASURED)
                    self.equations.append((one - other, 0.0))
            for m in MEASURED:
                for cls in range(3):
                    one, other = (
                        self.row(m, table, leaf, list(range(self.columns[table])), (cls,))
                        for table in TABLES
                    )
                    self.equations.append((one - other, 0.0))

    def _told(self) -> None:
        told, counts, sums = self.map.told, self.map.counts, self.map.sums
        every = {table: list(range(self.columns[table])) for table in TABLES}
        for unit in range(len(self.frame.units)):
            if told.totals[unit]:
                row = self.row(MEASURED[0], TABLES[0], unit, every[TABLES[0]], (0, 1, 2))
                self.equations.append((row, counts[unit, 0]))
            for m in MEASURED:
                if told.measures[unit, NAMES.index(m)]:
                    self._measure(m, TABLES[0], unit, every[TABLES[0]], sums[unit, 0])
            for table in TABLES:
                if not told.rows[table][unit]:
                    continue
                for columns, cell, learners in cells(self.map, table, unit):
                    row = self.row(MEASURED[0], table, unit, columns, (0, 1, 2))
                    self.equations.append((row, learners))
                    for m in MEASURED:
                        if told.broken_down[table][NAMES.index(m)]:
                            self._measure(m, table, unit, columns, cell)

    def _measure(self, m: str, table: str, unit: int, columns: list[int], cell) -> None:
        sums = cell[NAMES.index(m)]
        self.equations.append((self.row(m, table, unit, columns, (0,)), sums[SUM]))
        self.equations.append((self.row(m, table, unit, columns, (0, 1)), sums[COUNT]))

    @cached_property
    def constraints(self) -> tuple[csr_matrix, list[float]]:
        return csr_matrix(np.stack([row for row, _ in self.equations])), [
            float(value) for _, value in self.equations
        ]

    def bounds(self, row: npt.NDArray[np.float64]) -> tuple[float, float]:
        matrix, right = self.constraints
        found = []
        for sign in (1, -1):
            solved = linprog(sign * row, A_eq=matrix, b_eq=right, method="highs")
            assert solved.status == 0, solved.message
            found.append(sign * solved.fun)
        return found[0], found[1]


def cells(drawn: Map, table: str, unit: int) -> Iterator[tuple[list[int], npt.NDArray, int]]:
    """Yield a told row's columns, each with those folded into it, its sums and learners."""
    frame = drawn.frame
    columns = frame.tables[table]
    folded = frame.folded(table, int(frame.depths[unit]))
    last = columns.stop - columns.start - 1
    for column in range(last + 1):
        if folded and column == last:
            continue
        together = [column, last] if folded and column == FOLD_INTO[table] else [column]
        learners = int(drawn.counts[unit, [columns.start + c for c in together]].sum())
        yield together, drawn.sums[unit, columns.start + column], learners


def withheld(drawn: Map) -> Iterator[tuple[str, int, list[int]]]:
    """Yield table, unit and columns of every cell whose number of learners is not told."""
    for unit in range(len(drawn.frame.units)):
        if not drawn.told.totals[unit]:
            yield "total", unit, []
        for table in TABLES:
            if not drawn.told.rows[table][unit]:
                for columns, _, _ in cells(drawn, table, unit):
                    yield table, unit, columns


worlds = st.builds(
    world,
    st.integers(0, 10**6),
    units=st.integers(3, 9),
    learners=st.integers(20, 160),
    certain=st.sampled_from([0.0, 0.3]),
)


@pytest.mark.parametrize("seed", [0, 1, 5, 11, 14])
def test_no_withheld_cell_can_be_worked_out(seed: int) -> None:
    rows = world(seed, units=3 + seed % 4, learners=40 + 8 * seed, certain=0.3 * (seed % 2))
    drawn = draw(rows)
    reader = Reader(drawn)
    told, counts = drawn.told, drawn.counts
    assert told.totals[0]
    for table, unit, columns in withheld(drawn):
        at, wide = TABLES[0] if table == "total" else table, columns
        if table == "total":
            wide = list(range(reader.columns[at]))
        learners = int(counts[unit, [drawn.frame.tables[at].start + c for c in wide]].sum())
        # Where there is nobody, there is nobody to protect; and learners in one column alone are
        # their unit's told total.
        if learners == 0 or (told.totals[unit] and learners == counts[unit, 0]):
            continue
        low, high = reader.bounds(reader.row(MEASURED[0], at, unit, wide, (0, 1, 2)))
        where = (table, drawn.frame.units[unit], columns, learners, low, high)
        assert high - low > 1, where
        for m in MEASURED:
            values = _values(rows, drawn, table, unit, columns)[m]
            if len(values) and told.measures[0, NAMES.index(m)]:
                low, high = reader.bounds(reader.row(m, at, unit, wide, (0,)))
                assert high - low > 1e-6, (m, *where)


def _values(rows: Rows, drawn: Map, table: str, unit: int, columns: list[int]) -> dict:
    """Return the known values of the learners in a cell, by measure."""
    inside = np.ones(len(rows), dtype=bool)
    path = drawn.frame.units[unit]
    for level, name in zip(drawn.frame.levels, path, strict=False):
        inside &= rows.places[level] == name
    if table == "term":
        inside &= np.isin(rows.term, [drawn.frame.terms[c] for c in columns])
    elif table != "total":
        inside &= np.isin(rows.groups[table], columns)
    found = {m: rows.measures[m][inside] for m in MEASURED}
    return {m: values[~np.isnan(values)] for m, values in found.items()}


@pytest.mark.parametrize("seed", range(8))
def test_no_withheld_measure_of_a_told_unit_can_be_worked_out(seed: int) -> None:
    rows = world(seed, units=8, learners=150, certain=0.5)
    drawn = draw(rows)
    reader = Reader(drawn)
    wide = list(range(reader.columns["term"]))
    for unit in np.flatnonzero(drawn.told.totals):
        for m in MEASURED:
            place = NAMES.index(m)
            values = _values(rows, drawn, "total", int(unit), [])[m]
            if drawn.told.measures[unit, place] or not drawn.told.measures[0, place]:
                continue
            if len(values):
                low, high = reader.bounds(reader.row(m, "term", int(unit), wide, (0,)))
                assert high - low > 1e-6, (m, drawn.frame.units[unit], len(values))


@given(worlds)
def test_what_is_told_is_of_enough_learners_who_differ(rows: Rows) -> None:
    drawn = draw(rows)
    told, frame = drawn.told, drawn.frame
    assert (drawn.counts[told.totals, 0] >= LEAST).all()
    assert not told.measures[~told.totals].any()
    for table, units in told.rows.items():
        assert not (units & ~told.totals).any()
        for unit in np.flatnonzero(units):
            assert unit == 0 or units[frame.parents[unit]]
            for _, cell, learners in cells(drawn, table, int(unit)):
                assert learners == 0 or learners >= LEAST
                for place in np.flatnonzero(told.broken_down[table]):
                    assert cell[place, COUNT] == 0 or cell[place, COUNT] >= LEAST


def test_without_the_complement_the_reader_finds_the_small_cell() -> None:
    """The reader of this test is no fool: told what suppression withholds, they work it out."""
    rows = world(3, units=6, learners=120, certain=0.0)
    drawn = draw(rows)
    hidden = np.flatnonzero(~drawn.told.totals)
    small_ones = hidden[drawn.counts[hidden, 0] < LEAST]
    assert len(small_ones), "a world with a small unit"
    naive = replace(drawn.told, totals=drawn.counts[:, 0] >= LEAST)
    reader = Reader(replace(drawn, told=naive))
    (unit, *_) = small_ones
    low, high = reader.bounds(
        reader.row(MEASURED[0], "term", int(unit), list(range(reader.columns["term"])), (0, 1, 2))
    )
    assert high - low < LEAST
