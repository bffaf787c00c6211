"""A quality map with differential privacy as the run report: the same section, from noisy cells."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edufed.config.task import QualityMapSettings
from edufed.quality.estimates import Standing, standing_of
from edufed.quality.measures import MEASURES, NAMES
from edufed.quality.noisy import Noisy, parities, reason
from edufed.quality.private import BY_GROUP
from server.federation import Federation
from server.report.contract import Report
from server.report.parts import cost_part, course_part, modelless_job_part, secagg_part
from server.report.private import spent_at_sites, withheld_part
from server.report.quality_map import standing_at
from server.strategies.quality_map_dp import Outcome

#: Fields of the report that stay null or empty -> why, by language.
_WITHHELD = (
    (
        ["quality"],
        "Exact numbers of a site's rows stay at the site.",
        "记录行数的准确值不离开站点。",
    ),
    (
        ["quality_map.terms", "quality_map.units[].change", "quality_map.groups.stage"],
        "Which districts, schools, terms and stages there are depends on learners, so regions are"
        " sites, and nothing is told below or by term.",
        "有哪些区县、学校、学期和学段取决于学习者，因此每个站点为一个地区，不公布更低层级和各学期。",
    ),
    (
        ["quality_map.units[].groups", "quality_map.units[].parity"],
        "Groups are broken down for the province alone; by region the noise would be larger.",
        "群体只按全省分项；按地区分项噪声会更大。",
    ),
    (
        ["quality_map.theil", "quality_map.equity[].cv", "quality_map.equity[].gini"],
        "Theil's index takes sums that are not released, and noise alone makes regions differ, so"
        " of inequality only the estimate without chance and noise is told.",
        "泰尔指数需要未发布的总和；噪声本身会使地区之间出现差异，"
        "因此不均衡只公布去除偶然与噪声后的估计。",
    ),
)


def build_map_report(federation: Federation, outcome: Outcome, seconds: float) -> Report:
    """Put together the report of a noisy quality map; parameters as for one without noise."""
    job = federation.job
    return Report.model_validate(
        {
            "job": modelless_job_part(job),
            "metrics": {},
            "sites": [{"site": site, "status": "ok"} for site in outcome.sites],
            "rounds": [{"round": 1, **cost_part(outcome.exchange)}],
            **course_part(federation, seconds, outcome.phases, 1),
            "privacy": {
                "secagg": secagg_part(job, "every noisy sum"),
                "dp": {
                    **outcome.budget.report("regions"),
                    "unit": "learner",
                    "withheld": withheld_part(_WITHHELD),
                },
                "ledger": spent_at_sites(outcome.ledgers),
            },
            "quality": [],
            "quality_map": section(outcome, job.quality_map),
        }
    )


def section(outcome: Outcome, task: QualityMapSettings) -> dict[str, Any]:
    """Everything that is told, and why the rest is not."""
    root = _unit(0, None, [], outcome.province, 0, _standings(outcome.province))
    root["groups"] = _groups(outcome.groups) | {"stage": None}
    root["parity"] = parities(outcome.groups) | {"stage": None}
    units, untold = [root], []
    stands = _standings(outcome.regions)
    regions = outcome.regions
    for place, site in enumerate(outcome.sites):
        counts: dict[str | None, float] = dict(zip(NAMES, regions.counts[place], strict=True))
        if regions.learners[place] >= regions.least:
            units.append(_unit(place + 1, 0, [site], regions, place, stands))
        else:
            counts = {None: float(regions.learners[place])}  # the whole region
        untold += [
            {"unit": site, "measure": name, "reason": reason(count, task.min_cohort)}
            for name, count in counts.items()
            if count < regions.least
        ]
    return {
        "levels": ["region"],
        "terms": [],
        "measures": [{"name": measure.name, "kind": measure.kind} for measure in MEASURES],
        "groups": {name: list(columns) for name, columns in BY_GROUP.items()},
        "min_cohort": task.min_cohort,
        "units": units,
        "equity": _equity(outcome, stands),
        "theil": [],
        "withheld": _withheld(outcome),
        "folded": {},
        "private": {
            "most_courses": task.private.most_courses,
            "most_use": task.private.most_use,
            "least": {"region": outcome.regions.least, "group": outcome.groups.least},
            "count_deviation": {
                "province": outcome.province.count_noise,
                "region": outcome.regions.count_noise,
                "group": outcome.groups.count_noise,
            },
            "untold": untold,
        },
    }


def _standings(cells: Noisy) -> list[Standing]:
    """By measure, how the cells of one level stand."""
    found = []
    for m in range(len(NAMES)):
        told = cells.told[:, m]
        counts = np.where(told, cells.counts[:, m], 0.0)
        within = (
            float(np.average(cells.variances[:, m], weights=counts)) if told.any() else math.nan
        )
        means = np.where(told, cells.means[:, m], np.nan)
        found.append(standing_of(means, counts, within, cells.noise[:, m] ** 2))
    return found


def _unit(
    number: int,
    parent: int | None,
    path: list[str],
    cells: Noisy,
    place: int,
    stands: list[Standing],
) -> dict[str, Any]:
    measures = _figures(cells, place)
    for name, stand in zip(NAMES, stands, strict=True):
        figure = measures[name]
        if figure is not None:
            figure |= standing_at(stand, place)
    return {
        "id": number,
        "parent": parent,
        "level": "province" if parent is None else "region",
        "path": path,
        "learners": round(float(cells.learners[place])),
        "measures": measures,
        "terms": None,
        "change": None,
        "groups": dict.fromkeys([*BY_GROUP, "stage"]),
        "parity": dict.fromkeys([*BY_GROUP, "stage"]),
    }


def _figures(cells: Noisy, place: int) -> dict[str, dict[str, Any] | None]:
    """Count, mean, standard error and the noise's part of it; null where it is not told."""
    return {
        name: (
            {
                "n": round(float(cells.counts[place, m])),
                "mean": float(cells.means[place, m]),
                "se": float(cells.errors[place, m]),
                "noise": float(cells.noise[place, m]),
            }
            if cells.told[place, m]
            else None
        )
        for m, name in enumerate(NAMES)
    }


