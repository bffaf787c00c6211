"""A finished horizontal job as the run report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from edufed.config import Job
from edufed.config.job import SecAggSettings
from edufed.metrics import Metrics, calibration_curve, caseload_curve, metrics_from_summary
from server.federation import Federation
from server.report.contract import Report
from server.strategies.horizontal import Outcome

Summary = npt.NDArray[np.float64]
SCORES = ("roc_auc", "pr_auc", "brier", "ece", "precision_at_10", "recall_at_10")


def build_report(
    federation: Federation,
    outcome: Outcome,
    seconds: float,
    pooled: Mapping[str, Summary] | None = None,
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
    """
    job = federation.job
    federated = metrics_from_summary(outcome.summaries["test"])
    in_pool = metrics_from_summary(sum_of(pooled)) if pooled else None
    sites = [_site(name, outcome, pooled) for name in outcome.hello]
    local = [site["local"] for site in sites if site["local"] is not None]
    ranked = [s for s in sites if s["federated"] and s["federated"]["roc_auc"] is not None]
    worst = min(ranked, key=lambda s: s["federated"]["roc_auc"], default=None)
    return Report.model_validate(
        {
            "job": job_part(job),
            "metrics": {
                "federated": federated,
                "pooled": in_pool,
                "local": _mean(local) if local else None,
            },
            "delta": delta_of(federated, in_pool),
            "sites": sites,
            "rounds": [
                {
                    "round": r.number,
                    "seconds": r.seconds,
                    "bytes_up": r.bytes_up,
                    "bytes_down": r.bytes_down,
                    "messages": r.messages,
                    "metrics": {"loss": r.loss, "roc_auc": r.roc_auc},
                }
                for r in outcome.rounds
            ],
            "totals": {
                "rounds": len(outcome.rounds),
                "messages": federation.totals.messages,
                "bytes_up": federation.totals.bytes_up,
                "bytes_down": federation.totals.bytes_down,
                "seconds": seconds,
                "seconds_features": dict(outcome.phases).get("features"),
                "stopped_by": outcome.stopped_by,
                "best_round": outcome.best_round,
            },
            "privacy": _privacy(job, outcome),
            "quality": [meta["quality"] for meta in outcome.hello.values()],
            "worst_site": (
                {"site": worst["site"], "roc_auc": worst["federated"]["roc_auc"]} if worst else None
            ),
            "baselines": {
                "rule": {
                    "name": f"no visit for {job.early_warning.absent_days:g} days",
                    **metrics_from_summary(outcome.summaries["rule"]),
                }
            },
            "curves": _curves(outcome, pooled),
            "phases": [{"phase": name, "seconds": lap} for name, lap in outcome.phases],
            "exclusions": federation.exclusions,
            "refusals": federation.refusals,
            "warnings": _warnings(outcome),
        }
    )


def sum_of(summaries: Mapping[str, Summary]) -> Summary:
    """Add up score summaries in their sites' alphabetical order."""
    return cast(Summary, np.sum([summaries[site] for site in sorted(summaries)], axis=0))


def _privacy(job: Job, outcome: Outcome) -> dict[str, Any]:
    secagg = None
    if isinstance(job.privacy, SecAggSettings):
        secagg = {"threshold": job.privacy.threshold, "sums": "every update, mean and histogram"}
    return {"secagg": secagg, "he": outcome.encrypted, "dp": None, "ledger": []}


def job_part(job: Job) -> dict[str, Any]:
    """Say what was asked for."""
    return {
        "id": job.id,
        "scenario": job.scenario.name,
        "task": job.task.name,
        "data": job.data.name,
        "model": job.model.name,
        "strategy": job.strategy.name,
        "federation": job.federation.name,
        "config": job.model_dump(mode="json"),
    }


def _site(name: str, outcome: Outcome, pooled: Mapping[str, Summary] | None) -> dict[str, Any]:
    meta, own = outcome.hello[name], outcome.metrics.get(name, {})
    return {
        "site": name,
        "n_train": meta["n_train"],
        "n_test": meta["n_test"],
        "status": "ok" if own else "left out",
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


def delta_of(
    federated: Mapping[str, Any], pooled: Mapping[str, Any] | None
) -> dict[str, float | None] | None:
    """Precision loss: the distance from the pooled model on the same test learners."""
    if pooled is None:
        return None
    delta: dict[str, float | None] = {}
    for score in SCORES:
        ours, theirs = federated[score], pooled[score]
        delta[score] = abs(ours - theirs) if ours is not None and theirs is not None else None
    return delta


def _curves(outcome: Outcome, pooled: Mapping[str, Summary] | None) -> dict[str, Any]:
    federated = outcome.summaries["test"]
    by_training = {"federated": federated, "pooled": sum_of(pooled) if pooled else None}
    return {
        "calibration": {
            name: None if summary is None else _calibration(summary)
            for name, summary in by_training.items()
        },
        "caseload": {
            name: None if summary is None else points(caseload_curve(summary))
            for name, summary in {**by_training, "rule": outcome.summaries["rule"]}.items()
        },
    }


def _calibration(summary: Summary) -> list[dict[str, float]]:
    curve = calibration_curve(summary)
    # A group's border may fall inside a bin, which is then shared out: counts are not whole.
    whole = [float(round(n)) for n in curve["learners"]]
    return points({"predicted": curve["risk"], "observed": curve["observed"], "n": whole})


def points(curve: Mapping[str, list[float]]) -> list[dict[str, float]]:
    """Turn a curve's columns into its points."""
    return [dict(zip(curve, values, strict=True)) for values in zip(*curve.values(), strict=True)]


def _warnings(outcome: Outcome) -> list[str]:
    warnings = []
    for site, meta in outcome.hello.items():
        if not meta["n_train"]:
            warnings.append(f"site {site} has no learner to train on")
        own = outcome.metrics.get(site)
        if own is not None and own["federated"]["roc_auc"] is None:
            warnings.append(f"site {site} has test learners of one class only, or none")
    return warnings
