"""Finished learner portraits as the run report: tags and clusters without individuals."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edufed.config.portrait import PortraitSettings
from edufed.portrait.choice import Candidate
from edufed.portrait.evidence import KNOWN, POSITIVE
from edufed.portrait.profiles import told_groups
from edufed.portrait.traits import as_ranks
from server.federation import Federation
from server.report.contract import Report
from server.report.parts import course_part, modelless_job_part, round_part, secagg_part
from server.strategies.portrait import Chosen, Outcome

FloatArray = npt.NDArray[np.float64]


def build_report(federation: Federation, outcome: Outcome, seconds: float) -> Report:
    """Put together the report of learner portraits.

    Parameters
    ----------
    federation : Federation
    outcome : Outcome
    seconds : float
        Of the whole job.
    """
    job = federation.job
    return Report.model_validate(
        {
            "job": modelless_job_part(job, "tags, clusters"),
            "metrics": {},
            "sites": [
                {
                    "site": name,
                    "n_train": meta["n_train"],
                    "n_test": meta["n_test"],
                    "status": "ok" if name in outcome.alone else "left out",
                }
                for name, meta in outcome.hello.items()
            ],
            "rounds": [round_part(r.number, r, training_loss=r.loss) for r in outcome.rounds],
            **course_part(
                federation,
                seconds,
                outcome.phases,
                len(outcome.rounds),
                stopped_by="rounds" if outcome.under_way else "converged",
            ),
            "privacy": {
                "secagg": secagg_part(job, "every count, sum and table"),
                "he": outcome.encrypted,
            },
            "quality": [meta["quality"] for meta in outcome.hello.values()],
            "warnings": _warnings(outcome),
            "portrait": section(outcome, job.portrait),
        }
    )


def section(outcome: Outcome, settings: PortraitSettings) -> dict[str, Any]:
    """Everything that is told of tags and clusterings.

    Parameters
    ----------
    outcome : Outcome
    settings : PortraitSettings
    """
    chosen = outcome.chosen
    accepted = chosen is not None and chosen.accepted
    halves = len(outcome.resamples.partitions)
    return {
        "cutoff_day": settings.cutoff_day,
        "min_cohort": settings.min_cohort,
        "learners": int(outcome.profiles["all/learners"][0]),
        "courses": len(outcome.cohorts),
        "accepted": accepted,
        "chosen": chosen.candidate.family.name if chosen else None,
        "why": _why(chosen),
        "rule": "of those stable, replicating and without a small cluster, most eta_training",
        "accept": settings.accept.model_dump(),
        "bootstraps": outcome.resamples.bootstraps,
        "replicates": settings.replicates,
        "replication_by": "halves" if halves else "sites",
        "partitions": halves,
        "fits_under_way": outcome.under_way,
        "table": [_row(candidate, outcome, settings) for candidate in outcome.candidates],
        "sites": _sites(outcome),
        "tags": _tags(outcome, settings),
        "features": list(settings.clusters.features),
        # Of a clustering that was not accepted nothing but its row in the table is told.
        "clusters": _clusters(outcome, chosen, settings) if chosen and accepted else None,
    }


def _why(chosen: Chosen | None) -> str:
    if chosen is None:
        return "none_stable"
    return "accepted" if chosen.accepted else "no_separation"


def _row(candidate: Candidate, outcome: Outcome, settings: PortraitSettings) -> dict[str, Any]:
    accept, chosen = settings.accept, outcome.chosen
    family = candidate.family
    return {
        "name": family.name,
        "kind": family.kind,
        "k": family.k,
        "smallest": (candidate.smallest if candidate.smallest >= settings.min_cohort else None),
        "stability": _mean(candidate.stability),
        "stability_lowest": min(candidate.stability),
        "replication": _mean(candidate.replication),
        "replication_lowest": min(candidate.replication, default=None),
        "eta_training": candidate.eta_training,
        "eta": candidate.eta,
        "eta_low": candidate.eta_low,
        "eta_high": candidate.eta_high,
        "roc_auc": candidate.auc,
        "roc_auc_low": candidate.auc_low,
        "roc_auc_high": candidate.auc_high,
        "stable": candidate.stable(accept),
        "replicates": candidate.replicates(accept),
        "separates": candidate.separates(accept),
        "chosen": chosen is not None and chosen.candidate.family == family,
    }


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _sites(outcome: Outcome) -> list[dict[str, Any]]:
    """By site, how far its own fits agree with the federation's."""
    return [{"site": site, "alone": own} for site, own in sorted(outcome.alone.items())]


