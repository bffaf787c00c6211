"""Parts of a run report that scenarios have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edufed.config import Job

SCORES = ("roc_auc", "pr_auc", "brier", "ece", "precision_at_10", "recall_at_10")


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


def points(curve: Mapping[str, list[float]]) -> list[dict[str, float]]:
    """Turn a curve's columns into its points."""
    return [dict(zip(curve, values, strict=True)) for values in zip(*curve.values(), strict=True)]
