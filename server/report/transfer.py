"""A finished transfer job as the run report."""

from __future__ import annotations

from typing import Any

from edufed.config import Job
from edufed.metrics import metrics_from_summary
from server.federation import Federation
from server.report.contract import Report
from server.report.parts import course_part, job_part, round_part, secagg_part
from server.strategies.transfer import Model, Outcome


def build_report(federation: Federation, outcome: Outcome, seconds: float) -> Report:
    """Put together the report of a transfer job.

    Its `metrics` are of the target's test learners: `federated` under the model that the gate chose
    with all labels of the target, `local` under the target's own.

    Parameters
    ----------
    federation : Federation
    outcome : Outcome
    seconds : float
        Of the whole job.
    """
    job = federation.job
    directions = _directions(job, outcome)
    first = directions[0]
    return Report.model_validate(
        {
            "job": job_part(job),
            "metrics": {"federated": first["federated"], "local": first["local"]},
            "sites": [_site(job, outcome, name) for name in outcome.hello],
            **common(federation, outcome, seconds),
            "transfer": {**first, "directions": directions[1:]},
        }
    )


def common(federation: Federation, outcome: Any, seconds: float) -> dict[str, Any]:
    """Rounds, totals, privacy and quality: what every transfer job's report says alike."""
    return {
        "rounds": [round_part(r.number, r, loss=r.loss) for r in outcome.rounds],
        **course_part(
            federation,
            seconds,
            outcome.phases,
            len(outcome.rounds),
            stopped_by=outcome.stopped_by,
            best_round=len(outcome.rounds),
        ),
        "privacy": {"secagg": secagg_part(federation.job, "every gradient, moment and histogram")},
        "quality": [meta["quality"] for meta in outcome.hello.values()],
    }


def _directions(job: Job, outcome: Outcome) -> list[dict[str, Any]]:
    """What each model is worth at each site of its target, in the order of the models."""
    found = []
    tried = [(n, model) for n, model in enumerate(outcome.models) if not model.filling]
    for number, model in tried:
        mine = [n for n, other in tried if other.target == model.target]
        for site, results in outcome.results.items():
            if job.domain_of(site).name == model.target:
                result = results[mine.index(number)]
                found.append(_direction(outcome, number, model, site, result))
    return found


def _direction(
    outcome: Outcome, number: int, model: Model, site: str, result: dict[str, Any]
) -> dict[str, Any]:
    source = metrics_from_summary(outcome.scores[number])
    return {
        "sources": list(model.sources),
        "target": model.target,
        "site": site,
        "features": list(model.features),
        "source_roc_auc": source["roc_auc"],
        **result,
    }


def _site(job: Job, outcome: Outcome, name: str) -> dict[str, Any]:
    meta, results = outcome.hello[name], outcome.results.get(name)
    return {
        "site": name,
        "n_train": meta["n_train"],
        "n_test": meta["n_test"],
        "status": "ok",
        "federated": results[0]["federated"] if results else None,
        "local": results[0]["local"] if results else None,
        "domain": job.domain_of(name).name,
        "missing": meta["missing"],
    }
