"""Parts of a run report that scenarios have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from edufed.config import Job
from edufed.config.privacy import SecureSums
from server.federation import Federation

SCORES = ("roc_auc", "pr_auc", "brier", "ece", "precision_at_10", "recall_at_10")


class Cost(Protocol):
    """What an exchange, or several, took."""

    @property
    def seconds(self) -> float:
        """From the first question to the last answer."""
        ...

    @property
    def messages(self) -> int:
        """Both ways."""
        ...

    @property
    def bytes_up(self) -> int:
        """From the sites."""
        ...

    @property
    def bytes_down(self) -> int:
        """To the sites."""
        ...


def cost_part(cost: Cost) -> dict[str, Any]:
    """Say what an exchange, or several, took."""
    return {
        "seconds": cost.seconds,
        "bytes_up": cost.bytes_up,
        "bytes_down": cost.bytes_down,
        "messages": cost.messages,
    }


def round_part(
    number: int, cost: Cost, *, loss: float | None = None, roc_auc: float | None = None, **more: Any
) -> dict[str, Any]:
    """Say what a round took, and how good the model was: on validation learners, or as `more`."""
    return {
        "round": number,
        **cost_part(cost),
        "metrics": {"loss": loss, "roc_auc": roc_auc, **more},
    }


def course_part(
    federation: Federation,
    seconds: float,
    phases: Sequence[tuple[str, float]],
    rounds: int,
    **totals: Any,
) -> dict[str, Any]:
    """Say how the job went: totals, seconds by phase, and who was left out or refused.

    Parameters
    ----------
    federation : Federation
    seconds : float
        Of the whole job.
    phases : sequence of (str, float)
    rounds : int
    **totals
        What else is said of the whole, such as `stopped_by`.
    """
    by_phase = dict(phases)
    return {
        "totals": {
            "rounds": rounds,
            "messages": federation.totals.messages,
            "bytes_up": federation.totals.bytes_up,
            "bytes_down": federation.totals.bytes_down,
            "seconds": seconds,
            "seconds_features": by_phase.get("features"),
            **totals,
        },
        "phases": [{"phase": name, "seconds": lap} for name, lap in phases],
        "exclusions": federation.exclusions,
        "refusals": federation.refusals,
    }


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


def modelless_job_part(job: Job, models: str | None = None) -> dict[str, Any]:
    """Say what was asked for, of a task that the settings `model` and `strategy` are not for.

    Parameters
    ----------
    job : Job
    models : str, optional
        What the task fits instead, where it fits anything.
    """
    config = job.model_dump(mode="json", exclude={"model", "strategy"})
    return {**job_part(job), "model": models, "strategy": None, "config": config}


def secagg_part(job: Job, sums: str) -> dict[str, Any] | None:
    """Say which sums were secure ones, where any were."""
    if not isinstance(job.privacy, SecureSums):
        return None
    return {"threshold": job.privacy.threshold, "sums": sums}


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


def calibration_points(curve: Mapping[str, list[float]]) -> list[dict[str, float]]:
    """Turn the columns of `edufed.metrics.calibration_curve` into the report's points."""
    # A group's border may fall inside a bin, which is then shared out: counts are not whole.
    whole = [float(round(n)) for n in curve["learners"]]
    return points({"predicted": curve["risk"], "observed": curve["observed"], "n": whole})


def points(curve: Mapping[str, list[float]]) -> list[dict[str, float]]:
    """Turn a curve's columns into its points."""
    return [dict(zip(curve, values, strict=True)) for values in zip(*curve.values(), strict=True)]
