"""A finished neural transfer job as the run report."""

from __future__ import annotations

from typing import Any

from edufed.config.strategy import NeuralTransfer
from server.federation import Federation, JobError
from server.report.contract import Report
from server.report.parts import job_part
from server.report.transfer import common
from server.strategies.transfer_neural import Outcome


def build_report(federation: Federation, outcome: Outcome, seconds: float) -> Report:
    """Put together the report: `metrics` are those of the target, which has few labels.

    Raises
    ------
    JobError
        No site of the target took part to the end.
    """
    job = federation.job
    assert isinstance(job.strategy, NeuralTransfer)
    found = {s: r for s, r in outcome.results.items() if job.domain_of(s).name == job.data.target}
    if not found:
        raise JobError(f"no site of the target {job.data.target} took part to the end")
    site, result = next(iter(found.items()))
    labels = outcome.hello[site]["n_train"]
    if job.strategy.target_labels is not None:
        labels = min(labels, job.strategy.target_labels)
    gate = result["gate"]
    row = {
        "n_labels": labels,
        "draws": 1,
        "target_only": result["local"]["roc_auc"],
        "transfer": result["federated"]["roc_auc"],
        "low": None,
        "high": None,
        "used": None if gate is None else gate["used"],
    }
    refused = gate is not None and gate["used"] == "target_only"
    return Report.model_validate(
        {
            "job": job_part(job),
            "metrics": {
                "federated": result["local" if refused else "federated"],
                "local": result["local"],
            },
            "sites": [_site(job, outcome, name) for name in outcome.hello],
            **common(federation, outcome, seconds),
            "transfer": {
                "sources": [d.name for d in job.data.domains if d.name != job.data.target],
                "target": job.data.target,
                "site": site,
                "zero_label": None,
                "gate": gate,
                "table": [row],
                "directions": [],
            },
        }
    )


def _site(job: Any, outcome: Outcome, name: str) -> dict[str, Any]:
    meta, result = outcome.hello[name], outcome.results.get(name, {})
    return {
        "site": name,
        "n_train": meta["n_train"],
        "n_test": meta["n_test"],
        "status": "ok" if result else "left out",
        "federated": result.get("federated"),
        "local": result.get("local"),
        "domain": job.domain_of(name).name,
    }
