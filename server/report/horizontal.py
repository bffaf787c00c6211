"""A finished horizontal job as the run report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from edufed.arrays import Arrays
from edufed.config import Job
from edufed.metrics import Metrics, calibration_curve, caseload_curve, metrics_from_summary
from server.federation import Federation
from server.report.contract import Report
from server.report.parts import (
    SCORES,
    calibration_points,
    course_part,
    delta_of,
    job_part,
    points,
    round_part,
    secagg_part,
)
from server.report.private import dp_part, ledger_part
from server.strategies.horizontal import Outcome

Summary = npt.NDArray[np.float64]


class Exact(Protocol):
    """Exact test summaries by site, as a simulation may compute them beside a private job."""

    @property
    def federated(self) -> Mapping[str, Summary]:
        """Under the job's model."""
        ...

    @property
    def rule(self) -> Mapping[str, Summary]:
        """Under the rule."""
        ...

    @property
    def local(self) -> Mapping[str, Summary]:
        """Under each site's own model."""
        ...

    @property
    def pooled(self) -> Mapping[str, Summary]:
        """Under the model trained on all sites' rows."""
        ...


def build_report(
    federation: Federation,
    outcome: Outcome,
    seconds: float,
    pooled: Mapping[str, Summary] | None = None,
    exact: Exact | None = None,
) -> Report:
    """Put together the report of a horizontal job.

    Parameters
    ----------
    federation : Federation
    outcome : Outcome
    seconds : float
        Of the whole job.
    pooled : mapping of str to summary, optional
        Research mode: each site's test summary under the model trained on all sites' rows.
    exact : Exact, optional
        Simulation in research mode, of a job with differential privacy: scores that no message
        held, in place of the noisy ones.
    """
    job = federation.job
    summaries = outcome.summaries
    if exact is not None:
        summaries = {"test": sum_of(exact.federated), "rule": sum_of(exact.rule)}
    federated = metrics_from_summary(summaries["test"])
    in_pool = metrics_from_summary(sum_of(pooled)) if pooled else None
    sites = [_site(name, outcome, pooled, exact) for name in outcome.hello]
    local = [site["local"] for site in sites if site["local"] is not None]
    ranked = [s for s in sites if s["federated"] and s["federated"]["roc_auc"] is not None]
    worst = min(ranked, key=lambda s: s["federated"]["roc_auc"], default=None)
    return Report.model_validate(
        {
            "job": job_part(job),
            "metrics": {
                "federated": {**federated, **_released(outcome, exact)},
                "pooled": in_pool,
                "local": _mean(local) if local else None,
            },
            "delta": delta_of(federated, in_pool),
            "sites": sites,
            "rounds": [
                round_part(r.number, r, loss=r.loss, roc_auc=r.roc_auc) for r in outcome.rounds
            ],
            **course_part(
                federation,
                seconds,
                outcome.phases,
                len(outcome.rounds),
                stopped_by=outcome.stopped_by,
                best_round=outcome.best_round,
            ),
            "privacy": _privacy(job, outcome, exact is not None),
            "quality": [
                meta["quality"] for meta in outcome.hello.values() if outcome.private is None
            ],
            "worst_site": (
                {"site": worst["site"], "roc_auc": worst["federated"]["roc_auc"]} if worst else None
            ),
            "baselines": {"rule": _rule(job, summaries.get("rule"))},
            "curves": _curves(summaries, pooled),
            "warnings": _warnings(outcome),
            "fairness": outcome.fairness,
        }
    )


def build_private_report(
    federation: Federation, outcome: Outcome, seconds: float, exact: Exact | None = None
) -> Report:
    """Put together the report of a job with differential privacy; see `build_report`."""
    pooled = exact.pooled if exact is not None else None
    return build_report(federation, outcome, seconds, pooled, exact)


def sum_of(summaries: Mapping[str, Summary]) -> Summary:
    """Add up score summaries in their sites' alphabetical order."""
    return cast(Summary, np.sum([summaries[site] for site in sorted(summaries)], axis=0))


def _privacy(job: Job, outcome: Outcome, exact: bool) -> dict[str, Any]:
    private = outcome.private
    return {
        "secagg": secagg_part(job, "every update, mean and histogram"),
        "he": outcome.encrypted,
        "dp": dp_part(private, exact) if private is not None else None,
        "ledger": ledger_part(private) if private is not None else [],
    }


def _released(outcome: Outcome, exact: Exact | None) -> dict[str, bool]:
    """Under differential privacy: whether the scores are those that the job itself gives."""
    return {} if outcome.private is None else {"released": exact is None}


def _rule(job: Job, summary: Summary | None) -> dict[str, Any] | None:
    if summary is None:
        return None
    name = f"no visit for {job.early_warning.absent_days:g} days"
    return {"name": name, **metrics_from_summary(summary)}


def _site(
    name: str, outcome: Outcome, pooled: Mapping[str, Summary] | None, exact: Exact | None
) -> dict[str, Any]:
    meta, own = outcome.hello[name], dict(outcome.metrics.get(name, {}))
    if exact is not None and name in exact.federated:
        own["federated"] = metrics_from_summary(exact.federated[name])
        own["local"] = metrics_from_summary(exact.local[name])
    return {
        "site": name,
        "n_train": meta.get("n_train"),
        "n_test": meta.get("n_test"),
        "status": "ok" if name in outcome.metrics else "left out",
        "federated": own.get("federated"),
        "local": own.get("local"),
        "pooled": metrics_from_summary(pooled[name]) if pooled and name in pooled else None,
    }


def _mean(metrics: list[Metrics]) -> dict[str, float | None]:
    """Mean of each score over the sites where it is defined."""
    means: dict[str, float | None] = {}
    for score in SCORES:
        values = [cast(float, m[score]) for m in metrics if m[score] is not None]  # type: ignore[literal-required]
        means[score] = sum(values) / len(values) if values else None
    return means


def _curves(summaries: Arrays, pooled: Mapping[str, Summary] | None) -> dict[str, Any]:
    federated = summaries["test"]
    by_training = {"federated": federated, "pooled": sum_of(pooled) if pooled else None}
    return {
        "calibration": {
            name: None if summary is None else calibration_points(calibration_curve(summary))
            for name, summary in by_training.items()
        },
        "caseload": {
            name: None if summary is None else points(caseload_curve(summary))
            for name, summary in {**by_training, "rule": summaries.get("rule")}.items()
        },
    }


def _warnings(outcome: Outcome) -> list[str]:
    warnings = []
    for site, meta in outcome.hello.items():
        if meta.get("n_train") == 0:
            warnings.append(f"site {site} has no learner to train on")
        own = outcome.metrics.get(site)
        if own and own["federated"]["roc_auc"] is None:
            warnings.append(f"site {site} has test learners of one class only, or none")
    return warnings
