"""A finished recommendation job as the run report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edufed.ranking import coverage, interval, novelty
from edufed.recommend.models import ALONE, BASELINE
from server.federation import Federation
from server.report.contract import Report
from server.report.parts import course_part, modelless_job_part, round_part, secagg_part
from server.rounds import Round
from server.strategies.recommend import Outcome


def build_report(federation: Federation, outcome: Outcome, seconds: float) -> Report:
    """Put together the report of a recommendation job.

    Parameters
    ----------
    federation : Federation
    outcome : Outcome
    seconds : float
        Of the whole job.
    """
    job = federation.job
    table = _table(outcome)
    ranker = table[0]
    sites = [_site(name, outcome) for name in outcome.hello]
    scored = [s for s in sites if s["federated"] and s["federated"]["ndcg_at_10"] is not None]
    worst = min(scored, key=lambda site: site["federated"]["ndcg_at_10"], default=None)
    tested = int(np.asarray(outcome.sums["weights"])[:, 0].sum())
    sums = "every count, likelihood, normal equation and score"
    return Report.model_validate(
        {
            "job": modelless_job_part(job, "ranker, factors, ease"),
            "metrics": {
                "federated": {
                    "n": tested,
                    "ndcg_at_10": ranker["ndcg_at_10"],
                    "hr_at_10": ranker["hr_at_10"],
                }
            },
            "sites": sites,
            "rounds": [_round(entry) for entry in outcome.rounds],
            **course_part(
                federation,
                seconds,
                outcome.phases,
                len(outcome.rounds),
                stopped_by="optimum" if outcome.converged else "rounds",
            ),
            "privacy": {"secagg": secagg_part(job, sums)},
            "quality": [meta["quality"] for meta in outcome.hello.values()],
            "worst_site": (
                {"site": worst["site"], "ndcg_at_10": worst["federated"]["ndcg_at_10"]}
                if worst
                else None
            ),
            "warnings": _warnings(outcome),
            "fairness": outcome.fairness,
            "recommend": {
                "table": table,
                "presentations": _presentations(outcome),
                "baseline": BASELINE,
                "learners": tested,
                "courses": sum(course.tests for course in outcome.agreed),
                "courses_trained": sum(course.trains for course in outcome.agreed),
                "resources": sum(len(course.catalogue) for course in outcome.agreed),
                "replicates": job.recommend.replicates,
                "cutoff_day": job.recommend.cutoff_day,
                "horizon_days": job.recommend.horizon_days,
                "counting": _round(outcome.counting),
            },
        }
    )


def _round(entry: Round) -> dict[str, Any]:
    return round_part(entry.number, entry, training_loss=entry.loss)


def _table(outcome: Outcome) -> list[dict[str, Any]]:
    """Each model's figures: means over the courses that test, with bootstrap intervals."""
    sums = outcome.sums
    weights = np.asarray(sums["weights"], dtype=np.float64)
    ndcg = np.asarray(sums["ndcg"], dtype=np.float64)
    reference = ndcg[:, outcome.models.index(BASELINE)]
    tested = [course for course in outcome.agreed if course.tests]
    heard = weights[:, 0] > 0
    ends = np.cumsum([len(course.catalogue) for course in tested], dtype=np.int64)
    rows = []
    for place, model in enumerate(outcome.models):
        mean, low, high = interval(ndcg[:, place], weights)
        more, more_low, more_high = interval(ndcg[:, place] - reference, weights)
        hits = np.divide(
            sums["hits"][:, place], weights[:, 0], out=np.full(len(heard), np.nan), where=heard
        )
        times = np.split(np.asarray(sums["shown"][place], dtype=np.int64), ends)[: len(tested)]
        counts = [course.counts for course in tested]
        rows.append(
            {
                "model": model,
                "trained": "site" if model in ALONE else "federation",
                "ndcg_at_10": mean,
                "low": low,
                "high": high,
                "hr_at_10": _mean(hits[heard]),
                "coverage": _mean([coverage(t) for t, ok in zip(times, heard, strict=True) if ok]),
                "novelty": _mean(
                    [
                        novelty(t, c.users, c.learners)
                        for t, c, ok in zip(times, counts, heard, strict=True)
                        if ok
                    ]
                ),
                "gain": more,
                "gain_low": more_low,
                "gain_high": more_high,
            }
        )
    return rows


def _mean(values: Any) -> float | None:
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else None


def _presentations(outcome: Outcome) -> list[dict[str, Any]]:
    """By course: learners, each model's NDCG@10, and the ranker's gain with its interval."""
    sums = outcome.sums
    rows = []
    tested = [course for course in outcome.agreed if course.tests]
    for place, course in enumerate(tested):
        weights = np.asarray(sums["weights"][place], dtype=np.float64)
        if not weights[0]:
            continue
        ndcg = np.asarray(sums["ndcg"][place], dtype=np.float64)
        more = ndcg[outcome.models.index("ranker")] - ndcg[outcome.models.index(BASELINE)]
        gain, low, high = interval(more[None, :], weights[None, :])
        rows.append(
            {
                "course": course.catalogue.course,
                "learners": int(weights[0]),
                "resources": len(course.catalogue),
                "ndcg_at_10": {
                    model: float(ndcg[row, 0] / weights[0])
                    for row, model in enumerate(outcome.models)
                },
                "gain": gain,
                "gain_low": low,
                "gain_high": high,
            }
        )
    return rows


def _site(name: str, outcome: Outcome) -> dict[str, Any]:
    meta, own = outcome.hello[name], outcome.metrics.get(name)
    return {
        "site": name,
        "n_train": meta["n_train"],
        "n_test": meta["n_test"],
        "status": "ok" if own else "left out",
        "federated": own and _scores(own, "ranker"),
        "local": own and _scores(own, "ease_alone"),
        "popular": own and _scores(own, BASELINE),
    }


def _scores(own: Mapping[str, Any], model: str) -> dict[str, Any] | None:
    found = own["ndcg_at_10"]
    return {"n": own["n"], "ndcg_at_10": found[model]} if model in found else None


def _warnings(outcome: Outcome) -> list[str]:
    warnings = []
    if outcome.small:
        few = ", ".join(outcome.small[:3]) + (" …" if len(outcome.small) > 3 else "")
        warnings.append(f"courses left out, too few learners: {few} ({len(outcome.small)})")
    if not any(course.trains for course in outcome.agreed):
        warnings.append("no course to learn from: the ranker is popularity in the last week")
    if not any(course.tests for course in outcome.agreed):
        warnings.append("no course to test on: none begins on or after data.split.test_from")
    if not outcome.converged:
        warnings.append("the ranker had not converged by the last round; raise scenario.rounds")
    return warnings
