"""A finished quality map as the run report; the map itself is its section `quality_map`."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from edufed.config.task import QualityMapSettings
from edufed.quality.estimates import (
    Standing,
    changes,
    equity,
    figures,
    notable,
    parities,
    standing,
    theil_by_level,
)
from edufed.quality.frame import FOLD_INTO, GROUPS, UNKNOWN
from edufed.quality.measures import MEASURES, NAMES
from server.federation import Federation
from server.report.contract import Report
from server.report.parts import cost_part, course_part, job_part, secagg_part
from server.strategies.quality_map import Outcome


def build_map_report(federation: Federation, outcome: Outcome, seconds: float) -> Report:
    """Put together the report of a quality map.

    Parameters
    ----------
    federation : Federation
    outcome : Outcome
    seconds : float
        Of the whole job.
    """
    job = federation.job
    assert isinstance(job.task, QualityMapSettings)
    return Report.model_validate(
        {
            "job": {**job_part(job), "model": None, "strategy": None},
            "metrics": {},
            "sites": [{"site": site, "status": "ok"} for site in outcome.hello],
            "rounds": [
                {"round": number, **cost_part(cost)}
                for number, cost in enumerate(outcome.exchanges, start=1)
            ],
            **course_part(federation, seconds, outcome.phases, len(outcome.exchanges)),
            "privacy": {
                "secagg": secagg_part(job, "every count and sum"),
                "he": outcome.encrypted,
            },
            "quality": [meta["quality"] for meta in outcome.hello.values()],
            "quality_map": section(outcome, job.task.min_cohort),
        }
    )


def section(outcome: Outcome, least: int) -> dict[str, Any]:
    """Everything that is told, and how much is not.

    Parameters
    ----------
    outcome : Outcome
    least : int
        Fewest learners behind a figure.
    """
    frame, told = outcome.frame, outcome.told
    shown = [unit for unit in range(len(frame.units)) if told.totals[unit] and _size(outcome, unit)]
    ranks = _standings(outcome)
    units = [_unit(outcome, unit, ranks) for unit in shown]
    _mark_notable(units)
    return {
        "levels": list(frame.levels),
        "terms": [term for term in frame.terms if term != UNKNOWN],
        "measures": [{"name": measure.name, "kind": measure.kind} for measure in MEASURES],
        "groups": {name: list(columns) for name, columns in GROUPS.items()},
        "min_cohort": least,
        "units": units,
        "equity": equity(frame, outcome.sums, told),
        "theil": theil_by_level(frame, outcome.sums, told),
        "withheld": _withheld(outcome),
        "folded": {
            table: {
                "from": ("province", *frame.levels)[depth],
                "into": GROUPS[table][FOLD_INTO[table]],
            }
            for table, depth in frame.fold.items()
        },
    }


def _standings(outcome: Outcome) -> list[dict[str, tuple[Standing, dict[int, int]]]]:
    """By depth and measure: how the units stand, and each unit's place in the arrays."""
    found = []
    for depth in range(len(outcome.frame.levels) + 1):
        units = np.flatnonzero(outcome.frame.depths == depth)
        place = {int(unit): number for number, unit in enumerate(units)}
        found.append(
            {
                name: (
                    standing(outcome.sums[units, 0, m], outcome.told.measures[units, m]),
                    place,
                )
                for m, name in enumerate(NAMES)
            }
        )
    return found


def _size(outcome: Outcome, unit: int) -> int:
    return int(outcome.counts[unit, 0])


def _unit(
    outcome: Outcome, unit: int, ranks: list[dict[str, tuple[Standing, dict[int, int]]]]
) -> dict[str, Any]:
    frame, told = outcome.frame, outcome.told
    path = frame.units[unit]
    measures = figures(outcome.sums[unit, 0], told.measures[unit])
    for name, figure in measures.items():
        if figure is not None:
            stands, place = ranks[len(path)][name]
            figure |= standing_at(stands, place[unit])
    terms = told.rows["term"][unit]
    term_cells = outcome.sums[unit, frame.tables["term"]]
    return {
        "id": unit,
        "parent": int(frame.parents[unit]) if path else None,
        "level": ("province", *frame.levels)[len(path)],
        "path": list(path),
        "learners": _size(outcome, unit),
        "measures": measures,
        "terms": _row(outcome, unit, "term", frame.terms) if terms else None,
        "change": (changes(frame, term_cells, told.broken_down["term"]) if terms else None),
        "groups": {
            group: _row(outcome, unit, group, names) if told.rows[group][unit] else None
            for group, names in GROUPS.items()
        },
        "parity": {
            group: (
                parities(outcome.sums[unit, frame.tables[group]], told.broken_down[group])
                if told.rows[group][unit] and group != "stage"
                else None
            )
            for group in GROUPS
        },
    }


def standing_at(stands: Standing, at: int) -> dict[str, Any]:
    """Say how the unit in one place of the arrays stands among those of its level."""
    return {
        "estimate": float(stands.shrunken.estimate[at]),
        "error": float(stands.shrunken.error[at]),
        "low": float(stands.low[at]),
        "high": float(stands.high[at]),
        "rank": [int(stands.first[at]), int(stands.last[at])],
    }


def _row(outcome: Outcome, unit: int, table: str, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """One unit's row of one table; columns without a learner are left out."""
    frame = outcome.frame
    columns = frame.tables[table]
    counts = frame.fold_cells(
        outcome.counts[unit : unit + 1, columns], table, len(frame.units[unit])
    )[0]
    cells = outcome.sums[unit, columns]
    return [
        {
            "name": name,
            "learners": int(counts[column]),
            "measures": figures(cells[column], outcome.told.broken_down[table]),
        }
        for column, name in enumerate(names)
        if counts[column]
    ]


def _mark_notable(units: list[dict[str, Any]]) -> None:
    """Say which changes stand out among all of one level and measure."""
    tests: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for unit in units:
        for name, change in (unit["change"] or {}).items():
            if change is not None:
                tests[unit["level"], name].append(change)
    for family in tests.values():
        marks = notable(np.array([change["p"] for change in family]))
        for change, mark in zip(family, marks, strict=True):
            change["notable"] = bool(mark)


def _withheld(outcome: Outcome) -> dict[str, Any]:
    """How many figures are not told, by level: units, measures of told units, rows of tables."""
    frame, told = outcome.frame, outcome.told
    there = outcome.counts[:, 0] > 0
    found = []
    for depth, level in enumerate(("province", *frame.levels)):
        ours = there & (frame.depths == depth)
        shown = ours & told.totals
        found.append(
            {
                "level": level,
                "units": int(ours.sum()),
                "told": int(shown.sum()),
                "measures": {
                    name: int((shown & ~told.measures[:, m]).sum()) for m, name in enumerate(NAMES)
                },
                "tables": {table: int((shown & ~rows).sum()) for table, rows in told.rows.items()},
            }
        )
    left_out = {
        table: [name for name, kept in zip(NAMES, told.broken_down[table], strict=True) if not kept]
        for table in told.rows
    }
    return {"levels": found, "not_broken_down": left_out}
