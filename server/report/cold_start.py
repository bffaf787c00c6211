"""A finished cold start as the run report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from server.federation import Federation
from server.report.contract import Report
from server.report.parts import job_part
from server.report.vertical import parties_part, status_of, training_part
from server.strategies.vertical import Outcome


def build_report(
    federation: Federation,
    outcome: Outcome,
    seconds: float,
    together: Mapping[str, Any] | None = None,
) -> Report:
    """Put together the report of a cold start.

    Parameters
    ----------
    federation : Federation
    outcome : Outcome
    seconds : float
        Of the whole job.
    together : mapping, optional
        Research mode: `loss`, the lowest that one model on all parties' columns can have, and
        `attacks`, what the label party could rebuild of the others' columns.
    """
    job, task = federation.job, federation.job.cold_start
    said = outcome.end
    return Report.model_validate(
        {
            "job": job_part(job),
            "metrics": {},
            "sites": [
                {
                    "site": name,
                    "n_train": hello["n_train"],
                    "n_test": hello["n_test"],
                    "status": status_of(name, outcome, job.label_party),
                }
                for name, hello in outcome.hello.items()
            ],
            **training_part(federation, outcome, seconds),
            "vertical": {
                **parties_part(outcome, together),
                "attacks": together["attacks"] if together else None,
            },
            "cold_start": {
                "platform": job.label_party,
                "cutoff_day": task.cutoff_day,
                "horizon_days": task.horizon_days,
                "replicates": task.replicates,
                "lists": said["lists"],
                "figures": said["figures"],
            },
        }
    )