def _groups(cells: Noisy) -> dict[str, Any]:
    """The province's row of each group; columns of too few learners are left out."""
    found: dict[str, Any] = {}
    start = 0
    for group, columns in BY_GROUP.items():
        rows = [
            {
                "name": name,
                "learners": round(float(cells.learners[start + place])),
                "measures": _figures(cells, start + place),
            }
            for place, name in enumerate(columns)
            if cells.learners[start + place] >= cells.least
        ]
        found[group] = rows or None
        start += len(columns)
    return found


def _equity(outcome: Outcome, stands: list[Standing]) -> list[dict[str, Any]]:
    """Inequality between told regions, less what chance and noise make of it."""
    found = []
    for m, measure in enumerate(MEASURES):
        told = outcome.regions.told[:, m]
        stand = stands[m].shrunken
        if measure.kind == "change" or told.sum() < 2 or not stand.centre > 0:
            continue
        covered = outcome.regions.counts[told, m].sum() / outcome.province.counts[0, m]
        found.append(
            {
                "level": "region",
                "stage": None,
                "measure": measure.name,
                "units": int(told.sum()),
                "covered": float(covered),
                "cv": None,
                "cv_without_chance": math.sqrt(stand.between) / stand.centre,
                "gini": None,
                "threshold": None,
            }
        )
    return found


def _withheld(outcome: Outcome) -> dict[str, Any]:
    found = []
    for level, cells in (("province", outcome.province), ("region", outcome.regions)):
        shown = cells.learners >= cells.least
        found.append(
            {
                "level": level,
                "units": len(shown),
                "told": int(shown.sum()),
                "measures": {
                    name: int((shown & ~cells.told[:, m]).sum()) for m, name in enumerate(NAMES)
                },
                "tables": {},
            }
        )
    return {"levels": found, "not_broken_down": {}}
