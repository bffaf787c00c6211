"""A finished certifying job as the run report: that of early warning, and a section `certify`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edufed.certify.conformal import FAIL, KINDS, PASS, RESULTS, covered, interval
from edufed.metrics import metrics_from_summary
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
        **section(outcome.findings, outcome.hello, task.coverage),
    }
    return Report.model_validate({**report.model_dump(), "certify": said})


def section(
    findings: Findings, hello: Mapping[str, Mapping[str, Any]], nominal: float
) -> dict[str, Any]:
    """Everything that was found of coverage: over all, by education type, by region."""
    total = findings.sets.sum(axis=0)
    regions = [
        _region(site, str(hello[site]["education"]), own, nominal)
        for site, own in sorted(findings.sites.items())
    ]
    told = [row for row in regions if row["coverage"] is not None]
    return {
        "calibration": _calibration(findings),
        "overall": _coverage(total[_NOW]) | {"by_result": _by_result(total[_NOW])},
        "earlier": _coverage(total[_EARLIER]),
        "education": [
            {"education": name, **_coverage(findings.sets[place, _NOW])}
            for place, name in enumerate(findings.types)
        ],
        "regions": regions,
        "within": sum(row["within"] for row in told),
        "within_by_earlier": sum(row["within_by_earlier"] for row in told),
        "told": len(told),
        "probability": metrics_from_summary(findings.probability),
    }


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


def _coverage(sets: npt.NDArray[np.integer]) -> dict[str, Any]:
    """Return a tally's coverage, its exact interval, and the shares of the kinds of sets."""
    n, right = covered(sets)
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


def _region(site: str, education: str, own: Mapping[str, Any], nominal: float) -> dict[str, Any]:
    """Return one site's row; its figures are null where it has too few test learners to tell."""
    if own.get("sets") is None:
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
