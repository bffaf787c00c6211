"""A finished certifying job as the run report: that of early warning, and a section `certify`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edufed.certify.conformal import FAIL, KINDS, PASS, RESULTS, covered, interval
from edufed.metrics import metrics_from_summary
from edufed.quality.suppression import close, enough
from server.federation import Federation
from server.report import horizontal
from server.report.contract import Report
from server.strategies.certify import Findings, Outcome

Summary = npt.NDArray[np.float64]
#: In the findings' sets: bounds of the same time, and of earlier courses.
_NOW, _EARLIER = 0, 1
#: Coverage is to be within so many points of nominal.
POINTS = 0.02


def build_report(
    federation: Federation,
    outcome: Outcome,
    seconds: float,
    pooled: Mapping[str, Summary] | None = None,
) -> Report:
    """Put together the report of a certifying job; parameters as `horizontal.build_report`."""
    report = horizontal.build_report(federation, outcome, seconds, pooled)
    assert outcome.findings is not None
    task = federation.job.certify
    said = {
        "coverage": task.coverage,
        "cutoff_day": task.cutoff_day,
        "folds": task.folds,
        "quantiles": task.quantiles,
        "points": POINTS,
        **section(outcome.findings, outcome.hello, task.coverage, task.min_cohort),
    }
    return Report.model_validate({**report.model_dump(), "certify": said})


def section(
    findings: Findings, hello: Mapping[str, Mapping[str, Any]], nominal: float, least: int
) -> dict[str, Any]:
    """Everything that was found of coverage: over all, by education type, by region.

    Nothing is told of fewer than `least` learners, nor what that would follow from.
    """
    total = findings.sets.sum(axis=0)
    of_type = {site: str(hello[site]["education"]) for site in sorted(findings.sites)}
    types, sites = told(findings, of_type, least)
    regions = [
        _region(site, kind, findings.sites[site], nominal, site in sites)
        for site, kind in of_type.items()
    ]
    shown = [row for row in regions if row["coverage"] is not None]
    return {
        "calibration": _calibration(findings),
        "overall": _coverage(total[_NOW]) | {"by_result": _by_result(total[_NOW])},
        "earlier": _coverage(total[_EARLIER]),
        "education": [
            {"education": name, **_coverage(findings.sets[place, _NOW], name in types)}
            for place, name in enumerate(findings.types)
        ],
        "regions": regions,
        "within": sum(row["within"] for row in shown),
        "within_by_earlier": sum(row["within_by_earlier"] for row in shown),
        "told": len(shown),
        "probability": metrics_from_summary(findings.probability),
    }


def told(findings: Findings, of_type: Mapping[str, str], least: int) -> tuple[set[str], set[str]]:
    """Return the education types and the sites whose coverage is told.

    The figures over all are told, so those of a type or site that is too small must not follow from
    them and its siblings'; see `edufed.quality.suppression`.
    """
    sizes = {site: float(findings.sites[site]["n"]) for site in of_type}
    of_types = findings.sets[:, _NOW].sum(axis=(1, 2)).astype(np.float64)
    types = _told(findings.types, of_types, set(findings.types), least)
    said = {site for site in of_type if findings.sites[site].get("sets") is not None}
    families = [{name} for name in sorted(types)] + [set(findings.types) - types]
    sites: set[str] = set()
    for family in families:
        own = [site for site, kind in of_type.items() if kind in family]
        sites |= _told(own, np.array([sizes[site] for site in own]), said, least)
    return types, sites


def _told(names: Sequence[str], sizes: Summary, allowed: set[str], least: int) -> set[str]:
    """Return those of one family, of so many learners each, that are told."""
    if not len(names):
        return set()
    may = np.array([name in allowed for name in names])
    cells = sizes[:, None]
    kept = close(cells.sum(axis=0), cells, sizes, may & (sizes > 0), enough(least))
    return {name for name, is_told in zip(names, kept, strict=True) if is_told}


def _calibration(findings: Findings) -> list[dict[str, Any]]:
    """Who calibrated: the groups, or the sites that did so by themselves."""
    if findings.groups:
        return [
            {"group": name, "passed": group.passed, "failed": group.failed}
            for name, group in findings.groups.items()
        ]
    return [
        {"group": site, "passed": own["calibration"][PASS], "failed": own["calibration"][FAIL]}
        for site, own in sorted(findings.sites.items())
        if own.get("calibration")
    ]


def _coverage(sets: npt.NDArray[np.integer], is_told: bool = True) -> dict[str, Any]:
    """Return a tally's coverage, its exact interval, and the shares of the kinds of sets.

    All but the number of learners is null where it is not to be told.
    """
    n, right = covered(sets)
    if not is_told:
        return {"n": n, **dict.fromkeys(("coverage", "low", "high", "sets"))}
    low, high = interval(right, n) if n else (0.0, 1.0)
    kinds = sets.sum(axis=0)
    shares = {kind: int(kinds[place]) / n if n else None for place, kind in enumerate(KINDS)}
    return {"n": n, "coverage": right / n if n else None, "low": low, "high": high, "sets": shares}


def _by_result(sets: npt.NDArray[np.integer]) -> dict[str, Any]:
    """Return coverage among those who passed, and among those who did not."""
    return {
        name: _coverage(np.where(np.arange(2)[:, None] == place, sets, 0))
        for place, name in enumerate(RESULTS)
    }


def _region(
    site: str, education: str, own: Mapping[str, Any], nominal: float, is_told: bool
) -> dict[str, Any]:
    """Return one site's row; its figures are null where they are not to be told."""
    if not is_told:
        names = ("coverage", "low", "high", "sets", "earlier")
        return {"site": site, "education": education, "n": own["n"], **dict.fromkeys(names)}
    found = _coverage(np.array(own["sets"]))
    earlier = _coverage(np.array(own["earlier"]))["coverage"]
    return {
        "site": site,
        "education": education,
        **found,
        "earlier": earlier,
        "within": abs(found["coverage"] - nominal) <= POINTS,
        "within_by_earlier": abs(earlier - nominal) <= POINTS,
    }