def _tags(outcome: Outcome, settings: PortraitSettings) -> list[dict[str, Any]]:
    """By tag: how many learners have it, and the outcome's rate among them and among the others."""
    sums, least = outcome.profiles, settings.min_cohort
    everyone = {name: int(sums[f"all/{name}"][0]) for name in ("learners", "known", "positive")}
    rows = []
    for place, rule in enumerate(settings.tags):
        own = {name: int(sums[f"tags/{name}"][place]) for name in everyone}
        rest = {name: everyone[name] - own[name] for name in everyone}
        # With and without the tag are two groups that together are everybody.
        told = min(own["learners"], rest["learners"]) >= least
        pair = np.array([[own["positive"], own["known"]], [rest["positive"], rest["known"]]], float)
        rated = told and bool(told_groups(pair[:, 0], pair[:, 1], least).all())
        rows.append(
            {
                "name": rule.name,
                "en": rule.en,
                "zh": rule.zh,
                "learners": own["learners"] if told else None,
                "share": own["learners"] / everyone["learners"] if told else None,
                "rate": pair[0, 0] / pair[0, 1] if rated else None,
                "rate_others": pair[1, 0] / pair[1, 1] if rated else None,
            }
        )
    return rows


def _clusters(outcome: Outcome, chosen: Chosen, settings: PortraitSettings) -> list[dict[str, Any]]:
    """By cluster: size, mean ranks, the outcome's rate, the share of learners with each tag."""
    sums, least = outcome.profiles, settings.min_cohort
    size = sums["clusters/learners"].astype(np.float64)
    ranks = as_ranks(chosen.fit["centres"])
    train, test = _rates(chosen.train, least), _rates(chosen.test, least)
    tagged = sums["clusters/tags"].astype(np.float64)
    told = np.stack([told_groups(column, size, least) for column in tagged.T], axis=1)
    clusters = []
    for k in range(len(size)):
        fine = size[k] >= least  # training learners alone are as many: it was chosen by that
        clusters.append(
            {
                "cluster": k + 1,
                "learners": int(size[k]) if fine else None,
                "share": size[k] / size.sum() if fine else None,
                "ranks": dict(zip(settings.clusters.features, ranks[k].tolist(), strict=True)),
                "rate_train": train[k],
                "rate_test": test[k],
                "tags": {
                    rule.name: tagged[k, place] / size[k] if told[k, place] else None
                    for place, rule in enumerate(settings.tags)
                },
            }
        )
    return clusters


def _rates(counts: FloatArray, least: int) -> list[float | None]:
    """Outcome rate of each cluster that may be told of; `counts` of shape (2, k)."""
    told = told_groups(counts[POSITIVE], counts[KNOWN], least)
    return [
        float(counts[POSITIVE, k] / counts[KNOWN, k]) if told[k] else None for k in range(len(told))
    ]


def _warnings(outcome: Outcome) -> list[str]:
    warnings = []
    if outcome.under_way:
        warnings.append(
            f"fits that had not ended by the last round: {outcome.under_way};"
            " raise task.clusters.rounds"
        )
    if outcome.chosen is not None and not outcome.chosen.test[KNOWN].any():
        warnings.append("no test learner has a known result: look at data.split")
    if outcome.chosen is None:
        warnings.append("no clustering passed: none is both stable and the same across sites")
    elif not outcome.chosen.accepted:
        warnings.append("no clustering passed: the one chosen does not separate outcomes")
    return warnings
